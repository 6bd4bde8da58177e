"""What came between two moments, against a story that is told twice: at once, and by a rebuild."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from muster.domain import changes as c
from muster.index import spans
from muster.index.store import SqlIndex
from muster.service.spans import Moved
from tests.builders import Story, deploy, register


@pytest.fixture
def index() -> Iterator[SqlIndex]:
    index = SqlIndex(None)
    yield index
    index.close()


@pytest.fixture
def story(index: SqlIndex) -> Story:
    return Story(index).begin()


def position(index: SqlIndex) -> int:
    newest = index.newest()
    return newest.position if newest else 0


@pytest.fixture(params=[True, False], ids=["by its changes", "by all places"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to find what moved must say the same."""
    monkeypatch.setattr(spans, "_SHORT", 2**40 if request.param else -1)


@pytest.mark.usefixtures("either")
def test_what_is_declared_otherwise_is_told_by_environment(index: SqlIndex, story: Story) -> None:
    story.do(register("a", "v1"), register("a", "v2"), register("b", "v1"), register("kept", "v1"))
    story.do(deploy("a", 1, "production"), deploy("kept", 1, "production"), deploy("b", 1, "staging"))
    low = position(index)
    (moved,) = story.do(deploy("a", 2, "production"))
    story.do(deploy("b", 1, "production"))
    (gone,) = story.do(c.Undeploy("b", "staging"))
    high = position(index)
    assert index.moved(low, high, "production") == [
        Moved("a", 1, 2),
        Moved("b", None, 1),
    ]
    assert index.moved(low, high, "staging") == [Moved("b", 1, None)]
    assert index.moved(low, low, "production") == []
    assert index.placed_by(high, "production", "a") == moved
    assert index.placed_by(high, "staging", "b") == gone
    assert index.placed_by(low, "production", "b") is None


@pytest.mark.usefixtures("either")
def test_what_went_and_came_back_did_not_move(index: SqlIndex, story: Story) -> None:
    story.do(register("a", "v1"), register("a", "v2"), deploy("a", 1, "production"))
    low = position(index)
    story.do(deploy("a", 2, "production"), c.RollBack("a", 2, "production"))
    assert index.moved(low, position(index), "production") == []


def test_versions_that_were_registered_come_latest_first(index: SqlIndex, story: Story) -> None:
    story.do(register("a", "v1"))
    low = position(index)
    story.do(register("a", "v2"), register("b", "v1"), c.DeleteVersion("a", 2))
    high = position(index)
    told = [(each.model, each.number, each.label, each.live) for each in index.registered(low, high, 9)]
    assert told == [("b", 1, "v1", True), ("a", 2, "v2", False)]
    assert [each.by.entry.kind for each in index.registered(low, high, 9)] == ["register", "register"]
    assert len(index.registered(low, high, 1)) == 1
    assert index.count_registered(low, high) == 2
    assert index.count_registered(high, high) == 0


def test_models_that_came_and_went_are_named(index: SqlIndex, story: Story) -> None:
    story.do(c.CreateModel("old"), c.CreateModel("stays"))
    low = position(index)
    story.do(c.CreateModel("new"), c.CreateModel("passing"), c.DeleteModel("passing"), c.DeleteModel("old"))
    high = position(index)
    story.do(c.DeleteModel("new"))
    assert index.arrived(low, high, 9) == ["new"]
    assert index.departed(low, high, 9) == ["old"]
    assert index.arrived(high, position(index), 9) == []
    assert index.departed(high, position(index), 9) == ["new"]
    assert index.departed(0, high, 9) == []
