"""The change log as the index tells it: filters, commits, times, the past."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from muster.domain import changes as c
from muster.domain.messages import rfc3339
from muster.index import counting
from muster.index.store import SqlIndex
from muster.service.values import ChangeFilter, Logged
from tests.builders import START, Story, deploy, register

BOB = c.Actor("bob", "token")
SECOND = timedelta(seconds=1)


@pytest.fixture
def index() -> Iterator[SqlIndex]:
    index = SqlIndex(None)
    yield index
    index.close()


@pytest.fixture
def log(index: SqlIndex) -> list[Logged]:
    """Ten changes, a second apart; the first at a second after START."""
    story = Story(index).begin()
    story.do(register(), register(label="v2"), register("other"))  # 2, 3, 4
    story.do(deploy(number=1), deploy(number=2), actor=BOB, reason="better recall")  # 5, 6
    story.do(c.RollBack("digits", 2, "production"))  # 7
    story.do(c.Note("digits", 1, "look here"))  # 8
    story.do(c.Observe("digits", "production", "ready", 1, "pod-7", "ab" * 32))  # 9
    story.do(c.Undeploy("digits", "production"), request=("key 1", "cd" * 32))  # 10
    return index.changes_after(0, 100)


def positions(
    index: SqlIndex, wanted: ChangeFilter, *, before: int | None = None, limit: int = 100
) -> list[int]:
    return [logged.position for logged in index.changes(wanted, before=before, limit=limit)]


def test_an_empty_index_has_no_past(index: SqlIndex) -> None:
    assert index.head() is None
    assert index.newest() is None
    assert index.at(START) is None
    assert index.changes(ChangeFilter(), limit=9) == []
    assert index.count_changes(ChangeFilter()) == 0
    assert index.change("0" * 40) is None


def test_a_row_says_all_that_the_commit_said(log: list[Logged]) -> None:
    deployed, observed, undeployed = log[5].entry, log[8].entry, log[9].entry
    assert (deployed.kind, deployed.actor, deployed.auth) == ("deploy", "bob", "token")
    assert (deployed.reason, deployed.also, deployed.deployed) == ("better recall", (1,), "2")
    assert deployed.time == START + 6 * SECOND
    assert (observed.observed, observed.instance, observed.digest) == ("ready", "pod-7", "ab" * 32)
    assert (undeployed.deployed, undeployed.request) == ("none", ("key 1", "cd" * 32))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (ChangeFilter(), [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
        (ChangeFilter(model="digits"), [10, 9, 8, 7, 6, 5, 3, 2]),
        (ChangeFilter(model="digits", number=1), [10, 9, 8, 7, 6, 5, 2]),
        (ChangeFilter(model="digits", number=2), [7, 6, 3]),
        (ChangeFilter(number=1), []),
        (ChangeFilter(environment="production"), [10, 9, 7, 6, 5]),
        (ChangeFilter(model="other", environment="production"), []),
        (ChangeFilter(actor="bob"), [6, 5]),
        (ChangeFilter(actor="bob", model="digits", number=1), [6, 5]),
        (ChangeFilter(kinds=("register",)), [4, 3, 2]),
        (ChangeFilter(kinds=("rollback", "deploy", "note")), [8, 7, 6, 5]),
        (ChangeFilter(kinds=("register", "deploy"), model="digits", number=2), [6, 3]),
        (ChangeFilter(since=START + 9 * SECOND), [10, 9]),
        (ChangeFilter(until=START + 2 * SECOND), [2, 1]),
        (ChangeFilter(since=START + 4.5 * SECOND, until=START + 6.5 * SECOND), [6, 5]),
        (ChangeFilter(since=START + 99 * SECOND), []),
        (ChangeFilter(until=START), []),
        (ChangeFilter(actor="bob", kinds=("deploy",), until=START + 5 * SECOND), [5]),
    ],
)
def test_changes_are_filtered_newest_first(
    index: SqlIndex, log: list[Logged], wanted: ChangeFilter, found: list[int]
) -> None:
    assert positions(index, wanted) == found
    assert positions(index, wanted, before=6, limit=2) == [p for p in found if p < 6][:2]
    assert index.count_changes(wanted) == len(found)


class TestCounting:
    WANTED = (
        ChangeFilter(),
        ChangeFilter(model="digits"),
        ChangeFilter(model="digits", number=1),
        ChangeFilter(model="digits", kinds=("note", "deploy")),
        ChangeFilter(actor="bob", environment="production"),
        ChangeFilter(since=START + 3.5 * SECOND, until=START + 11.5 * SECOND, model="digits"),
        ChangeFilter(until=START + 11.5 * SECOND),
    )

    @pytest.mark.parametrize("wanted", WANTED)
    def test_a_count_that_was_asked_before_keeps_up(self, index: SqlIndex, wanted: ChangeFilter) -> None:
        story = Story(index).begin()
        assert index.count_changes(wanted) == len(positions(index, wanted))
        for turn in range(5):
            story.do(register(label=f"v{turn}"), c.Note("digits", 1, f"note {turn}"))
            story.do(deploy(number=turn + 1), actor=BOB)
            assert index.count_changes(wanted) == len(positions(index, wanted))

    def test_a_count_is_not_believed_once_the_history_is_another(self, index: SqlIndex) -> None:
        story = Story(index).begin()
        story.do(register(), register(label="v2"), register("other"))
        wanted = ChangeFilter(kinds=("register",))
        assert index.count_changes(wanted) == 3
        earlier = story.until(2)
        others = [(commit[::-1], entry) for commit, entry in earlier.log]
        index.rebuild(others[-1][0], others, earlier.in_tree_order())
        assert index.count_changes(wanted) == 1

    def test_a_version_takes_its_count_along_to_its_models_new_name(self, index: SqlIndex) -> None:
        story = Story(index).begin()
        story.do(register(), c.Note("digits", 1, "look here"))
        old, new = (ChangeFilter(model=name, number=1) for name in ("digits", "forms"))
        assert [index.count_changes(old), index.count_changes(new)] == [2, 0]
        story.do(c.RenameModel("digits", "forms"))
        assert [index.count_changes(old), index.count_changes(new)] == [
            len(positions(index, old)),
            len(positions(index, new)),
        ]
        assert index.count_changes(new) > 2

    def test_more_filters_are_counted_than_are_remembered(
        self, index: SqlIndex, log: list[Logged], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(counting, "REMEMBERED", 2)
        for _ in range(2):
            assert [index.count_changes(ChangeFilter(actor=name)) for name in ("ada", "bob", "cy")] == [
                8,
                2,
                0,
            ]


def test_followers_read_on_from_where_they_were(index: SqlIndex, log: list[Logged]) -> None:
    assert index.changes_after(4, 3) == log[4:7]
    assert index.changes_after(10, 3) == []
    assert index.newest() == log[-1]


class TestCommits:
    def test_a_change_is_found_by_its_commit_or_a_prefix(self, index: SqlIndex, log: list[Logged]) -> None:
        commit = log[4].commit
        for asked in (commit, commit[:7], commit[:20].upper()):
            assert index.change(asked) == log[4]

    @pytest.mark.parametrize("digits", ["", "{6}", "{7}x", "{39}g", "%"])
    def test_less_or_other_than_a_prefix_finds_nothing(
        self, index: SqlIndex, log: list[Logged], digits: str
    ) -> None:
        commit = log[4].commit
        asked = {"{6}": commit[:6], "{7}x": commit[:7] + "x", "{39}g": commit[:39] + "g"}.get(digits, digits)
        assert index.change(asked) is None

    def test_a_prefix_of_two_commits_finds_neither(self, index: SqlIndex, log: list[Logged]) -> None:
        twins = [f"{'a' * 7}{n}{'0' * 32}" for n in (1, 2)]
        with index.transaction() as transaction:
            for _ in twins:
                transaction.project(log[7].entry, {})
            transaction.seal(twins)
        assert index.change("a" * 7) is None
        found = index.change("a" * 7 + "2")
        assert found is not None
        assert found.commit == twins[1]


class TestPast:
    def test_the_newest_word_of_each_instance_is_told(self, index: SqlIndex, log: list[Logged]) -> None:
        story = Story(index, time=log[-1].entry.time)
        pod, other = (
            [c.Observe("digits", "production", state, number, name) for state, number in said]
            for name, said in (("pod-7", [("running", 2), ("unknown", 2)]), ("pod-1", [("running", 1)]))
        )
        story.do(*pod, *other, c.Observe("digits", "production", "ready", 1))  # 11 to 14
        story.do(c.Observe("digits", "staging", "running", 1, "pod-9"))

        def told(position: int) -> list[tuple[str | None, str | None]]:
            found = index.reported_at(position, "production", "digits")
            return [(each.entry.instance, each.entry.observed) for each in found]

        assert told(8) == []
        assert told(11) == [("pod-7", "running")]
        assert told(99) == [("pod-1", "running"), ("pod-7", "unknown")]

    def test_where_something_ran_undeclared_is_told(self, index: SqlIndex) -> None:
        story = Story(index).begin()
        story.do(register(), register("other"), register(label="v2"))  # 2 to 4
        seen = [c.Observe(model, "production", "running", 1, "pod") for model in ("digits", "other")]
        story.do(*seen, deploy())  # 5 to 7
        story.do(deploy("other"), c.Undeploy("other", "production"), c.Undeploy("digits", "production"))
        both = [("production", "digits"), ("production", "other")]
        told = [index.undeclared_at(at) for at in range(4, 11)]
        assert told == [[], both[:1], both, both[1:], [], both[1:], both]
        assert index.undeclared_at(10, "staging") == []
        assert index.undeclared_at(10, model="other") == both[1:]
        assert index.undeclared_at(10, "production", "digits") == both[:1]

    def test_the_change_at_a_time_is_the_newest_that_is_not_later(
        self, index: SqlIndex, log: list[Logged]
    ) -> None:
        assert index.at(START + 5 * SECOND) == log[4]
        assert index.at(START + 5.999999 * SECOND) == log[4]
        assert index.at(START + 1 * SECOND - timedelta(microseconds=1)) is None
        assert index.at(START + 3600 * SECOND) == log[-1]

    def test_what_was_declared_at_each_position(self, index: SqlIndex, log: list[Logged]) -> None:
        told = {
            position: [(p.number, p.by.position) for p in index.placed_at(position, "production")]
            for position in (4, 5, 6, 7, 9, 10)
        }
        assert told == {4: [], 5: [(1, 5)], 6: [(2, 6)], 7: [(1, 7)], 9: [(1, 7)], 10: []}
        assert index.placed_at(6, "staging") == []
        assert index.placed_at(6, model="other") == []
        assert [index.count_placed_at(position, "production") for position in (4, 6, 10)] == [0, 1, 0]
        assert [p.by for p in index.placed_at(6, "production", "digits")] == [log[5]]

    def test_a_deleted_model_was_still_deployed_then(self, index: SqlIndex, log: list[Logged]) -> None:
        Story(index, time=log[-1].entry.time).do(c.DeleteModel("digits"))
        assert [p.number for p in index.placed_at(6)] == [2]

    def test_the_times_of_a_version_grow_with_the_log(self, index: SqlIndex, log: list[Logged]) -> None:
        at = {logged.position: rfc3339(logged.entry.time) for logged in log}
        assert index.times_at(2, "digits", 2) is None
        first = index.times_at(4, "digits", 2)
        assert first is not None
        assert (first.created_at, first.last_updated, first.last_deployed) == (at[3], at[3], None)
        later = index.times_at(9, "digits", 2)
        assert later is not None
        assert (later.last_updated, later.last_deployed, later.last_rollback) == (at[7], at[6], at[7])
        assert index.times_at(9, "digits", 7) is None

    def test_a_model_that_was_deleted_has_the_times_of_each_of_its_lives(
        self, index: SqlIndex, log: list[Logged]
    ) -> None:
        story = Story(index, time=log[-1].entry.time)
        deleted, again, updated = story.do(
            c.DeleteModel("digits"), register(label="v3"), c.UpdateModel("digits", description="anew")
        )
        at = {logged.position: rfc3339(logged.entry.time) for logged in [*log, again, updated]}
        told = [index.model_times_at(p, "digits") for p in (1, 3, deleted.position, again.position)]
        assert [times and (times.created_at, times.last_updated) for times in told] == [
            None,
            (at[2], at[3]),
            None,
            (at[again.position], at[again.position]),
        ]
        last = index.model_times_at(updated.position, "digits")
        assert last is not None
        assert last.last_updated == at[updated.position]


def test_a_request_is_answered_by_its_key(index: SqlIndex, log: list[Logged]) -> None:
    assert index.answered("key 1") == ("cd" * 32, log[-1])
    assert index.answered("key") is None
