"""The one writer: batches, times, other writers and repeated requests."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from muster.domain import changes as c
from muster.domain.errors import (
    ContentDiffers,
    KeyReused,
    NotFound,
    Unavailable,
)
from muster.service.committer import ATTEMPTS
from muster.service.submissions import MAX_BATCH, Recorded, Request
from muster.service.values import HeadMoved
from tests.builders import START, deploy, register
from tests.unit.worlds import PATIENCE_S, World


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


class TestOneChange:
    def test_it_is_one_commit_that_says_who_what_why_and_when(self, world: World) -> None:
        world.clock.forward(seconds=5)
        recorded = world.do(register(), reason="better recall")
        (entry,) = world.entries()[1:]
        assert (entry.kind, entry.actor, entry.reason) == ("register", "ada", "better recall")
        assert entry.time == world.clock.now
        assert (recorded.model, recorded.number, recorded.commit) == ("digits", 1, world.git.head())
        assert recorded.logged is not None
        assert recorded.logged.entry == entry

    def test_its_writer_reads_it(self, world: World) -> None:
        recorded = world.do(register())
        found = world.registry.find("digits_v1")
        assert found.touched == recorded.commit
        assert world.index.head() == recorded.commit

    def test_what_is_so_already_makes_no_commit(self, world: World) -> None:
        first = world.do(register())
        again = world.do(register())
        assert (again.commit, again.model, again.number) == (None, "digits", 1)
        assert world.git.head() == first.commit

    def test_a_refused_one_leaves_no_trace(self, world: World) -> None:
        world.do(register())
        head = world.git.head()
        with pytest.raises(ContentDiffers):
            world.do(register(description="other"))
        assert world.git.head() == world.index.head() == head

    def test_followers_hear_of_it_before_the_answer(self, world: World) -> None:
        recorded = world.do(register())
        assert world.told[-1] == recorded.logged

    def test_a_follower_that_fails_does_not_make_it_undone(self, world: World) -> None:
        world.faults["told"] = OSError(errno.EIO, "Input/output error")
        recorded = world.do(register())
        assert recorded.commit == world.git.head()
        assert world.do(register("other")).commit == world.git.head()


class TestBatches:
    def test_one_refused_change_leaves_its_neighbours_alone(self, world: World) -> None:
        first, refused, last = world.together(register("a"), c.Note("none", 1, "x"), register("b"))
        assert isinstance(first, Recorded)
        assert isinstance(refused, NotFound)
        assert isinstance(last, Recorded)
        assert world.subjects()[1:] == ["Register a v1 (new model)", "Register b v1 (new model)"]
        assert last.commit == world.git.head()
        assert first.commit != last.commit
        assert world.disagreements() == []

    def test_each_change_sees_those_before_it(self, world: World) -> None:
        outcomes = world.together(register(), deploy(), deploy(), c.RollBack("digits", 1, "production"))
        assert [o.commit is not None for o in outcomes if isinstance(o, Recorded)] == [
            True,
            True,
            False,
            True,
        ]
        assert world.subjects()[1:] == [
            "Register digits v1 (new model)",
            "Deploy digits v1 to production",
            "Roll back digits v1 in production, leaving it empty",
        ]
        assert world.disagreements() == []

    def test_the_same_name_twice_in_one_batch_is_given_once(self, world: World) -> None:
        outcomes = world.together(register("a_b", "c"), register("a", "b_c"), register("a_b", "c"))
        assert isinstance(outcomes[0], Recorded)
        assert type(outcomes[1]).__name__ == "Conflict"
        assert isinstance(outcomes[2], Recorded)
        assert outcomes[2].commit is None

    def test_more_than_a_batch_holds_is_written_too(self, world: World) -> None:
        outcomes = world.together(*(register("m", f"v{n}") for n in range(MAX_BATCH + 10)))
        assert all(isinstance(outcome, Recorded) for outcome in outcomes)
        numbers = [outcome.number for outcome in outcomes if isinstance(outcome, Recorded)]
        assert numbers == list(range(1, MAX_BATCH + 11))
        assert world.disagreements() == []

    def test_many_threads_get_each_their_own_answer(self, world: World) -> None:
        with ThreadPoolExecutor(16) as pool:
            results = list(pool.map(lambda n: world.do(register("m", f"v{n}")), range(100)))
        logged = [result.logged for result in results]
        assert {row.entry.subject.removesuffix(" (new model)") for row in logged if row} == {
            f"Register m v{n}" for n in range(100)
        }
        assert len({result.commit for result in results}) == 100
        assert world.disagreements() == []

    def test_a_change_that_its_caller_gave_up_is_not_written_and_stops_nothing(self, world: World) -> None:
        world.gate.reached.clear()
        with world.gate.shut():
            running = world.submit(register("running"))
            assert world.gate.reached.wait(PATIENCE_S)
            given_up = world.submit(register("given up"))
            assert given_up.cancel()
            assert not running.cancel()
        assert running.result(PATIENCE_S).commit is not None
        assert world.do(register("later")).commit is not None
        assert "given up" not in " ".join(world.subjects())

    def test_closing_writes_what_is_queued_and_refuses_what_comes_later(self, world: World) -> None:
        with world.gate.shut():
            futures = [world.submit(register("m", f"v{n}")) for n in range(5)]
            closing = threading.Thread(target=world.committer.close)
            closing.start()
        closing.join(PATIENCE_S)
        assert all(future.result(0).commit for future in futures)
        with pytest.raises(Unavailable, match="closing"):
            world.do(register("late"))


class TestTime:
    def test_it_rises_strictly_even_if_the_clock_steps_back(self, world: World) -> None:
        world.do(register("m", "v1"))
        world.clock.forward(hours=-5)
        world.do(register("m", "v2"), register("m", "v3"))
        world.together(register("m", "v4"), register("m", "v5"))
        world.clock.forward(hours=6)
        world.do(register("m", "v6"))
        times = [entry.time for entry in world.entries()]
        assert all(earlier < later for earlier, later in pairwise(times))
        assert times[-1] == world.clock.now
        assert times[-2] < START.replace(minute=1)

    def test_it_rises_after_a_restart_and_after_another_process(self, world: World, other: World) -> None:
        other.clock.forward(hours=3)
        other.do(register("m", "v1"))
        world.do(register("m", "v2"))
        times = [entry.time for entry in world.entries()]
        assert all(earlier < later for earlier, later in pairwise(times))


class TestOtherWriters:
    def test_a_lost_race_is_planned_again(self, world: World, other: World) -> None:
        world.git.before = lambda: void(other.do(register("m", "other")))
        recorded = world.do(register("m", "mine"))
        assert recorded.number == 2
        assert world.subjects()[1:] == ["Register m other (new model)", "Register m mine"]
        assert world.disagreements() == []

    def test_what_the_other_made_impossible_is_then_refused(self, world: World, other: World) -> None:
        world.git.before = lambda: void(other.do(register("m", "v1", description="theirs")))
        with pytest.raises(ContentDiffers):
            world.do(register("m", "v1", description="ours"))
        assert len(world.entries()) == 2

    def test_who_loses_every_time_is_told_to_try_again(self, world: World) -> None:
        left = ATTEMPTS

        def lose() -> None:
            nonlocal left
            left -= 1
            if left:
                world.git.before = lose
            raise HeadMoved("refs/heads/main")

        world.git.before = lose
        with pytest.raises(Unavailable, match="another writer was faster"):
            world.do(register())
        assert left == 0
        assert world.do(register()).commit is not None

    def test_two_processes_lose_nothing(self, world: World, other: World) -> None:
        with ThreadPoolExecutor(8) as pool:
            places = [(w, f"{name}{n}") for n in range(30) for name, w in (("a", world), ("b", other))]
            results = list(pool.map(lambda place: place[0].do(register("m", place[1])), places))
        assert sorted(result.number or 0 for result in results) == list(range(1, 61))
        assert len(world.entries()) == 61
        world.follower.catch_up()
        assert world.disagreements() == []


def void(_: object) -> None:
    """For a callback that gives nothing."""


class TestIdempotency:
    KEY = Request("key-1", "d" * 64)

    def test_the_same_request_again_gets_the_first_answer(self, world: World) -> None:
        change = c.UpdateModel("digits", description="x")
        world.do(register())
        first = world.do(change, request=self.KEY)
        world.do(c.UpdateModel("digits", description="y"))
        again = world.do(change, request=self.KEY)
        assert again == Recorded(first.logged, "digits", None, repeated=True)
        assert len(world.entries()) == 4

    def test_another_request_with_the_key_is_refused(self, world: World) -> None:
        world.do(register(), request=self.KEY)
        with pytest.raises(KeyReused, match="key-1"):
            world.do(register("other"), request=Request("key-1", "e" * 64))

    def test_within_one_batch_too(self, world: World) -> None:
        first, again, reused = world.together(
            (register("m", None), self.KEY),
            (register("m", None), self.KEY),
            (register("m", "x"), Request("key-1", "e" * 64)),
        )
        assert isinstance(first, Recorded)
        assert isinstance(again, Recorded)
        assert again == Recorded(first.logged, "m", 1, repeated=True)
        assert again.commit == world.git.head()
        assert isinstance(reused, KeyReused)
        assert len(world.entries()) == 2

    def test_after_the_index_was_made_anew_too(self, world: World, other: World) -> None:
        first = world.do(register("m", None), request=self.KEY)
        other.follower.catch_up()
        again = other.do(register("m", None), request=self.KEY)
        assert (again.repeated, again.commit) == (True, first.commit)

    def test_a_refused_request_does_not_use_up_its_key(self, world: World) -> None:
        with pytest.raises(NotFound):
            world.do(deploy(), request=self.KEY)
        world.do(register())
        assert not world.do(deploy(), request=self.KEY).repeated

    def test_the_registry_finds_the_answer_without_writing(self, world: World) -> None:
        assert world.registry.answered(self.KEY) is None
        first = world.do(register(), request=self.KEY)
        answered = world.registry.answered(self.KEY)
        assert answered == Recorded(first.logged, "digits", 1, repeated=True)
        with pytest.raises(KeyReused):
            world.registry.answered(Request("key-1", "e" * 64))
