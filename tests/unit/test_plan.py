"""Registering, describing, filling and deleting: the invariants of models and versions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from muster.domain import changes as c
from muster.domain.errors import Conflict, ContentDiffers, Immutable, Invalid, NotFound, Stale
from muster.domain.lfs import pointer
from muster.domain.names import card_path, file_path, model_path, version_path
from muster.domain.plan import plan
from tests.builders import an_artifact, deploy, register
from tests.unit.states import State


@pytest.fixture
def state() -> State:
    return State.begun()


def attach(number: int = 1, path: str = "model.onnx", content: bytes = b"weights") -> c.AttachFile:
    return c.AttachFile("digits", number, an_artifact(path, content))


class TestRegistering:
    def test_the_first_version_makes_the_model(self, state: State) -> None:
        planned = state.do(register("digits", "v1.0", owner="vision"))
        assert planned.subject == "Register digits v1.0 (new model)"
        assert set(planned.edits) == {model_path("digits"), version_path("digits", 1)}
        assert state.models["digits"].next_number == 2
        assert state.record("digits", 1)["model_id"] == "digits_v1.0"

    def test_numbers_count_up_per_model(self, state: State) -> None:
        state.do(register("a", "x"), register("b", "x"), register("a", "y"), register("a", None))
        assert state.numbers("a") == (1, 2, 3)
        assert state.numbers("b") == (1,)
        assert state.record("a", 3)["model_id"] == "a@3"

    def test_the_same_again_is_done_already(self, state: State) -> None:
        change = register(tags={"a": "1", "b": "2"}, params={"x": [1, {"y": 2}]}, metrics={"auc": 0.9})
        state.do(change)
        shuffled = replace(change, tags={"b": "2", "a": "1"})
        planned = plan(shuffled, state)
        assert planned.nothing
        assert (planned.model, planned.number) == ("digits", 1)

    def test_it_is_the_same_although_the_version_was_described_since(self, state: State) -> None:
        state.do(register(), c.UpdateVersion("digits", 1, description="better words", tags={"a": "b"}))
        state.do(c.SetStage("digits", 1, "archived"), deploy())
        assert plan(register(), state).nothing

    def test_it_is_the_same_although_files_came_since(self, state: State) -> None:
        state.do(register(pending=True), attach(), c.Finalize("digits", 1))
        assert plan(register(), state).nothing
        assert plan(register(pending=True), state).nothing

    @pytest.mark.parametrize(
        ("field", "value", "named"),
        [
            ("description", "other", "description"),
            ("training_data", {"name": "other"}, "training_data"),
            ("stage", "staging", "deployment_status"),
            ("owner", "someone", "owner"),
            ("tags", {"a": "b"}, "tags"),
            ("metrics", {"auc": 0.1}, "metrics"),
            ("params", {"depth": 1}, "params"),
            ("source", {"commit": "abc"}, "source"),
            ("model_kind", "adapter", "kind"),
            ("bases", ({"ref": "llm/v1"},), "bases"),
            ("external", {"provider": "p", "model": "m"}, "external"),
        ],
    )
    def test_other_content_is_refused_naming_the_field(
        self, state: State, field: str, value: Any, named: str
    ) -> None:
        state.do(register())
        with pytest.raises(ContentDiffers) as refused:
            plan(register(**{field: value}), state)
        assert refused.value.fields == (named,)
        assert refused.value.model_id == "digits_v1"

    def test_all_differing_fields_are_named(self, state: State) -> None:
        state.do(register())
        with pytest.raises(ContentDiffers) as refused:
            plan(register(description="x", metrics={"a": 1.0}, owner="y"), state)
        assert set(refused.value.fields) == {"description", "metrics", "owner"}

    def test_what_was_described_otherwise_since_does_not_make_other_content_the_same(
        self, state: State
    ) -> None:
        state.do(register(), c.UpdateVersion("digits", 1, description="new words"))
        with pytest.raises(ContentDiffers, match="as it was when registered"):
            plan(register(description="new words"), state)

    def test_two_references_never_share_an_id(self, state: State) -> None:
        state.do(register("a_b", "c"))
        with pytest.raises(Conflict, match=r"a_b_c belongs to model 'a_b', version 1 .* choose another"):
            plan(register("a", "b_c"), state)
        assert state.model("a") is None

    @pytest.mark.parametrize(("label", "taken"), [("1", True), ("2", False), ("01", False), ("0", False)])
    def test_a_label_of_digits_equals_the_number(self, state: State, label: str, taken: bool) -> None:
        if taken:
            state.do(register("digits", label))
            assert state.labelled("digits", label) == 1
        else:
            with pytest.raises(Invalid, match="must equal the version's number, here 1"):
                plan(register("digits", label), state)

    def test_a_label_that_looks_like_digits_is_no_way_around(self, state: State) -> None:
        for label in ("²", "٢", "１"):  # superscript, Arabic-Indic, full-width
            with pytest.raises(Invalid, match="a label of digits"):
                plan(register("digits", label), state)

    def test_a_thousand_tags_are_the_limit(self, state: State) -> None:
        many = {f"t{at}": "" for at in range(1000)}
        state.do(register(tags=many))
        with pytest.raises(Invalid, match="at most 1000"):
            plan(c.UpdateVersion("digits", 1, tags={"one more": ""}), state)
        state.do(c.UpdateVersion("digits", 1, tags={"one more": "", "t0": None}))

    def test_a_plan_of_nothing_known_is_a_fault_of_ours(self, state: State) -> None:
        with pytest.raises(TypeError, match="no plan for Change"):
            plan(c.Change(), state)


class TestDescribing:
    def test_only_what_is_said_changes(self, state: State) -> None:
        state.do(register(owner="a", tags={"x": "1", "y": "2"}))
        state.do(c.UpdateVersion("digits", 1, tags={"x": None, "z": "3"}))
        record = state.record("digits", 1)
        assert (record["owner"], record["tags"]) == ("a", {"y": "2", "z": "3"})
        state.do(c.UpdateVersion("digits", 1, owner=None, description=""))
        record = state.record("digits", 1)
        assert (record["owner"], record["description"]) == (None, "")
        assert record["training_data"] == "digits of 1,797 forms"

    def test_what_is_so_already_needs_no_commit(self, state: State) -> None:
        state.do(register(owner="a"), c.CreateModel("other", description="d"))
        assert plan(c.UpdateVersion("digits", 1, owner="a", tags={"none": None}), state).nothing
        assert plan(c.UpdateModel("other", description="d"), state).nothing
        assert plan(c.SetStage("digits", 1, "development"), state).nothing
        assert plan(c.SetAlias("digits", "champion", None), state).nothing

    def test_a_card_is_a_file_of_its_own(self, state: State) -> None:
        state.do(c.CreateModel("digits", card="# Digits\n"))
        assert state.tree[card_path("digits")] == b"# Digits\n"
        planned = state.do(c.UpdateModel("digits", card="# More\n"))
        assert planned.edits[card_path("digits")] == b"# More\n"
        assert plan(c.UpdateModel("digits", card="# More\n"), state).nothing
        state.do(c.UpdateModel("digits", card=None))
        assert card_path("digits") not in state.tree
        assert plan(c.UpdateModel("digits", card=None), state).nothing

    def test_a_model_is_created_once(self, state: State) -> None:
        state.do(c.CreateModel("digits"))
        with pytest.raises(Conflict, match="is there already"):
            plan(c.CreateModel("digits"), state)
        assert state.do(register()).subject == "Register digits v1"

    def test_a_note_gets_the_subject_that_was_asked_for(self, state: State) -> None:
        state.do(register())
        planned = plan(c.Note("digits", 1, "looked at it\n\nat length\n"), state)
        assert planned.subject == "Update model digits_v1: looked at it"
        assert planned.body == "at length"
        assert not planned.edits

    def test_a_stage_set_by_hand_is_not_a_deployment(self, state: State) -> None:
        state.do(register(), c.SetStage("digits", 1, "production"))
        assert state.record("digits", 1)["deployment_status"] == "production"
        assert state.record("digits", 1)["deployed_in"] == []
        assert state.deployments_of("digits") == ()

    @pytest.mark.parametrize(
        "change",
        [
            c.UpdateVersion("digits", 2, description="x"),
            c.UpdateVersion("other", 1, description="x"),
            c.UpdateModel("other", description="x"),
            c.SetStage("digits", 2, "staging"),
            c.SetAlias("digits", "champion", 2),
            c.SetAlias("other", "champion", 1),
            c.Note("digits", 2, "x"),
            c.AttachFile("digits", 2, an_artifact()),
            c.DetachFile("digits", 1, "model.onnx"),
            c.Finalize("digits", 2),
            c.DeleteVersion("digits", 2),
            c.DeleteModel("other"),
            c.Deploy("digits", 2, "production"),
            c.Deploy("digits", 1, "moon"),
            c.RollBack("digits", 2, "production"),
            c.RollBack("digits", 1, "moon"),
            c.Undeploy("digits", "moon"),
            c.Undeploy("other", "production"),
            c.AttemptFailed("digits", 2, "production", "why"),
            c.Observe("digits", "production", "ready", 2),
            c.Observe("digits", "moon", "ready"),
            c.Observe("other", "production", "running"),
            c.DeleteEnvironment("moon"),
        ],
    )
    def test_what_is_not_there_is_not_found(self, state: State, change: c.Change) -> None:
        state.do(register())
        with pytest.raises(NotFound):
            plan(change, state)


class TestGuards:
    @pytest.mark.parametrize(
        "change",
        [
            c.UpdateVersion("digits", 1, description="x"),
            c.SetStage("digits", 1, "archived"),
            c.DeleteVersion("digits", 1),
            c.UpdateModel("digits", description="x"),
            c.SetAlias("digits", "champion", 1),
            c.DeleteModel("digits"),
        ],
    )
    def test_a_record_that_changed_since_it_was_read_is_left_alone(self, state: State, change: Any) -> None:
        state.do(register())
        seen = state.commit
        assert not plan(replace(change, expected=seen), state).nothing
        state.do(c.UpdateVersion("digits", 1, owner="x"), c.UpdateModel("digits", owner="x"))
        with pytest.raises(Stale, match="read it again"):
            plan(replace(change, expected=seen), state)

    def test_an_environment_is_guarded_too(self, state: State) -> None:
        seen = state.commit
        staging = state.environments["staging"]
        state.do(c.SetEnvironment(replace(staging, rank=21), expected=seen))
        with pytest.raises(Stale):
            plan(c.SetEnvironment(replace(staging, rank=22), expected=seen), state)
        with pytest.raises(Stale):
            plan(c.DeleteEnvironment("staging", expected=seen), state)


class TestAliases:
    def test_one_moves_and_goes(self, state: State) -> None:
        state.do(register("digits", "v1"), register("digits", "v2"))
        assert state.do(c.SetAlias("digits", "champion", 1)).subject == "Point digits@champion at v1"
        moved = state.do(c.SetAlias("digits", "champion", 2))
        assert (moved.number, moved.also) == (2, (1,))
        assert dict(state.models["digits"].aliases) == {"champion": 2}
        gone = state.do(c.SetAlias("digits", "champion", None))
        assert (gone.subject, gone.number) == ("Remove alias champion from digits", 2)
        assert dict(state.models["digits"].aliases) == {}

    def test_it_goes_with_its_version(self, state: State) -> None:
        state.do(register("digits", "v1"), register("digits", "v2"))
        state.do(c.SetAlias("digits", "old", 1), c.SetAlias("digits", "new", 2), c.DeleteVersion("digits", 1))
        assert dict(state.models["digits"].aliases) == {"new": 2}


class TestFiles:
    def test_pending_files_are_pointers_until_finalized(self, state: State) -> None:
        state.do(register(pending=True))
        artifact = an_artifact("onnx/model.onnx")
        planned = state.do(c.AttachFile("digits", 1, artifact))
        assert dict(planned.edits) == {
            file_path("digits", 1, "onnx/model.onnx"): pointer(artifact.sha256, artifact.size)
        }
        state.do(attach(path="labels.txt"), c.Finalize("digits", 1, {"inputs": [], "outputs": []}))
        assert state.log[-1].subject == "Finalize digits v1 (2 files)"
        record = state.record("digits", 1)
        assert record["state"] == "final"
        assert record["signature"] == {"inputs": [], "outputs": []}
        assert [f["path"] for f in record["files"]] == ["labels.txt", "onnx/model.onnx"]

    def test_a_pending_one_may_change_its_files(self, state: State) -> None:
        state.do(register(pending=True), attach(content=b"1"))
        assert plan(attach(content=b"1"), state).nothing
        state.do(attach(content=b"2"), attach(path="b"))
        state.do(c.DetachFile("digits", 1, "b"))
        assert state.there("digits", 1).files == (an_artifact(content=b"2"),)

    def test_nothing_is_finalized_without_files(self, state: State) -> None:
        state.do(register(pending=True))
        with pytest.raises(Conflict, match="no files yet"):
            plan(c.Finalize("digits", 1), state)

    def test_final_files_never_change(self, state: State) -> None:
        state.do(register(pending=True), attach(), c.Finalize("digits", 1))
        for change in (
            attach(),
            attach(content=b"x"),
            attach(path="b"),
            c.DetachFile("digits", 1, "model.onnx"),
        ):
            with pytest.raises(Immutable, match="its files are fixed"):
                plan(change, state)
        assert plan(c.Finalize("digits", 1, {"other": 1}), state).nothing

    def test_a_version_that_came_without_files_takes_them_once(self, state: State) -> None:
        state.do(register())
        state.do(attach())
        assert state.record("digits", 1)["state"] == "pending"
        state.do(attach(path="b"), c.Finalize("digits", 1))
        with pytest.raises(Immutable):
            plan(attach(path="c"), state)

    def test_what_made_a_version_may_come_with_its_files_where_the_record_does_not_say_it(
        self, state: State
    ) -> None:
        state.do(register(metrics={"auc": 0.9}, source={"uri": "models:/m-1"}), attach())
        facts = c.Facts(
            metrics={"auc": 0.1, "f1": 0.8},
            params={"layers": "3"},
            training_data={"name": "reviews"},
            source={"uri": "elsewhere", "commit": "abc", "user": "ada"},
        )
        said = state.record("digits", 1)["training_data"]
        state.do(c.Finalize("digits", 1, facts=facts))
        record = state.record("digits", 1)
        assert record["metrics"] == {"auc": 0.9, "f1": 0.8}
        assert record["params"] == {"layers": "3"}
        assert record["training_data"] == (said or {"name": "reviews"})
        assert record["source"] == {"uri": "models:/m-1", "commit": "abc", "user": "ada"}

    def test_one_that_runs_elsewhere_takes_none(self, state: State) -> None:
        state.do(register(model_kind="external", external={"provider": "p", "model": "m"}))
        with pytest.raises(Immutable, match="runs elsewhere"):
            plan(attach(), state)

    @pytest.mark.parametrize(
        ("there", "new"),
        [
            *(("a", "a/b"), ("a/b", "a"), ("a/b/c", "a/b"), ("Model.onnx", "model.onnx")),
            *(("A", "a/b"), ("a/b", "A"), ("caf\u00e9", "cafe\u0301"), ("a/x", "A/x")),
        ],
    )
    def test_what_not_every_clone_can_hold_is_refused(self, state: State, there: str, new: str) -> None:
        state.do(register(pending=True), attach(path=there))
        with pytest.raises(Conflict, match=r"file and folder at once|differ by case"):
            plan(attach(path=new), state)

    def test_neighbours_in_a_folder_are_fine(self, state: State) -> None:
        state.do(register(pending=True))
        paths = ["a.b", "a/b", "a/c", "ab", "d"]
        state.do(*(attach(path=path) for path in paths))
        assert sorted(file.path for file in state.there("digits", 1).files) == paths

    def test_what_is_pending_is_not_deployed(self, state: State) -> None:
        state.do(
            register("digits", "v1"), register("digits", "v2", pending=True), attach(2), deploy(number=1)
        )
        with pytest.raises(Conflict, match="finalize its files first"):
            plan(deploy(number=2), state)
        with pytest.raises(Conflict, match="finalize its files first"):
            plan(c.RollBack("digits", 1, "production", to=2), state)

    def test_a_rollback_restores_nothing_that_is_pending_again(self, state: State) -> None:
        state.do(register("digits", "v1"), register("digits", "v2"), deploy(number=1), deploy(number=2))
        state.do(attach(1))
        with pytest.raises(Conflict, match="finalize its files first"):
            plan(c.RollBack("digits", 2, "production"), state)


class TestDeleting:
    def test_a_tombstone_keeps_number_label_id_and_what_it_was_made_from_only(self, state: State) -> None:
        base = {"ref": "letters/1"}
        state.do(register(tags={"a": "b"}, pending=True, bases=(base,)), attach(), c.Finalize("digits", 1))
        planned = state.do(c.DeleteVersion("digits", 1))
        assert planned.edits[file_path("digits", 1, "model.onnx")] is None
        gone = state.versions["digits", 1]
        assert (gone.state, gone.label, gone.model_id) == ("deleted", "v1", "digits_v1")
        assert (gone.tags, gone.description, gone.registered) == ({}, "", "")
        assert (gone.training_data, gone.bases) == ("digits of 1,797 forms", (base,))

    def test_neither_number_nor_label_nor_id_is_used_again(self, state: State) -> None:
        state.do(register("a_b", "c"), c.DeleteVersion("a_b", 1))
        with pytest.raises(Conflict, match="a deleted version's label is not used again"):
            plan(register("a_b", "c"), state)
        with pytest.raises(Conflict, match="belongs to"):
            plan(register("a", "b_c"), state)
        state.do(register("a_b", "d"))
        assert state.labelled("a_b", "d") == 2

    def test_nor_after_the_whole_model_was_deleted_and_begun_anew(self, state: State) -> None:
        state.do(c.CreateModel("digits", owner="old", tags={"a": "b"}, card="x"))
        state.do(register("digits", "v1"), register("digits", "v2"), c.SetAlias("digits", "best", 1))
        planned = state.do(c.DeleteModel("digits"))
        assert planned.also == (1, 2)
        assert card_path("digits") not in state.tree
        with pytest.raises(NotFound):
            plan(c.SetStage("digits", 1, "staging"), state)
        with pytest.raises(Conflict, match="not used again"):
            plan(register("digits", "v1"), state)
        state.do(register("digits", "v3", owner="new"))
        model = state.models["digits"]
        assert (model.owner, dict(model.tags), dict(model.aliases), model.deleted) == ("new", {}, {}, False)
        assert state.labelled("digits", "v3") == 3

    def test_a_deleted_model_may_be_created_again(self, state: State) -> None:
        state.do(register(), c.DeleteModel("digits"), c.CreateModel("digits"))
        assert state.models["digits"].next_number == 2

    def test_what_is_deployed_stays(self, state: State) -> None:
        state.do(register(), deploy())
        for change in (c.DeleteVersion("digits", 1), c.DeleteModel("digits")):
            with pytest.raises(Immutable, match="deployed in production; undeploy it first"):
                plan(change, state)
        state.do(c.Undeploy("digits", "production"), c.DeleteVersion("digits", 1))

    def test_no_rollback_leads_to_what_is_deleted(self, state: State) -> None:
        state.do(*(register("digits", f"v{n}") for n in (1, 2, 3)), *(deploy(number=n) for n in (1, 2, 3)))
        state.do(c.DeleteVersion("digits", 2), c.RollBack("digits", 3, "production"))
        assert state.running("digits") == 1

    def test_deployments_go_with_the_model(self, state: State) -> None:
        state.do(register(), deploy(), c.Undeploy("digits", "production"), c.DeleteModel("digits"))
        assert state.deployments_of("digits") == ()
