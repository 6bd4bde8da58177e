"""The repository keeps itself in order beside its writer, and nobody who reads notices."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from muster.gitstore.commits import Commits
from muster.gitstore.history import GitHistory
from muster.gitstore.packing import WORKSHOP, Packing, objects_in, replaceable
from muster.gitstore.repository import BRANCH, Repository
from muster.gitstore.reserve import Reserve
from muster.gitstore.store import GitStore
from muster.gitstore.upkeep import Upkeep
from tests.repositories import a_commit, built, git, many, published


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


def names(repository: Repository) -> set[str]:
    return {path.stem for path in packs(repository)}


def objects(repository: Repository) -> set[bytes]:
    """Every object that is in any pack."""
    listed = git(repository.path, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
    return set(listed.split())


def test_gathered_packs_become_one_that_holds_all_of_them(repository: Repository) -> None:
    store = GitStore(repository)
    [head] = published(store, many(30))
    [untouched] = names(repository)
    for at in range(20):
        published(store, {f"models/{at:04}/version.json": b"changed"})
    before = objects(repository)
    [made] = Packing(repository).gather(names(repository) - {untouched}, since=head)
    assert names(repository) == {untouched, made}
    assert objects(repository) == before
    assert GitHistory(repository).fsck() == []


def test_gathering_keeps_what_no_commit_refers_to_yet(repository: Repository) -> None:
    store = GitStore(repository)
    [head] = published(store, {"a": b"1"})
    made = built(store, head, [a_commit({"a": b"2"})])
    assert isinstance(made, Commits)
    for suffix, content in ((".pack", made.packed.pack), (".idx", made.packed.idx)):
        (repository.packs / f"pack-{made.packed.name}{suffix}").write_bytes(content)
    Packing(repository).gather(names(repository), since=head)
    assert len(packs(repository)) == 1
    assert git(repository.path, "cat-file", "-t", made.ids[0]) == b"commit\n"


def test_merging_leaves_sizes_that_double_and_every_object(repository: Repository) -> None:
    store = GitStore(repository)
    published(store, many(200))
    for at in range(30):
        published(store, {f"models/{at:04}/version.json": b"changed"})
    before = objects(repository)
    left = Packing(repository).merge(names(repository))
    assert left == names(repository)
    sizes = sorted(objects_in(repository, name) for name in left)
    assert len(sizes) < 5
    assert all(larger >= 2 * smaller for smaller, larger in pairwise(sizes))
    assert objects(repository) == before
    assert Packing(repository).merge(left) == left
    assert GitHistory(repository).fsck() == []


def test_a_pack_that_is_kept_for_something_is_left_alone(repository: Repository) -> None:
    store = GitStore(repository)
    for at in range(3):
        published(store, {"a": b"%d" % at})
    kept, *others = sorted(names(repository))
    (repository.packs / f"{kept}.keep").touch()
    assert replaceable(repository) == set(others)


def test_an_index_over_packs_that_go_goes_first(repository: Repository) -> None:
    store = GitStore(repository)
    *_, head = [published(store, {"a": b"%d" % at})[0] for at in range(3)]
    git(repository.path, "multi-pack-index", "write")
    Packing(repository).gather(names(repository))
    assert GitHistory(repository).read(head, "a") == b"2"
    assert GitHistory(repository).fsck() == []


def test_repacks_come_by_themselves_and_readers_and_writers_go_on(
    repository: Repository, failures: list[Exception]
) -> None:
    store, history = GitStore(repository), GitHistory(repository)
    published(store, many(30))
    upkeep = Upkeep(repository, failures.append, packs=16)
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


class Counted(Upkeep):
    """Counts the repacks that have ended."""

    def __init__(self, repository: Repository, failed: Callable[[Exception], None], packs: int) -> None:
        super().__init__(repository, failed, packs)
        self.repacks = threading.Semaphore(0)

    def _tried(self, work: Callable[[], set[str]]) -> set[str] | None:
        done = super()._tried(work)
        self.repacks.release()
        return done


def test_a_start_with_many_packs_begins_with_a_merge(
    repository: Repository, failures: list[Exception]
) -> None:
    store = GitStore(repository)
    for at in range(30):
        published(store, {"a": b"%d" % at})
    upkeep = Counted(repository, failures.append, packs=160)
    upkeep.start()
    assert upkeep.repacks.acquire(timeout=60)
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

    upkeep = Upkeep(repository, failed, packs=2)
    upkeep.start()
    missing = (b"\xfftOc", (2).to_bytes(4), bytes(255 * 4), (1).to_bytes(4), b"\x17" * 20)
    for name in ("pack-of-nonsense", "pack-of-more"):
        (repository.packs / f"{name}.idx").write_bytes(b"".join(missing))
        (repository.packs / f"{name}.pack").write_bytes(b"nonsense")
    for _ in range(2):
        upkeep.maybe_run()
        assert told.acquire(timeout=60)
    upkeep.stop()
    assert "repack failed" in str(seen[0])
    assert GitHistory(repository).read(head, "a") == b"1"


def test_repacks_by_hand_beside_it_lose_nothing(repository: Repository) -> None:
    # Either may find that the other was faster; then it is told so, and nothing is lost.
    # Not with -a: that throws away what has been written and is not in the branch yet.
    store = GitStore(repository)
    upkeep = Counted(repository, lambda error: None, packs=8)
    upkeep.start()
    made: list[str] = []

    def write() -> None:
        for at in range(80):
            made.extend(published(store, {f"a/{at % 7}": b"%d" % at}))
            upkeep.maybe_run()

    with ThreadPoolExecutor() as pool:
        writing = pool.submit(write)
        while not writing.done():
            for how in (["-A", "-d", "--write-midx"], ["--geometric=2", "-d"]):
                subprocess.run(
                    ["git", "--git-dir", repository.path, "-c", "safe.directory=*", "repack", "-q", *how],
                    capture_output=True,
                    check=False,
                )
        writing.result()
    upkeep.stop()
    assert git(repository.path, "rev-list", BRANCH).decode().split() == made[::-1]
    assert GitHistory(repository).fsck() == []
    assert len(Packing(repository).gather(replaceable(repository))) == 1


def test_the_end_does_not_wait_for_a_repack(
    repository: Repository, failures: list[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(GitStore(repository), {"a": b"1"})
    begun, slow = tmp_path / "begun", tmp_path / "bin" / "git"
    os.mkfifo(begun)
    slow.parent.mkdir()
    slow.write_text(f"#!/bin/sh\ncase \"$*\" in *pack-objects*) echo > '{begun}'; exec sleep 600; esac\n")
    slow.chmod(0o755)
    upkeep = Upkeep(repository, failures.append, packs=2)
    upkeep.start()
    for at in range(2):
        published(GitStore(repository), {"a": b"%d more" % at})
    monkeypatch.setenv("PATH", str(slow.parent), prepend=os.pathsep)
    upkeep.maybe_run()
    begun.read_text()
    upkeep.stop()
    assert list((repository.path / WORKSHOP).iterdir()) == []


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
