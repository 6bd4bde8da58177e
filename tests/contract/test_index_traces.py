"""What was declared and seen of a model somewhere, as the log has it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from muster.domain import changes as c
from muster.domain.snapshot import DECLARED, Trace
from muster.index.store import SqlIndex
from tests.builders import Story, an_environment, deploy, register


@pytest.fixture
def index() -> Iterator[SqlIndex]:
    index = SqlIndex(None)
    yield index
    index.close()


@pytest.fixture
def story(index: SqlIndex) -> Story:
    story = Story(index).begin()
    story.do(register("digits", "v1"), register("digits", "v2"), register("words", "v1"))
    return story


def told(
    index: SqlIndex, environment: str = "staging", model: str = "digits"
) -> list[tuple[str, int | None]]:
    with index.snapshot() as now:
        return [(each.state, each.number) for each in now.traces(environment, model)]


def test_what_was_declared_and_seen_comes_in_its_order(index: SqlIndex, story: Story) -> None:
    story.do(
        deploy(environment="staging"),
        c.Observe("digits", "staging", "ready", 1),
        deploy("words", environment="staging"),
        deploy(environment="production"),
        c.Observe("digits", "staging", "running", 1, instance="pod-1"),
        c.AttemptFailed("digits", 2, "staging", "no"),
        c.Undeploy("digits", "staging"),
        c.Observe("digits", "staging", "stopped", 1),
    )
    assert told(index) == [(DECLARED, 1), ("ready", 1), (DECLARED, None), ("stopped", 1)]
    with index.snapshot() as now:
        assert now.traces("staging", "digits")[0] == Trace(story.time - timedelta(seconds=7), DECLARED, 1)
    assert told(index, "development") == []


def test_it_is_the_same_in_an_index_made_anew_and_within_a_batch(index: SqlIndex, story: Story) -> None:
    story.batch([deploy(environment="staging"), c.Observe("digits", "staging", "ready", 1)])
    fresh = SqlIndex(None)
    story.retell(fresh)
    assert told(fresh) == told(index) == [(DECLARED, 1), ("ready", 1)]
    fresh.close()
    with index.transaction() as transaction:
        before = len(transaction.traces("staging", "digits"))
        assert before == 2
        assert transaction.was_deployed("staging", "digits", 1)
        assert not transaction.was_deployed("staging", "digits", 2)


def test_what_another_model_of_that_name_did_is_not_among_it(index: SqlIndex, story: Story) -> None:
    story.do(deploy(environment="staging"), c.Undeploy("digits", "staging"))
    story.do(c.RenameModel("digits", "numbers"), register("digits", "v1"))
    assert told(index) == []
    with index.snapshot() as now:
        assert not now.was_deployed("staging", "digits", 1)
    story.do(deploy(environment="staging"))
    assert told(index) == [(DECLARED, 1)]
    with index.snapshot() as now:
        assert now.was_deployed("staging", "digits", 1)


def test_environments_are_read_as_they_were_written_last(index: SqlIndex, story: Story) -> None:
    story.do(c.SetEnvironment(an_environment("canary", rank=5), create=True))
    with index.snapshot() as now:
        assert [each.name for each in now.every_environment()] == [
            "canary",
            "development",
            "production",
            "staging",
        ]
    story.do(c.SetEnvironment(an_environment("canary", rank=6)), c.DeleteEnvironment("development"))
    with index.snapshot() as now:
        assert {each.name: each.rank for each in now.every_environment()}["canary"] == 6
        assert now.environment("development") is None
