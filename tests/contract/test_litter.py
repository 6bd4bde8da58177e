"""The sweep at a start removes what a crash left, and nothing that somebody else is writing."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest

from muster.gitstore.history import GitHistory
from muster.gitstore.litter import OTHERS_BEAR_S, sweep
from muster.gitstore.packing import WORKSHOP
from muster.gitstore.repository import BRANCH, KEPT, Repository
from muster.gitstore.store import GitStore
from tests.repositories import git, published

NOBODYS = f"pack-{'0' * 40}.pack"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "registry.git")


class Killed(BaseException):
    """Nothing cleans up after it but the operating system."""


def killed_at(repository: Repository, point: str) -> None:
    """Leave what a server leaves that is killed there, in the middle of a write."""

    def crash(at: str) -> None:
        if at == point:
            raise Killed

    with pytest.raises(Killed):
        published(GitStore(repository, crash), {"a": b"half"})


def everything(repository: Repository) -> set[Path]:
    return {path for path in repository.path.rglob("*") if path.is_file()}


@pytest.mark.parametrize("point", ["pack-written", "pack-synced", "pack-renamed"])
def test_what_a_killed_server_left_goes_at_once(repository: Repository, point: str) -> None:
    [head] = published(GitStore(repository), {"a": b"1"})
    whole = everything(repository)
    killed_at(repository, point)
    assert everything(repository) > whole
    sweep(repository)
    assert everything(repository) == whole
    assert sweep(repository) == []
    assert GitHistory(repository).read(head, "a") == b"1"


def test_the_mark_of_a_killed_write_goes_and_one_of_somebody_else_stays(repository: Repository) -> None:
    published(GitStore(repository), {"a": b"1"}, {"b": b"2"})
    ours, others = (repository.packs / f"pack-{digit * 40}.keep" for digit in "12")
    ours.write_bytes(KEPT)
    others.write_bytes(b"for the auditors\n")
    assert sweep(repository) == [ours]
    assert others.exists()


def test_what_a_killed_repack_of_ours_left_goes_at_once(repository: Repository) -> None:
    [head] = published(GitStore(repository), {"a": b"1"})
    whole = everything(repository)
    made = repository.path / WORKSHOP / "abc" / "pack"
    made.mkdir(parents=True)
    (made / "tmp_pack_x1y2z3").write_bytes(b"half")
    (made / NOBODYS).with_suffix(".idx").write_bytes(b"next")
    (repository.packs / NOBODYS).write_bytes(b"in its place already")
    sweep(repository)
    assert everything(repository) == whole
    assert GitHistory(repository).read(head, "a") == b"1"


def test_what_somebody_else_is_writing_stays_until_nobody_can_be_at_it(repository: Repository) -> None:
    [head] = published(GitStore(repository), {"a": b"1"})
    whole = everything(repository)
    theirs = [
        repository.path / "packed-refs.lock",
        repository.path / "objects/17/tmp_obj_abc",
        repository.packs / "multi-pack-index.lock",
        repository.packs / "tmp_pack_x1y2z3",
        repository.packs / ".tmp-17-pack-0123.idx",
        repository.packs / NOBODYS,
    ]
    for path in theirs:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
    assert sweep(repository) == []
    long_ago = time.time() - OTHERS_BEAR_S - 60
    for path in theirs:
        os.utime(path, (long_ago, long_ago))
    assert set(sweep(repository)) == set(theirs)
    assert everything(repository) == whole
    assert GitHistory(repository).read(head, "a") == b"1"


def test_a_repack_by_hand_that_has_written_its_pack_is_let_finish(repository: Repository) -> None:
    store = GitStore(repository)
    *_, head = [published(store, {"a": b"%d" % at})[0] for at in range(3)]
    before = everything(repository)
    git(repository.path, "repack", "-a", "-q")
    [idx] = [path for path in everything(repository) - before if path.suffix == ".idx"]
    content = idx.read_bytes()
    idx.unlink()
    assert sweep(repository) == []
    idx.write_bytes(content)
    git(repository.path, "repack", "-a", "-d", "-q")
    assert GitHistory(repository).read(head, "a") == b"2"
    assert GitHistory(repository).fsck() == []


def test_the_branchs_lock_goes_if_its_holder_was_killed(repository: Repository) -> None:
    [head] = published(GitStore(repository), {"a": b"1"})
    lock = repository.path / f"{BRANCH}.lock"
    lock.write_text(f"{head}\n")
    with lock.open() as living:
        fcntl.flock(living, fcntl.LOCK_EX)
        assert sweep(repository) == []
    assert sweep(repository) == [lock]
    lock.touch()  # as `git pack-refs` holds it
    assert sweep(repository) == []
