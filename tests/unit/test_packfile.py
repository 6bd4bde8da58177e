"""What we write is what Git reads: packs, indexes, trees and commits, for any history."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.gitstore.commits import CommitBuilder, Commits, author_of
from muster.gitstore.memory import MemoryGit
from muster.gitstore.packfile import Delta, Kind, Pack, object_id
from muster.service.values import NewCommit
from tests.repositories import WHEN, Edits, a_commit, built, files, git


def packed(histories: Sequence[Sequence[Edits]]) -> list[Commits]:
    """One pack for each batch, each batch upon the one before."""
    repository = MemoryGit()
    packs = []
    for batch in histories:
        made = built(repository, repository.head(), [a_commit(edits) for edits in batch])
        assert isinstance(made, Commits)
        repository.publish(repository.head(), made)
        packs.append(made)
    return packs


def one_pack(commit: NewCommit) -> Commits:
    """A first commit."""
    made = built(MemoryGit(), None, [commit])
    assert isinstance(made, Commits)
    return made


def in_git(folder: Path, packs: Sequence[Commits]) -> Path:
    """A repository into which Git itself took the packs, checking them; its branch at the last commit."""
    repository = folder / "checked.git"
    git(folder, "init", "--bare", "-q", "-b", "main", str(repository))
    for made in packs:
        # A name of its own: two batches may consist of the same objects.
        name = repository / "objects" / "pack" / f"pack-{made.packed.name}.pack"
        name.write_bytes(made.packed.pack)
        git(repository, "index-pack", "--strict", str(name))
        assert name.with_suffix(".idx").read_bytes() == made.packed.idx
    git(repository, "update-ref", "refs/heads/main", packs[-1].ids[-1])
    return repository


def applied(before: Mapping[str, bytes], edits: Edits) -> dict[str, bytes]:
    """What the files are after `edits`, said in the plainest way."""
    after = dict(before)
    for path, content in edits.items():
        if content is None:
            after.pop(path, None)
    for path, content in edits.items():
        if content is not None:
            for other in list(after):
                if other.startswith(f"{path}/") or path.startswith(f"{other}/"):
                    del after[other]
            after[path] = content
    return after


def is_consistent(edits: Edits) -> bool:
    """No path is file and folder at once."""
    put = [path for path, content in edits.items() if content is not None]
    return not any(other.startswith(f"{path}/") for path in put for other in put)


# Few names, so that paths meet; with those that Git sorts unlike Python does.
NAMES = st.sampled_from(["a", "b", "a.b", "a-b", "a0", "ä", "100644 a", "f" * 200])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
CONTENTS = st.one_of(st.none(), st.binary(max_size=40), st.binary(min_size=300, max_size=400))
EDITS = st.dictionaries(PATHS, CONTENTS, max_size=8).filter(is_consistent)
BATCHES = st.lists(st.lists(EDITS, min_size=1, max_size=5), min_size=1, max_size=3)


@settings(max_examples=100, deadline=None)
@given(BATCHES)
def test_git_accepts_every_history_and_reads_the_files_that_were_put_in(batches: list[list[Edits]]) -> None:
    packs = packed(batches)
    with tempfile.TemporaryDirectory() as folder:
        repository = in_git(Path(folder), packs)
        git(repository, "fsck", "--strict", "--full")
        expected: dict[str, bytes] = {}
        for batch in batches:
            for edits in batch:
                expected = applied(expected, edits)
        assert files(repository, packs[-1].ids[-1]) == expected


def test_a_folder_of_thousands_is_packed_as_small_deltas(tmp_path: Path) -> None:
    many: Edits = {f"models/{number:04}/model.json": b"%d" % number for number in range(3000)}
    changed: list[Edits] = [{f"models/{number:04}/model.json": b"new"} for number in range(0, 3000, 60)]
    packs = packed([[many, *changed]])
    repository = in_git(tmp_path, packs)
    git(repository, "fsck", "--strict", "--full")
    [full] = packed([[many]])
    assert len(packs[0].packed.pack) < len(full.packed.pack) + 3 * 150_000
    assert files(repository, packs[0].ids[-1])["models/2940/model.json"] == b"new"


def test_a_change_that_changes_nothing_keeps_the_tree(tmp_path: Path) -> None:
    repository = in_git(tmp_path, packed([[{"a/b": b"1"}], [{"a/b": b"1"}, {}, {"x": None, "a/b/c": None}]]))
    trees = git(repository, "log", "--format=%T", "main").split()
    assert len(trees) == 4
    assert len(set(trees)) == 1


@pytest.mark.parametrize("removed", [["a", "a/a"], ["a/a", "a"], ["a", "a/a", "a/a/a"]])
def test_a_removal_of_what_is_not_there_hides_no_other(tmp_path: Path, removed: list[str]) -> None:
    gone: Edits = dict.fromkeys(removed)
    for number, there in enumerate(removed):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert files(in_git(folder, packed([[{there: b"1", "b": b"2"}], [gone]])), "main") == {"b": b"2"}


def test_folders_that_become_empty_go(tmp_path: Path) -> None:
    repository = in_git(tmp_path, packed([[{"a/b/c": b"1", "d": b"2"}], [{"a/b/c": None}]]))
    assert git(repository, "ls-tree", "-r", "-t", "--name-only", "main") == b"d\n"


def test_a_repository_may_become_empty_and_be_filled_again(tmp_path: Path) -> None:
    repository = in_git(tmp_path, packed([[{"a/b": b"1"}, {"a/b": None}], [{"c": b"2"}]]))
    git(repository, "fsck", "--strict")
    assert files(repository, "main~1") == {}
    assert files(repository, "main") == {"c": b"2"}


@pytest.mark.parametrize(
    "message", ["", "subject", "subject\n", "\nbody\n", "Größe 📏\n\nbecause\n\nA-B: c\n"]
)
def test_a_message_is_kept_to_the_letter(tmp_path: Path, message: str) -> None:
    checked = in_git(tmp_path, [one_pack(a_commit({}, message))])
    git(checked, "fsck", "--strict")
    assert git(checked, "cat-file", "commit", "main").partition(b"\n\n")[2].decode() == message


@pytest.mark.parametrize("actor", ["alice", "a", "bob@example.com", "svc.deploy+prod_1-x", "x" * 128])
def test_the_author_is_the_actors_id(tmp_path: Path, actor: str) -> None:
    checked = in_git(tmp_path, [one_pack(a_commit({}, author=actor))])
    git(checked, "fsck", "--strict")
    said = git(checked, "log", "--format=%an|%ae|%at|%cn|%ce", "main").decode().strip()
    address = actor.replace("@", "=") + "@muster.invalid"
    assert said == f"{actor}|{address}|{int(WHEN.timestamp())}|Muster|muster@localhost"


@pytest.mark.parametrize("actor", ["", "a<b", "a>b", "a\nb", "a\0b"])
def test_an_author_that_git_cannot_hold_is_refused(actor: str) -> None:
    with pytest.raises(ValueError, match="actor"):
        author_of(actor)


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", ".", "a/../b", ".git/config", "a/.GIT", "a\0b"])
def test_a_path_that_git_cannot_hold_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        built(MemoryGit(), None, [a_commit({path: b"1"})])


def test_a_path_is_not_file_and_folder_at_once() -> None:
    for edits in ({"a": b"1", "a/b": b"2"}, {"a/b": b"2", "a": b"1"}):
        with pytest.raises(ValueError, match="both"):
            built(MemoryGit(), None, [a_commit(edits)])


def test_a_message_with_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        built(MemoryGit(), None, [a_commit({}, "a\0b")])


def test_a_parent_that_is_missing_or_no_commit_is_an_error() -> None:
    with pytest.raises(OSError, match="missing"):
        built(MemoryGit(), "12" * 20, [a_commit({})])
    with pytest.raises(OSError, match="not a commit"):
        CommitBuilder(lambda _: b"something else").begin("12" * 20).add(a_commit({}))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("csi"), st.integers(0, 70_000)), min_size=1, max_size=6))
def test_git_undoes_every_delta(steps: list[tuple[str, int]]) -> None:
    delta, base, result = Delta(), bytearray(), bytearray()
    for number, (step, size) in enumerate(steps):
        piece = bytes((number * 7 + at * at) % 251 for at in range(min(size, 400))) * (size // 400 + 1)
        if step == "c":
            delta.copy(len(piece))
            base += piece
            result += piece
        elif step == "s":
            delta.skip(len(piece))
            base += piece
        else:
            delta.insert(piece)
            result += piece
    pack = Pack()
    first = pack.add(Kind.BLOB, bytes(base))
    second = pack.add(Kind.BLOB, bytes(result), first, delta)
    with tempfile.TemporaryDirectory() as folder:
        git(Path(folder), "init", "-q", "--bare")
        git(Path(folder), "index-pack", "--strict", "--stdin", given=pack.finished().pack)
        assert git(Path(folder), "cat-file", "blob", second.hex()) == bytes(result)


@given(st.binary(max_size=2000))
def test_an_object_is_stored_once(content: bytes) -> None:
    pack = Pack()
    assert pack.add(Kind.BLOB, content) == pack.add(Kind.BLOB, content) == object_id(Kind.BLOB, content)
    assert len(pack) == 1
