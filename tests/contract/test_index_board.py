"""The board: names of models that match, their rows, and what they were at a moment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from muster.domain import changes as c
from muster.index.store import SqlIndex
from muster.service.board import BoardFilter
from tests.builders import Story, deploy, register


@pytest.fixture
def index() -> Iterator[SqlIndex]:
    index = SqlIndex(None)
    yield index
    index.close()


@pytest.fixture(autouse=True)
def story(index: SqlIndex) -> Story:
    """Three live models, and one that was deleted."""
    story = Story(index).begin()
    story.do(
        c.CreateModel("owned", owner="Vision"),
        register("owned", "v1"),
        register("owned", "v2", bases=({"ref": "Straße/1"},)),
        register("Straße", "v1"),
        register("gone", "v7"),
        deploy("owned", 1, "production"),
        deploy("owned", 2, "staging"),
        deploy("Straße", 1, "production"),
        c.CreateModel("empty"),
        c.DeleteModel("gone"),
    )
    return story


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (BoardFilter(), ["Straße", "empty", "owned"]),
        (BoardFilter(text="STRASSE"), ["Straße"]),
        (BoardFilter(text="visi"), ["owned"]),
        (BoardFilter(text="v2"), ["owned"]),
        (BoardFilter(text="ada"), ["Straße", "owned"]),
        (BoardFilter(text="v7"), []),
        (BoardFilter(owner="Vision"), ["owned"]),
        (BoardFilter(owner=""), ["Straße", "empty"]),
        (BoardFilter(order="changed"), ["empty", "Straße", "owned"]),
        (BoardFilter(order="oldest", environment="production"), ["owned", "Straße"]),
        (BoardFilter(order="oldest", environment="staging"), ["owned"]),
    ],
)
def test_models_are_found_by_what_people_know_of_them(
    index: SqlIndex, wanted: BoardFilter, names: list[str]
) -> None:
    assert index.board_names(wanted) == names


def test_a_row_says_what_is_declared_where_and_by_whom(index: SqlIndex) -> None:
    owned, empty = index.board_rows(["owned", "gone", "empty"])
    assert (owned.owner, owned.newest) == ("Vision", (2, "v2"))
    assert {(p.environment, p.number, p.label) for p in owned.placed.values()} == {
        ("production", 1, "v1"),
        ("staging", 2, "v2"),
    }
    assert owned.placed["production"].by.entry.kind == "deploy"
    assert owned.placed["production"].by.entry.actor == "ada"
    assert (empty.model, empty.newest, empty.placed) == ("empty", None, {})
    assert index.board_rows([]) == []


def test_owners_are_counted(index: SqlIndex) -> None:
    assert index.owners() == [(None, 2), ("Vision", 1)]


def test_versions_with_bases_are_found_once(index: SqlIndex) -> None:
    (found,) = index.with_bases(0)
    assert found.model_id == "owned_v2"
    assert index.with_bases(found.sequence) == []


def test_a_board_of_the_past_has_the_models_of_then(index: SqlIndex) -> None:
    newest = index.newest()
    assert newest is not None
    before_the_deletion = newest.position - 1
    assert index.names_then(before_the_deletion) == ["Straße", "empty", "gone", "owned"]
    assert index.names_then(before_the_deletion, "GON") == ["gone"]
    assert index.names_then(newest.position) == ["Straße", "empty", "owned"]
    assert index.names_then(2) == ["owned"]
    before, now = index.rows_then(before_the_deletion, ["gone", "owned"])
    assert (before.model, before.touched, before.newest, before.placed) == ("gone", True, (1, "v7"), {})
    assert {(p.environment, p.label) for p in now.placed.values()} == {
        ("production", "v1"),
        ("staging", "v2"),
    }
    assert index.rows_then(4, ["owned"])[0].placed == {}
    assert index.newest_then(3, "owned") == (1, "v1")
    assert index.newest_then(newest.position, "owned") == (2, "v2")
    assert index.newest_then(2, "owned") is None
