"""The one writer when something fails: what is written, what its callers are told, how it goes on."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from muster.domain import changes as c
from muster.domain.errors import (
    NotFound,
    OutcomeUnknown,
    StorageFull,
    Unavailable,
)
from muster.index.store import SqlIndex
from muster.service.submissions import Recorded, Request
from muster.service.values import NewCommit
from tests.builders import START, deploy, register
from tests.repositories import built
from tests.unit.worlds import PATIENCE_S, Disk, Git, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world.begin()
    world.close()


@pytest.fixture
def other(world: World, tmp_path: Path) -> Iterator[World]:
    """Another process on the same repository, with an index of its own."""
    other = World(tmp_path, world.git)
    yield other
    other.close()


def raising(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


class SmallIndex(SqlIndex):
    """An index on a disk that can be filled up."""

    def fill(self) -> None:
        """From now on no page is added."""
        (pages,) = self._writer.execute("PRAGMA page_count").fetchone()
        self._writer.execute(f"PRAGMA max_page_count = {pages}")

    def empty(self) -> None:
        """There is room again."""
        self._writer.execute("PRAGMA max_page_count = 1073741823")


class TestFullDisk:
    @pytest.fixture
    def full(self, world: World) -> World:
        """Two versions, the second deployed; no room but the reserve."""
        world.do(register("m", "v1"), register("m", "v2"), deploy("m", 1), deploy("m", 2))
        world.git.disk.room = 0
        return world

    def test_ordinary_changes_are_refused(self, full: World) -> None:
        head = full.git.head()
        with pytest.raises(StorageFull, match="nothing was written"):
            full.do(register("m", "v3"))
        with pytest.raises(StorageFull):
            full.do(deploy("m", 1))
        assert full.git.head() == full.index.head() == head

    def test_going_back_goes_on_from_the_reserve(self, full: World) -> None:
        assert full.do(c.RollBack("m", 2, "production")).commit == full.git.head()
        assert full.subjects()[-1] == "Roll back m v2 to v1 in production"

    def test_in_one_batch_each_is_answered_by_its_kind(self, full: World) -> None:
        refused, done = full.together(register("m", "v3"), c.RollBack("m", 2, "production"))
        assert isinstance(refused, StorageFull)
        assert isinstance(done, Recorded)
        assert full.disagreements() == []

    def test_when_the_reserve_is_used_up_that_is_said_too(self, full: World) -> None:
        full.do(c.RollBack("m", 2, "production"))
        with pytest.raises(StorageFull):
            full.do(c.RollBack("m", 1, "production"))

    def test_all_goes_on_when_there_is_room(self, full: World) -> None:
        full.do(c.RollBack("m", 2, "production"))
        full.git.disk.room = 5
        full.do(register("m", "v3"), deploy("m", 3))
        full.git.disk.room = 0
        full.do(c.RollBack("m", 3, "production"))
        assert full.disagreements() == []

    def test_an_index_without_room_refuses_the_whole_batch(self, tmp_path: Path) -> None:
        index = SmallIndex(None)
        world = World(tmp_path, index=index).begin()
        index.fill()
        big = register("m", "v2", description="x" * 60_000)
        outcomes = world.together(register("m", "v1"), big, register("m", "v3", description="y" * 60_000))
        assert [type(outcome) for outcome in outcomes] == [StorageFull] * 3
        assert len(world.entries()) == 1
        index.empty()
        assert world.do(big).commit is not None
        assert world.disagreements() == []
        world.close()


class TestFaults:
    def test_a_read_only_folder_is_a_clear_refusal(self, world: World) -> None:
        head = world.git.head()
        world.git.before = raising(OSError(errno.EROFS, "Read-only file system"))
        with pytest.raises(Unavailable, match="nothing was written: Read-only file system"):
            world.do(register())
        assert world.git.head() == world.index.head() == head

    @pytest.mark.parametrize("moved", [True, False])
    def test_an_unknown_outcome_is_told_and_the_next_write_finds_the_truth(
        self, world: World, moved: bool
    ) -> None:
        unknown = raising(OutcomeUnknown("the branch may have moved"))
        if moved:
            world.git.after = unknown
        else:
            world.git.before = unknown
        outcomes = world.together(register("a"), register("b"))
        assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown, OutcomeUnknown]
        assert world.do(register("c")).commit is not None
        expected = ["a v1", "b v1", "c v1"] if moved else ["c v1"]
        assert world.subjects()[1:] == [f"Register {name} (new model)" for name in expected]
        assert world.disagreements() == []

    def test_repeating_an_unknown_request_with_its_key_is_safe(self, world: World) -> None:
        request = Request("key", "d" * 64)
        world.git.after = raising(OutcomeUnknown("the branch may have moved"))
        with pytest.raises(OutcomeUnknown):
            world.do(register("m", None), request=request)
        again = world.do(register("m", None), request=request)
        assert (again.repeated, again.number) == (True, 1)
        assert len(world.entries()) == 2

    def test_what_git_has_is_recorded_even_if_the_index_fails_after_it(self, world: World) -> None:
        world.faults["write-published"] = OSError(errno.EIO, "Input/output error")
        recorded = world.do(register())
        world.faults.clear()
        assert recorded.commit == world.git.head()
        assert world.index.head() == world.git.head()  # it caught up at once
        world.do(register("m", "v2"))
        assert world.index.head() == world.git.head()
        assert world.disagreements() == []

    @pytest.mark.parametrize("point", ["write-begun", "write-planned", "write-built"])
    def test_a_fault_before_the_moment_of_truth_writes_nothing(self, world: World, point: str) -> None:
        head = world.git.head()
        world.faults[point] = RuntimeError("bug")
        with pytest.raises(RuntimeError, match="bug"):
            world.do(register())
        assert world.git.head() == world.index.head() == head
        world.faults.clear()
        assert world.do(register()).number == 1

    def test_an_index_left_behind_catches_up_before_the_next_batch(self, world: World, other: World) -> None:
        other.do(register("m", "v1"), deploy("m", 1))
        assert world.do(register("m", "v2")).number == 2
        assert world.disagreements() == []

    def test_an_index_of_another_history_is_made_anew(self, world: World, tmp_path: Path) -> None:
        world.do(register("lost", "v1"))
        other = World(tmp_path).begin()
        other.do(register("m", "v1"))
        other.close()
        elsewhere = World(tmp_path, git=other.git, index=world.index)
        elsewhere.do(register("m", "v2"))
        assert elsewhere.disagreements() == []
        with pytest.raises(NotFound):
            elsewhere.registry.find("lost_v1")
        elsewhere.committer.close()

    def test_a_repository_that_was_emptied_is_told_and_not_written_over(
        self, world: World, tmp_path: Path
    ) -> None:
        emptied = World(tmp_path, git=Git(Disk()), index=world.index)
        with pytest.raises(Unavailable, match="the repository has no commit"):
            emptied.do(register())
        assert emptied.git.head() is None
        emptied.committer.close()

    def test_a_commit_that_muster_did_not_write_is_named_with_the_way_out(self, world: World) -> None:
        head = world.git.head()
        foreign = NewCommit({"README": b"hello"}, "Add a readme\n", "someone", START)
        made = built(world.git, head, [foreign])
        world.git.publish(head, made)
        for _ in range(2):
            with pytest.raises(
                Unavailable, match=rf"commit {made.ids[0]} .* not written by Muster.* update-ref"
            ):
                world.do(register())
        assert world.registry.index.head() == head

    def test_words_that_git_cannot_hold_do_not_spoil_the_batch(self, world: World) -> None:
        world.do(register())
        failed = c.AttemptFailed("digits", 1, "production", "exit \0 \ud800")
        outcomes = world.together(register("a"), failed, register("b"))
        assert all(isinstance(outcome, Recorded) for outcome in outcomes)

    def test_nobody_waits_for_ever_for_a_committer_that_failed(self, world: World) -> None:

        world.faults["write-begun"] = RuntimeError("bug")
        futures = [world.submit(register("m", f"v{n}"), "", None) for n in range(20)]
        assert {type(future.exception(PATIENCE_S)) for future in futures} == {RuntimeError}
        world.faults.clear()
        assert world.do(register()).commit
