"""Reads of any commit: the same from Git as from memory, for few objects as for many."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import pytest

from muster.domain.errors import NotFound
from muster.gitstore.history import NEAR, GitHistory
from muster.gitstore.memory import MemoryGit
from muster.gitstore.repository import Repository
from muster.gitstore.store import GitStore
from muster.service.ports import History, Publisher
from tests.repositories import Edits, git, many, published

UNKNOWN = "12" * 20


class Both(Publisher, History, Protocol):
    """A repository that can be written and read."""


class OnDisk(GitStore, GitHistory):
    def __init__(self, home: Path) -> None:
        self.repository = Repository(home)
        GitStore.__init__(self, self.repository)


def in_memory(home: Path) -> Both:
    return MemoryGit()


@pytest.fixture(params=[OnDisk, in_memory])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Both:
    make: Callable[[Path], Both] = request.param
    return make(tmp_path / "registry.git")


@pytest.fixture
def disk(tmp_path: Path) -> OnDisk:
    return OnDisk(tmp_path / "registry.git")


def a_long_line(both: Both) -> list[str]:
    """More commits than are read one at a time, in a few batches."""
    changes: list[Edits] = [{"counter": b"%d" % at} for at in range(NEAR + 50)]
    return [
        commit for start in range(0, len(changes), 64) for commit in published(both, *changes[start:][:64])
    ]


def test_the_log_goes_from_the_oldest_to_the_newest(both: Both) -> None:
    ids = published(both, {"a": b"1"}, {"a": b"2"}, {"a": b"3"})
    log = list(both.log(None, ids[-1]))
    assert [logged.commit for logged in log] == ids
    assert [logged.message for logged in log] == ["Change 0\n", "Change 1\n", "Change 2\n"]
    assert len({logged.tree for logged in log}) == 3


def test_the_log_begins_after_since(both: Both) -> None:
    ids = published(both, {"a": b"1"}, {"a": b"2"}, {"a": b"3"})
    assert [logged.commit for logged in both.log(ids[0], ids[2])] == ids[1:]
    assert list(both.log(ids[1], ids[1])) == []


@pytest.mark.parametrize("start", [0, 1, 20])
def test_a_long_log_is_complete(both: Both, start: int) -> None:
    ids = a_long_line(both)
    since = ids[start - 1] if start else None
    log = list(both.log(since, ids[-1]))
    assert [logged.commit for logged in log] == ids[start:]
    assert log[-1].message == f"Change {(len(ids) - 1) % 64}\n"


def test_a_log_since_what_is_no_ancestor_is_refused(both: Both) -> None:
    ids = published(both, {"a": b"1"}, {"a": b"2"})
    with pytest.raises(NotFound):
        list(both.log(ids[1], ids[0]))
    with pytest.raises(NotFound):
        list(both.log(UNKNOWN, ids[1]))
    with pytest.raises(NotFound):
        list(both.log(None, UNKNOWN))


def test_a_long_log_since_what_is_no_ancestor_is_refused(disk: OnDisk) -> None:
    ids = a_long_line(disk)
    aside = a_commit_by_git(disk, ids[3], parents=ids[3:4])
    with pytest.raises(NotFound):
        list(disk.log(aside, ids[-1]))


def a_commit_by_git(disk: OnDisk, tree_of: str, parents: list[str]) -> str:
    author = ("-c", "user.name=bob", "-c", "user.email=bob")
    onto = [argument for parent in parents for argument in ("-p", parent)]
    made = git(disk.repository.path, *author, "commit-tree", f"{tree_of}^{{tree}}", *onto, "-m", "by hand")
    return made.decode().strip()


def test_a_merge_is_followed_along_its_first_parent(disk: OnDisk) -> None:
    [root] = published(disk, {"a": b"1"})
    [one] = published(disk, {"a": b"2"})
    aside = a_commit_by_git(disk, root, [root])
    merge = a_commit_by_git(disk, one, [one, aside])
    assert [logged.commit for logged in disk.log(root, merge)] == [one, merge]
    assert disk.is_ancestor(one, merge)
    assert not disk.is_ancestor(aside, merge)
    with pytest.raises(NotFound):
        list(disk.log(aside, merge))


def test_a_read_answers_with_what_was_there_then(both: Both) -> None:
    ids = published(both, {"a/b": b"1", "c": b""}, {"a/b": b"2", "a/d": b"3"}, {"a/b": None})
    assert [both.read(commit, "a/b") for commit in ids] == [b"1", b"2", None]
    assert both.read(ids[2], "a/d") == b"3"
    assert both.read(ids[2], "c") == b""


@pytest.mark.parametrize("path", ["", "a", "b", "a/b/c", "a/", "/a/b", "a/c"])
def test_a_read_of_no_file_is_none(both: Both, path: str) -> None:
    [head] = published(both, {"a/b": b"1"})
    assert both.read(head, path) is None


def test_a_read_of_an_unknown_commit_is_refused(both: Both) -> None:
    [head] = published(both, {"a": b"1"})
    tree = next(iter(both.log(None, head))).tree
    for unknown in (UNKNOWN, tree):
        with pytest.raises(NotFound):
            both.read(unknown, "a")
        with pytest.raises(NotFound):
            both.walk(unknown)
        with pytest.raises(NotFound):
            both.diff(unknown)


def test_a_walk_gives_every_file_in_the_order_of_the_tree(both: Both) -> None:
    [head] = published(both, {"b": b"1", "a/x": b"2", "a.b": b"3", "ä/ö/ü": b"4", "a0": b"5"})
    assert list(both.walk(head)) == [
        ("a.b", b"3"),
        ("a/x", b"2"),
        ("a0", b"5"),
        ("b", b"1"),
        ("ä/ö/ü", b"4"),
    ]


@pytest.mark.parametrize("count", [3, NEAR - 1, NEAR, NEAR + 1, 2 * NEAR])
def test_a_walk_is_complete_however_long_it_is(both: Both, count: int) -> None:
    edits = many(count)
    [head] = published(both, {**edits, "z": b"last"})
    assert dict(both.walk(head, "models")) == edits
    assert list(both.walk(head)) == [*edits.items(), ("z", b"last")]


def test_a_long_walk_gives_every_name_as_it_is(both: Both) -> None:
    strange = [
        'quote"s',
        "back\\slash",
        "tab\there",
        "new\nline",
        "ü ß",
        "*",
        ":(top)x",
        "-n",
        " ",
        "%(rest)",
    ]
    edits = {f"models/{name}/{at:03}": name.encode() for at in range(NEAR) for name in strange}
    [head] = published(both, edits)
    assert dict(both.walk(head)) == edits
    assert {path for path, _ in both.walk(head, "models/*")} == {f"models/*/{at:03}" for at in range(NEAR)}


def test_a_walk_under_a_folder_or_file_gives_only_that(both: Both) -> None:
    [head] = published(both, {"a/b/c": b"1", "a/b/d": b"2", "a/bc": b"3", "e": b"4"})
    assert list(both.walk(head, "a/b")) == [("a/b/c", b"1"), ("a/b/d", b"2")]
    assert list(both.walk(head, "e")) == [("e", b"4")]
    assert list(both.walk(head, "a/none")) == []


def test_a_walk_may_be_left_early(both: Both) -> None:
    [head] = published(both, many(4 * NEAR))
    walk = both.walk(head)
    assert [next(walk) for _ in range(NEAR + 5)][-1][0] == f"models/{NEAR + 4:04}/version.json"
    del walk


def test_a_diff_gives_each_file_before_and_after(both: Both) -> None:
    ids = published(
        both,
        {"a/b": b"1", "c": b"2", "same": b"3"},
        {"a/b": b"4", "c": None, "d/e/f": b"5"},
        {"d": b"6"},
        {},
    )
    assert [list(both.diff(commit)) for commit in ids] == [
        [("a/b", None, b"1"), ("c", None, b"2"), ("same", None, b"3")],
        [("a/b", b"1", b"4"), ("c", b"2", None), ("d/e/f", None, b"5")],
        [("d", None, b"6"), ("d/e/f", b"5", None)],
        [],
    ]


def test_a_commit_is_an_ancestor_of_itself_and_of_what_came_after(both: Both) -> None:
    ids = published(both, {"a": b"1"}, {"a": b"2"}, {"a": b"3"})
    assert both.is_ancestor(ids[0], ids[0])
    assert both.is_ancestor(ids[0], ids[2])
    assert not both.is_ancestor(ids[2], ids[0])
    assert not both.is_ancestor(UNKNOWN, ids[2])
    assert not both.is_ancestor(ids[0], UNKNOWN)


def test_a_far_ancestor_is_found(both: Both) -> None:
    ids = a_long_line(both)
    assert both.is_ancestor(ids[0], ids[-1])
    assert not both.is_ancestor(ids[-1], ids[-2])


def test_a_far_stranger_is_no_ancestor(disk: OnDisk) -> None:
    ids = a_long_line(disk)
    assert not disk.is_ancestor(a_commit_by_git(disk, ids[0], ids[:1]), ids[-1])


def test_many_threads_read_while_one_writes(disk: OnDisk) -> None:
    [first] = published(disk, many(50))
    done = threading.Event()

    def read() -> int:
        reads = 0
        while not done.is_set():
            head = disk.head()
            assert head is not None
            assert disk.read(head, "models/0007/version.json") == b"7 version.json"
            assert disk.is_ancestor(first, head)
            reads += 1
        return reads

    with ThreadPoolExecutor() as pool:
        readers = [pool.submit(read) for _ in range(2)]
        try:
            for at in range(20):
                published(disk, {"counter": b"%d" % at})
        finally:
            done.set()
    assert all(reader.result() for reader in readers)


def test_damage_is_found(disk: OnDisk) -> None:
    published(disk, {"a": b"1"})
    assert disk.fsck() == []
    [pack] = disk.repository.packs.glob("*.pack")
    content = bytearray(pack.read_bytes())
    content[-30] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(content)
    assert disk.fsck() != []


def test_a_folder_that_cannot_be_read_is_an_error_and_never_a_missing_file(disk: OnDisk) -> None:
    [head] = published(disk, many(3))
    home = disk.repository.path
    models = git(home, "rev-parse", f"{head}:models").decode().strip()
    for pack in list(disk.repository.packs.glob("*.pack")):
        content = pack.read_bytes()
        pack.with_suffix(".idx").unlink()
        pack.unlink()
        git(home, "unpack-objects", "-q", given=content)
    (home / "objects" / models[:2] / models[2:]).unlink()
    disk.repository.renew()
    with pytest.raises(OSError):
        disk.read(head, "models/0000/version.json")
    with pytest.raises(OSError):
        list(disk.walk(head))
