"""Renaming, tagging without updating, one version alone in a stage, and registering with files."""

from __future__ import annotations

from dataclasses import replace

import pytest

from muster.domain import changes as c
from muster.domain.errors import Conflict, Immutable, Invalid, NotFound, Stale, Taken
from muster.domain.names import (
    card_path,
    check_together,
    deployment_path,
    file_path,
    model_path,
    version_path,
)
from muster.domain.plan import plan
from tests.builders import an_artifact, deploy, register
from tests.unit.states import State


@pytest.fixture
def state() -> State:
    """A model with a card, a deleted version, one with a file, and an alias."""
    state = State.begun()
    state.do(c.CreateModel("digits", tags={"team": "vision"}, card="# Card"))
    state.do(register("digits", "v1"), register("digits", None, pending=True), c.DeleteVersion("digits", 1))
    state.do(c.AttachFile("digits", 2, an_artifact("a/b.onnx")), c.Finalize("digits", 2))
    state.do(c.SetAlias("digits", "best", 2))
    return state


class TestRenaming:
    def test_all_of_a_model_moves_and_nothing_is_left(self, state: State) -> None:
        planned = state.do(c.RenameModel("digits", "numbers", "# Card"))
        assert planned.subject == "Rename model digits to numbers"
        assert (planned.model, planned.renamed, planned.also) == ("numbers", "digits", (2,))
        before = [
            model_path("digits"),
            card_path("digits"),
            version_path("digits", 1),
            version_path("digits", 2),
        ]
        assert not {*before, file_path("digits", 2, "a/b.onnx")} & set(state.tree)
        assert state.tree[card_path("numbers")] == b"# Card"
        model = state.models["numbers"]
        assert (model.tags, model.aliases, model.next_number) == ({"team": "vision"}, {"best": 2}, 3)
        version = state.there("numbers", 2)
        assert (version.model_id, [file.path for file in version.files]) == ("numbers@2", ["a/b.onnx"])
        gone = state.version("numbers", 1)
        assert gone is not None
        assert (gone.state, gone.model_id) == ("deleted", "numbers_v1")

    def test_the_old_name_is_free(self, state: State) -> None:
        state.do(c.RenameModel("digits", "numbers", "# Card"))
        state = State.decoded(state.tree)
        state.do(register("digits", "v1"))
        assert state.there("digits", 1).model_id == "digits_v1"
        state.do(c.DeleteModel("numbers"), c.RenameModel("digits", "letters"))
        assert state.numbers("letters") == (1,)

    def test_its_own_name_is_no_other(self, state: State) -> None:
        assert plan(c.RenameModel("digits", "digits"), state).nothing

    def test_a_name_that_is_taken_is_refused(self, state: State) -> None:
        state.do(c.CreateModel("numbers"))
        with pytest.raises(Taken) as raised:
            plan(c.RenameModel("digits", "numbers", "# Card"), state)
        assert raised.value.facts() == {"kind": "model", "name": "numbers"}

    def test_a_deleted_models_name_is_free_if_it_had_no_versions(self, state: State) -> None:
        state.do(c.CreateModel("empty"), c.DeleteModel("empty"), register("full"), c.DeleteModel("full"))
        with pytest.raises(Conflict, match="not used again"):
            plan(c.RenameModel("digits", "full", "# Card"), state)
        state.do(c.RenameModel("digits", "empty", "# Card"))
        assert state.models["empty"].aliases == {"best": 2}

    def test_an_id_that_is_taken_is_refused(self, state: State) -> None:
        state.do(register("a", "b_c"), register("x", "c"))
        with pytest.raises(Conflict, match="a_b_c belongs to model 'a'"):
            plan(c.RenameModel("x", "a_b"), state)

    def test_what_is_deployed_is_not_renamed_and_what_was_leaves_no_way_back(self, state: State) -> None:
        state.do(deploy("digits", 2, "staging"))
        with pytest.raises(Immutable, match="staging"):
            plan(c.RenameModel("digits", "numbers", "# Card"), state)
        state.do(c.Undeploy("digits", "staging"))
        state.do(c.RenameModel("digits", "numbers", "# Card"))
        assert state.deployments_of("numbers") == ()
        assert deployment_path("staging", "digits") not in state.tree

    def test_a_card_that_changed_meanwhile_is_not_lost(self, state: State) -> None:
        with pytest.raises(Stale):
            plan(c.RenameModel("digits", "numbers", "# Old"), state)
        with pytest.raises(NotFound):
            plan(c.RenameModel("nobody", "numbers"), state)


class TestTagging:
    def test_tags_are_set_and_removed(self, state: State) -> None:
        assert state.do(c.TagModel("digits", {"team": None, "a": ""})).subject == "Tag model digits"
        assert state.models["digits"].tags == {"a": ""}
        assert plan(c.TagModel("digits", {"nobody": None, "a": ""}), state).nothing
        with pytest.raises(Invalid, match="1000"):
            plan(c.TagModel("digits", {str(at): "" for at in range(1_000)}), state)


class TestAlone:
    @pytest.fixture
    def state(self) -> State:
        state = State.begun()
        state.do(*(register("digits", None) for _ in range(6)))
        state.do(*(c.SetStage("digits", number, "production") for number in (1, 2, 3, 4)))
        return state

    def test_the_others_of_a_stage_are_archived_in_the_same_change(self, state: State) -> None:
        planned = state.do(c.SetStage("digits", 5, "production", archive_others=True))
        assert state.stages("digits") == [*["archived"] * 4, "production", "development"]
        assert planned.also == (1, 2, 3, 4)
        assert planned.subject == (
            "Move digits 5 from development to production, archiving 1, 2, 3 and 1 more"
        )

    def test_one_that_is_there_already_may_be_left_alone(self, state: State) -> None:
        state.do(c.DeleteVersion("digits", 4))
        state.do(c.SetStage("digits", 2, "production", archive_others=True))
        assert [state.there("digits", n).stage for n in (1, 2, 3)] == ["archived", "production", "archived"]
        assert plan(c.SetStage("digits", 2, "production", archive_others=True), state).nothing

    @pytest.mark.parametrize("stage", ["development", "archived"])
    def test_it_goes_only_with_a_stage_where_one_can_be_meant(self, state: State, stage: str) -> None:
        with pytest.raises(Invalid, match="archive_others"):
            plan(c.SetStage("digits", 1, stage, archive_others=True), state)


class TestRegisteringWithFiles:
    def test_the_files_are_there_at_once_and_for_ever(self, state: State) -> None:
        files = (an_artifact("MLmodel"), an_artifact("data/model.pkl"))
        change = replace(register("digits", "v3"), files=files, new_model=False)
        state.do(change)
        version = state.there("digits", 3)
        assert version.state == "final"
        assert sorted(version.files, key=str) == sorted(files, key=str)
        assert plan(change, state).nothing
        with pytest.raises(Immutable):
            plan(c.AttachFile("digits", 3, an_artifact("more")), state)
        with pytest.raises(Conflict):
            plan(replace(change, files=files[:1]), state)

    def test_a_model_that_must_be_there_is_not_made(self, state: State) -> None:
        for name in ("nobody", "gone"):
            state.do(*([c.CreateModel("gone"), c.DeleteModel("gone")] if name == "gone" else []))
            with pytest.raises(NotFound):
                plan(replace(register(name, None), new_model=False), state)

    @pytest.mark.parametrize(
        "paths",
        [("a", "A"), ("a/b", "A/B"), ("a", "a/b"), ("a/b", "a"), ("ä", "a\u0308"), ("x", "a/b/c", "A/b")],
    )
    def test_paths_that_not_every_clone_can_hold_are_refused(self, paths: tuple[str, ...]) -> None:
        with pytest.raises(Conflict):
            check_together(paths)
        check_together(["a/b", "a/c", "b", "c/a/b"])
