"""The repository keeps itself in order beside its writer, and nobody who reads notices."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from muster.gitstore.history import GitHistory
from muster.gitstore.repository import BRANCH, Repository
from muster.gitstore.reserve import Reserve
from muster.gitstore.store import GitStore
from muster.gitstore.upkeep import Upkeep, sweep
from tests.repositories import git, many, published


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "registry.git")


@pytest.fixture
def failures() -> Iterator[list[Exception]]:
    """What repacks failed with; none may, unless a test takes it away."""
    seen: list[Exception] = []
    yield seen
    assert seen == []


def packs(repository: Repository) -> set[Path]:
    return set(repository.packs.glob("*.pack"))


def test_many_small_packs_become_few(repository: Repository, failures: list[Exception]) -> None:
    store = GitStore(repository)
    for at in range(40):
        published(store, {f"a/{at}": b"1"})
    assert Upkeep(repository, failures.append).repack()
    assert len(packs(repository)) == 1
    assert GitHistory(repository).fsck() == []


def test_a_repack_comes_by_itself_and_readers_and_writers_go_on(
    repository: Repository, failures: list[Exception]
) -> None:
    store, history = GitStore(repository), GitHistory(repository)
    published(store, many(30))
    upkeep = Upkeep(repository, failures.append, every=10)
    upkeep.start()
    done = threading.Event()

    def read() -> int:
        reads = 0
        while not done.is_set():
            head = store.head()
            assert head is not None
            assert history.read(head, f"models/{reads % 30:04}/version.json") is not None
            assert any(True for _ in history.diff(head))
            reads += 1
        return reads

    with ThreadPoolExecutor() as pool:
        readers = [pool.submit(read) for _ in range(2)]
        try:
            for at in range(60):
                published(store, {f"models/{at % 30:04}/version.json": b"%d" % at})
                upkeep.maybe_run()
        finally:
            done.set()
            upkeep.stop()
    assert all(reader.result() for reader in readers)
    assert len(packs(repository)) < 50
    assert len(git(repository.path, "rev-list", BRANCH).split()) == 61
    assert history.fsck() == []


def test_a_start_with_many_packs_begins_with_a_repack(
    repository: Repository, failures: list[Exception]
) -> None:
    store = GitStore(repository)
    for at in range(30):
        published(store, {"a": b"%d" % at})
    repacked = threading.Event()

    class Watched(Upkeep):
        def repack(self) -> bool:
            done = super().repack()
            repacked.set()
            return done

    upkeep = Watched(repository, failures.append, every=20)
    upkeep.start()
    assert repacked.wait(60)
    upkeep.stop()
    assert len(packs(repository)) == 1


def test_a_repack_that_fails_is_told_and_the_next_one_is_tried(repository: Repository) -> None:
    store = GitStore(repository)
    [head] = published(store, {"a": b"1"})
    told = threading.Semaphore(0)
    seen: list[Exception] = []

    def failed(error: Exception) -> None:
        seen.append(error)
        told.release()

    upkeep = Upkeep(repository, failed, every=1)
    upkeep.start()
    (repository.packs / "pack-of-nonsense.idx").write_bytes(b"nonsense")
    (repository.packs / "pack-of-nonsense.pack").write_bytes(b"nonsense")
    for _ in range(2):
        upkeep.maybe_run()
        assert told.acquire(timeout=60)
    upkeep.stop()
    assert "repack failed" in str(seen[0])
    assert GitHistory(repository).read(head, "a") == b"1"


def test_the_sweep_removes_what_a_crash_left_and_nothing_else(repository: Repository) -> None:
    [head] = published(GitStore(repository), {"a": b"1"})
    whole = set(repository.packs.iterdir())
    litter = [
        repository.path / "HEAD.lock",
        repository.path / f"{BRANCH}.lock",
        repository.packs / "multi-pack-index.lock",
        repository.packs / "tmp_muster_1_abc_pack",
        repository.packs / "tmp_pack_x1y2z3",
        repository.packs / ".tmp-17-pack-0123.idx",
        repository.packs / f"pack-{'0' * 40}.pack",
    ]
    for path in litter:
        path.write_bytes(b"half")
    assert set(sweep(repository)) == set(litter)
    assert set(repository.packs.iterdir()) == whole
    assert sweep(repository) == []
    assert GitHistory(repository).read(head, "a") == b"1"


def test_the_sweep_leaves_a_repack_alone_that_outlived_its_server(repository: Repository) -> None:
    its_pack = repository.packs / f"pack-{'0' * 40}.pack"
    its_pack.write_bytes(b"whole, and its idx comes next")
    ours = repository.packs / "tmp_muster_1_abc_pack"
    ours.write_bytes(b"half")
    holder = os.open(repository.path / "muster-repack", os.O_RDWR | os.O_CREAT)
    fcntl.flock(holder, fcntl.LOCK_EX)
    assert sweep(repository) == [ours]
    assert its_pack.exists()
    os.close(holder)
    assert sweep(repository) == [its_pack]


def test_only_one_repack_runs_at_a_time(repository: Repository, failures: list[Exception]) -> None:
    published(GitStore(repository), {"a": b"1"})
    holder = os.open(repository.path / "muster-repack", os.O_RDWR | os.O_CREAT)
    fcntl.flock(holder, fcntl.LOCK_EX)
    assert not Upkeep(repository, failures.append).repack()
    os.close(holder)
    assert Upkeep(repository, failures.append).repack()


def test_the_reserve_takes_real_space_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "reserve"
    reserve = Reserve(path, 1 << 20)
    assert reserve.hold()
    assert path.stat().st_blocks * 512 >= 1 << 20
    reserve.release()
    reserve.release()
    assert not path.exists()
    assert reserve.hold()
    assert Reserve(path, 1 << 16).hold()
    assert path.stat().st_size == 1 << 16


def test_a_reserve_that_the_disk_has_no_room_for_leaves_nothing(tmp_path: Path) -> None:
    assert not Reserve(tmp_path / "reserve", 1 << 60).hold()
    assert list(tmp_path.iterdir()) == []
