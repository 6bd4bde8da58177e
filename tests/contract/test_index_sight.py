"""An index of which somebody sees some models only: as if there were no others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from muster.domain import changes as c
from muster.domain.names import Reference
from muster.index import tables
from muster.index.sight import SHOWN_TO_ALL, VIEWS
from muster.index.store import SqlIndex
from muster.service.values import ChangeFilter, VersionFilter
from tests.builders import Story, deploy, register


@pytest.fixture
def index() -> Iterator[SqlIndex]:
    index = SqlIndex(None)
    story = Story(index).begin()
    story.do(register("digits", tags={"tier": "1"}, metrics={"auc": 0.9}), register("words", owner="ada"))
    story.do(c.BeginAccess("ada"), c.SetTeam("nlp", create=True))
    story.do(c.SetRoles("model", "words", "ada", ("viewer",)))
    story.do(deploy("digits"), deploy("words"), c.SetAlias("words", "champion", 1))
    yield index
    index.close()


def test_no_table_is_forgotten() -> None:
    assert VIEWS.keys() | SHOWN_TO_ALL == tables.metadata.tables.keys()
    assert not VIEWS.keys() & SHOWN_TO_ALL


def test_what_is_out_of_sight_is_in_no_list_and_no_count(index: SqlIndex) -> None:
    seen = index.seen_by(frozenset({"words"}))
    assert [model.name for model in seen.models(limit=10)] == ["words"]
    assert seen.count_models() == seen.count_versions(VersionFilter()) == seen.count_deployments() == 1
    assert seen.find("digits_v1") is None
    assert seen.resolve(Reference("digits", "version", "v1")) is None
    assert seen.model_ids(VersionFilter(tags={"tier": "1"}), limit=10) == []
    assert [placed.model for placed in seen.placed_at(10**6)] == ["words"]
    assert {each.entry.model for each in seen.changes(ChangeFilter(), limit=100)} == {"words", None}
    assert seen.count_changes(ChangeFilter()) == len(seen.changes(ChangeFilter(), limit=100))
    assert seen.documents("access") == []
    with seen.snapshot() as now:
        assert now.model("digits") is None
        assert now.version("words", 1) is not None


def test_who_sees_every_model_sees_what_there_is_of_them(index: SqlIndex) -> None:
    seen = index.seen_by(frozenset({"words", "digits"}))
    assert seen.models(limit=10) == index.models(limit=10)
    assert seen.deployments() == index.deployments()
    assert seen.model_ids(VersionFilter(), limit=10) == index.model_ids(VersionFilter(), limit=10)
    assert seen.resolve(Reference("words", "alias", "champion")) == ("words", 1)
