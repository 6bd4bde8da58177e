"""The smaller records: kept by path, each with the changes that wrote it, the same when made anew."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from muster.domain import access
from muster.domain import changes as c
from muster.domain.names import access_path
from muster.index.store import SqlIndex
from tests.builders import ADA, Story, a_commit, deploy, project, register


@pytest.fixture
def index() -> Iterator[SqlIndex]:
    index = SqlIndex(None)
    yield index
    index.close()


@pytest.fixture
def story(index: SqlIndex) -> Story:
    story = Story(index).begin()
    story.do(c.BeginAccess("ada"), c.SetAccount("bob", create=True), c.SetTeam("risk", create=True))
    return story


def test_a_record_is_read_by_its_path_with_the_change_that_touched_it_last(
    index: SqlIndex, story: Story
) -> None:
    (logged,) = story.do(c.SetTeam("risk", add=("bob",)))
    found = index.document(access.team_path("risk"))
    assert found is not None
    assert access.team_from_bytes(found.record).members == ("bob",)
    assert found.by == logged
    assert found.by.entry.records == ("access/teams/risk.json",)
    assert index.document(access.team_path("none")) is None


def test_a_folder_is_listed_in_pages_by_path(index: SqlIndex, story: Story) -> None:
    story.do(*(c.SetTeam(name, create=True) for name in ("b", "a", "a-b", "teams")))
    paths = [each.path for each in index.documents("access/teams")]
    assert paths == [f"access/teams/{name}.json" for name in ("a-b", "a", "b", "risk", "teams")]
    assert [each.path for each in index.documents("access/teams", after=paths[1], limit=2)] == paths[2:4]
    assert index.count_documents("access/teams") == 5
    assert index.documents("access/team") == []


def test_the_history_of_a_record_goes_on_beyond_its_end(index: SqlIndex, story: Story) -> None:
    story.do(c.SetTeam("risk", add=("bob",)), c.DeleteTeam("risk"))
    path = access.team_path("risk")
    assert index.document(path) is None
    history = index.document_history(path, limit=10)
    assert [each.entry.kind for each in history] == ["delete-team", "team", "team"]
    assert index.document_history(path, before=history[0].position, limit=1) == [history[1]]


def test_an_index_made_anew_says_the_same(index: SqlIndex, story: Story) -> None:
    story.do(register("digits"), c.SetRoles("model", "digits", "bob", ("viewer",)), c.DeleteTeam("risk"))
    story.do(c.RenameModel("digits", "numbers"))
    assert index.document(access_path("digits")) is None
    assert index.document(access_path("numbers")) is not None
    fresh = SqlIndex(None)
    story.retell(fresh)
    assert index.differences(fresh) == []
    fresh.close()


def test_planning_reads_what_the_batch_has_written(index: SqlIndex, story: Story) -> None:
    story.batch([c.SetTeam("ops", create=True), c.SetTeam("ops", add=("bob",)), c.DeleteTeam("ops")])
    assert index.document(access.team_path("ops")) is None
    with index.snapshot() as now:
        assert now.document_touched(access.team_path("risk")) is not None
        assert now.document_touched(access.team_path("ops")) is None


def test_the_log_of_a_record_says_who_wrote_it_when_be_it_in_the_batch_under_way(
    index: SqlIndex, story: Story
) -> None:
    (made,) = story.do(c.SetTeam("risk", add=("bob",)))
    with index.snapshot() as now:
        log = now.document_log(access.team_path("risk"))
        assert [each.kind for each in log] == ["team", "team"]
        assert log[-1] == made.entry
        assert now.document_log(access.team_path("none")) == ()
    change = c.SetTeam("risk", remove=("bob",))
    with index.transaction() as transaction:
        position = project(transaction, change, story.time)
        assert len(transaction.document_log(access.team_path("risk"))) == 3
        transaction.seal([a_commit(position)])


def test_the_authors_of_a_version_are_those_who_said_what_it_is(index: SqlIndex, story: Story) -> None:
    story.do(register("digits"), register("digits", "v2"))
    story.do(c.UpdateVersion("digits", 1, description="better"), actor=c.Actor("bob"))
    story.do(deploy("digits", 1), c.Note("digits", 1, "seen"), actor=c.Actor("cy"))
    with index.snapshot() as now:
        assert now.authors("digits", 1) == (ADA.name, "bob")
        assert now.authors("digits", 2) == (ADA.name,)
        assert now.authors("digits", 3) == ()


def test_what_was_ever_deployed_somewhere_is_known(index: SqlIndex, story: Story) -> None:
    story.do(register("digits"), register("digits", "v2"), deploy("digits", 1), deploy("digits", 2))
    story.do(c.Undeploy("digits", "production"))
    with index.snapshot() as now:
        assert now.was_deployed("production", "digits", 1)
        assert now.was_deployed("production", "digits", 2)
        assert not now.was_deployed("staging", "digits", 1)
        assert not now.was_deployed("production", "digits", 3)
        assert [each.name for each in now.every_environment()] == ["development", "production", "staging"]


def test_a_snapshot_shows_a_version_as_the_api_does_until_it_is_deleted(
    index: SqlIndex, story: Story
) -> None:
    story.do(register(metrics={"auc": 0.9}), deploy())
    with index.snapshot() as now:
        shown = now.version_record("digits", 1)
        assert shown is not None
        assert (shown["model_id"], shown["metrics"], shown["deployed_in"]) == (
            "digits_v1", {"auc": 0.9}, ["production"],
        )  # fmt: skip
        assert now.version_record("digits", 2) is None
    story.do(c.Undeploy("digits", "production"), c.DeleteVersion("digits", 1))
    with index.snapshot() as now:
        assert now.version_record("digits", 1) is None
