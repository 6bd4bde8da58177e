"""Records as the index gives them: versions, references, models, environments, deployments."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from muster.domain import changes as c
from muster.domain.messages import rfc3339
from muster.domain.names import Reference
from muster.index.store import SqlIndex
from muster.service.values import VersionFilter
from tests.builders import Story, a_config, an_artifact, an_environment, deploy, register


@pytest.fixture
def index() -> Iterator[SqlIndex]:
    index = SqlIndex(None)
    yield index
    index.close()


@pytest.fixture
def story(index: SqlIndex) -> Story:
    return Story(index).begin()


def record(index: SqlIndex, model_id: str) -> dict[str, Any]:
    found = index.find(model_id)
    assert found is not None
    view: dict[str, Any] = json.loads(found.document)
    return view


def means(index: SqlIndex, text: str) -> tuple[str, int] | None:
    reference = Reference.parse(text)
    assert reference is not None
    return index.resolve(reference)


class TestVersions:
    def test_a_registered_version_is_found_with_its_whole_record(self, index: SqlIndex, story: Story) -> None:
        (logged,) = story.do(register(metrics={"auc": 0.93}, tags={"team": "Küche"}, owner="ada"))
        found = index.find("digits_v1")
        assert found is not None
        assert (found.model, found.number, found.sequence) == ("digits", 1, logged.position)
        assert found.touched == logged.commit
        assert "Küche".encode() in found.document
        view = json.loads(found.document)
        assert view["metrics"] == {"auc": 0.93}
        assert view["created_at"] == view["last_updated"] == rfc3339(logged.entry.time)
        assert "last_deployed" not in view

    def test_what_was_never_registered_is_not_found(self, index: SqlIndex, story: Story) -> None:
        assert index.find("digits_v1") is None
        assert index.find_number("digits", 1) is None

    def test_a_deleted_version_is_not_found_but_keeps_its_id(self, index: SqlIndex, story: Story) -> None:
        story.do(register(), c.DeleteVersion("digits", 1))
        assert index.find("digits_v1") is None
        assert index.find_number("digits", 1) is None
        assert means(index, "digits/v1") is None
        with index.snapshot() as now:
            assert now.identified("digits_v1") == ("digits", 1)
            assert now.labelled("digits", "v1") == 1
            assert now.numbers("digits") == (1,)

    def test_a_version_without_label_goes_by_its_number(self, index: SqlIndex, story: Story) -> None:
        story.do(register(label=None))
        assert record(index, "digits@1")["version"] == "1"

    def test_a_deployment_is_told_by_the_record_of_each_version_it_touches(
        self, index: SqlIndex, story: Story
    ) -> None:
        story.do(register(), register(label="v2"), deploy(number=1))
        (second,) = story.do(deploy(number=2))
        old, new = record(index, "digits_v1"), record(index, "digits_v2")
        assert (old["deployed_in"], old["deployment_status"]) == ([], "staging")
        assert (new["deployed_in"], new["deployment_status"]) == (["production"], "production")
        assert new["last_deployed"] == old["last_updated"] == rfc3339(second.entry.time)
        (back,) = story.do(c.RollBack("digits", 2, "production"))
        assert record(index, "digits_v2")["last_rollback"] == rfc3339(back.entry.time)
        assert record(index, "digits_v1")["deployed_in"] == ["production"]

    def test_places_come_by_the_rank_of_their_environments(self, index: SqlIndex, story: Story) -> None:
        story.do(c.SetEnvironment(an_environment("canary", rank=25), create=True))
        story.do(register(), deploy(environment="staging"), deploy(environment="canary"))
        assert record(index, "digits_v1")["deployed_in"] == ["canary", "staging"]

    def test_a_note_leaves_the_record_alone(self, index: SqlIndex, story: Story) -> None:
        story.do(register())
        before = index.find("digits_v1")
        story.do(c.Note("digits", 1, "look here"), c.SetAlias("digits", "champion", 1))
        assert index.find("digits_v1") == before

    def test_files_come_and_go_with_the_record(self, index: SqlIndex, story: Story) -> None:
        first, second = an_artifact("b/model.onnx"), an_artifact("a.json", b"{}")
        story.do(register(pending=True))
        story.do(*(c.AttachFile("digits", 1, file) for file in (first, second)))
        assert [file["path"] for file in record(index, "digits_v1")["files"]] == ["a.json", "b/model.onnx"]
        story.do(c.DetachFile("digits", 1, "a.json"), c.Finalize("digits", 1))
        with index.snapshot() as now:
            version = now.version("digits", 1)
        assert version is not None
        assert version.files == (first,)
        assert record(index, "digits_v1")["state"] == "final"

    def test_a_file_names_the_newest_live_version_that_holds_it(self, index: SqlIndex, story: Story) -> None:
        file = an_artifact()
        for number, label in enumerate(("v1", "v2"), start=1):
            story.do(register(label=label, pending=True), c.AttachFile("digits", number, file))
        assert index.version_with_file("digits", file.sha256) == 2
        story.do(c.DeleteVersion("digits", 2))
        assert index.version_with_file("digits", file.sha256) == 1
        assert index.version_with_file("digits", "0" * 64) is None


class TestReferences:
    def test_label_number_alias_and_place_all_name_a_version(self, index: SqlIndex, story: Story) -> None:
        story.do(register(), register(label="v2"), c.SetAlias("digits", "champion", 2), deploy(number=1))
        assert means(index, "digits/v2") == means(index, "digits/2") == ("digits", 2)
        assert means(index, "digits@champion") == ("digits", 2)
        assert means(index, "digits:production") == ("digits", 1)

    @pytest.mark.parametrize(
        "text",
        ["digits/v9", "digits/9", "digits/01", "digits/²", f"digits/{10**40}", "digits@x", "x:production"],
    )
    def test_others_name_nothing(self, index: SqlIndex, story: Story, text: str) -> None:
        story.do(register())
        assert means(index, text) is None

    def test_an_alias_goes_with_its_version(self, index: SqlIndex, story: Story) -> None:
        story.do(register(), c.SetAlias("digits", "champion", 1), c.DeleteVersion("digits", 1))
        assert means(index, "digits@champion") is None


class TestModels:
    def test_a_model_has_the_times_of_its_own_changes(self, index: SqlIndex, story: Story) -> None:
        made, *_ = story.do(c.CreateModel("digits", owner="ada"), register())
        (changed,) = story.do(c.UpdateModel("digits", card="# Digits"))
        story.do(deploy(), c.SetStage("digits", 1, "archived"))
        found = index.model_record("digits")
        assert found is not None
        model, touched, created_at, last_updated = found
        assert (model.owner, model.next_number) == ("ada", 2)
        assert touched == changed.commit
        assert (created_at, last_updated) == (rfc3339(made.entry.time), rfc3339(changed.entry.time))

    def test_a_model_made_again_begins_anew(self, index: SqlIndex, story: Story) -> None:
        story.do(register(), c.DeleteModel("digits"))
        assert index.model_record("digits") is None
        assert index.models(limit=9) == []
        (again,) = story.do(register(label="v2"))
        found = index.model_record("digits")
        assert found is not None
        assert found[2] == rfc3339(again.entry.time)
        assert found[0].next_number == 3

    def test_models_are_listed_by_name_and_filtered(self, index: SqlIndex, story: Story) -> None:
        story.do(
            c.CreateModel("b", owner="ada", tags={"lang": "de", "team": "x"}),
            c.CreateModel("Ärger", tags={"lang": "de"}),
            c.CreateModel("a", owner="ada"),
        )
        assert [model.name for model in index.models(limit=9)] == ["a", "b", "Ärger"]
        assert [model.name for model in index.models(after="a", limit=1)] == ["b"]
        assert [model.name for model in index.models(text="ÄRG", limit=9)] == ["Ärger"]
        assert [model.name for model in index.models(owner="ada", tags={"lang": "de"}, limit=9)] == ["b"]
        assert index.count_models() == 3
        assert index.count_models(tags={"lang": "de"}) == 2
        assert index.count_models(text="x", owner="ada") == 0

    def test_a_tag_taken_away_no_longer_finds_the_model(self, index: SqlIndex, story: Story) -> None:
        story.do(c.CreateModel("digits", tags={"lang": "de"}), c.UpdateModel("digits", tags={"lang": None}))
        assert index.count_models(tags={"lang": "de"}) == 0


class TestPlaces:
    def test_environments_come_by_falling_rank(self, index: SqlIndex, story: Story) -> None:
        (made,) = story.do(c.SetEnvironment(an_environment("canary", rank=25), create=True))
        found = index.environments()
        assert [e.name for e, _ in found] == ["production", "canary", "staging", "development"]
        assert {e.name: commit for e, commit in found}["canary"] == made.commit
        assert found[0][1] == story.log[0][0]
        story.do(c.DeleteEnvironment("canary"))
        assert len(index.environments()) == 3

    def test_deployments_come_with_the_change_that_declared_them(self, index: SqlIndex, story: Story) -> None:
        story.do(register(), register("other"))
        first, second = story.do(
            deploy(), deploy("other", environment="staging", config=a_config(replicas=2))
        )
        story.do(c.Observe("digits", "production", "ready", 1))
        assert [(d.environment, d.model, by) for d, by in index.deployments()] == [
            ("production", "digits", first),
            ("staging", "other", second),
        ]
        ((deployment, _),) = index.deployments(environment="staging", model="other")
        assert deployment.config.replicas == 2
        assert index.deployments(model="nobody") == []
        assert [index.count_deployments(), index.count_deployments("staging")] == [2, 1]

    def test_deployments_come_in_pages_by_place(self, index: SqlIndex, story: Story) -> None:
        story.do(register(), register("other"), register("Ziffern ß"))
        wanted = [("production", "other"), ("production", "Ziffern ß"), ("staging", "digits")]
        story.do(*(deploy(model, environment=environment) for environment, model in wanted))
        newest = index.newest()
        assert newest is not None
        by_place = sorted(wanted)
        for after, limit in ((None, 2), (by_place[0], 1), (by_place[1], 9), (by_place[2], 9)):
            page = [place for place in by_place if after is None or place > after][:limit]
            now = index.deployments(after=after, limit=limit)
            then = index.placed_at(newest.position, after=after, limit=limit)
            assert [(each.environment, each.model) for each, _ in now] == page
            assert [(each.environment, each.model) for each in then] == page

    def test_what_was_emptied_is_left_out(self, index: SqlIndex, story: Story) -> None:
        story.do(register(), deploy())
        (emptied,) = story.do(c.Undeploy("digits", "production"))
        assert index.deployments() == []
        assert index.count_versions(VersionFilter(environment="production")) == 0
        assert index.last_placing("production", "digits") == emptied
        assert index.last_placing("staging", "digits") is None
        with index.snapshot() as now:
            assert now.deployed_in("production") == ()
            (deployment,) = now.deployments_of("digits")
        assert deployment.version is None
        assert [earlier.version for earlier in deployment.earlier] == [1]


def test_an_environment_takes_its_emptied_deployments_along(index: SqlIndex, story: Story) -> None:
    story.do(c.SetEnvironment(an_environment(), create=True), register(), deploy(environment="canary"))
    story.do(c.SetEnvironment(an_environment(allow_pickle=True)))
    assert [d.model for d, _ in index.deployments("canary")] == ["digits"]
    story.do(c.Undeploy("digits", "canary"), c.DeleteEnvironment("canary"))
    story.do(c.SetEnvironment(an_environment(), create=True))
    with index.snapshot() as now:
        assert now.deployment("canary", "digits") is None
