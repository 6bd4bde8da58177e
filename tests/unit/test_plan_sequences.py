"""What holds after any sequence of changes, whatever was asked and refused in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from muster.domain import changes as c
from muster.domain.errors import Conflict, Invalid, NotFound
from muster.domain.plan import plan
from muster.domain.records import Config, Environment, Version
from tests.builders import an_artifact, register
from tests.unit.states import State

MODELS: Final = ("a", "A", "a_b", "größe %2F")
LABELS: Final = ("b_c", "c", "v1", "V1", "1", "2", None)
PLACES: Final = ("development", "staging", "production", "canary")

models = st.sampled_from(MODELS)
numbers = st.integers(1, 4)
places = st.sampled_from(PLACES)
configs = st.builds(Config, replicas=st.integers(1, 2))
texts = st.sampled_from(["", "x", "y"])
owners = st.sampled_from([None, "ada"])
tag_updates = st.dictionaries(st.sampled_from("kl"), st.sampled_from(["", "1", None]), max_size=2)
environments = st.builds(
    Environment,
    name=places,
    target=st.sampled_from(["process", "external"]),
    rank=st.sampled_from([5, 25, 50]),
    stage=st.sampled_from([None, "staging", "production"]),
)


@st.composite
def registrations(draw: DrawFn) -> c.RegisterVersion:
    return register(
        draw(models),
        draw(st.sampled_from(LABELS)),
        description=draw(texts),
        training_data=draw(st.sampled_from(["", "x", {"rows": 0}])),
        tags=draw(st.sampled_from([{}, {"k": ""}])),
        pending=draw(st.booleans()),
    )


def mutations() -> st.SearchStrategy[c.Change]:
    paths = st.sampled_from(["m.onnx", "M.onnx", "d/x", "d", "D/y"])
    contents = st.sampled_from([b"1", b"2"])
    return st.one_of(
        registrations(),
        registrations(),
        st.builds(c.CreateModel, models, owners, texts, card=st.none() | texts),
        st.builds(c.UpdateModel, models, owners, texts, tag_updates),
        st.builds(c.UpdateVersion, models, numbers, owners, texts, tag_updates),
        st.builds(c.SetStage, models, numbers, st.sampled_from(["archived", "production"])),
        st.builds(c.SetAlias, models, st.sampled_from(["best", "Best"]), st.none() | numbers),
        st.builds(c.AttachFile, models, numbers, st.builds(an_artifact, paths, contents)),
        st.builds(c.DetachFile, models, numbers, paths),
        st.builds(c.Finalize, models, numbers),
        st.builds(c.DeleteVersion, models, numbers),
        st.builds(c.DeleteModel, models),
        st.builds(c.SetEnvironment, environments, st.booleans()),
        st.builds(c.DeleteEnvironment, places),
        *[st.builds(c.Deploy, models, numbers, places, configs)] * 3,
        *[st.builds(c.RollBack, models, numbers, places, st.none() | numbers, st.booleans())] * 3,
        st.builds(c.Undeploy, models, places),
        st.builds(c.AttemptFailed, models, numbers, places, texts),
        st.builds(c.Observe, models, places, st.just("ready"), st.none() | numbers),
        st.builds(c.Note, models, numbers, texts),
        st.builds(
            c.Evaluate,
            models,
            numbers,
            st.just(c.Actor("ada")),
            st.just({"f1": 0.5}),
            report=st.none() | st.builds(an_artifact, st.just("r.html")),
            notes=texts,
        ),
    )


def told(changes: list[c.Change]) -> Iterator[tuple[State, State, c.Change]]:
    """The states before and after each change that was not refused."""
    state = State.begun()
    for change in changes:
        before = replace(
            state,
            tree=dict(state.tree),
            models=dict(state.models),
            versions=dict(state.versions),
            environments=dict(state.environments),
            deployments=dict(state.deployments),
            log=list(state.log),
        )
        try:
            state.do(change)
        except (NotFound, Conflict, Invalid):
            assert state.tree == before.tree
            continue
        yield before, state, change


sequences = st.lists(mutations(), max_size=30)
many = settings(deadline=None, max_examples=150)


def content(version: Version) -> Any:
    """What never changes once a version is final."""
    return replace(version, description="", stage="", owner=None, tags={})


class TestAnySequence:
    @given(sequences)
    @many
    def test_decoding_the_tree_equals_the_state(self, changes: list[c.Change]) -> None:
        for _, after, _ in told(changes):
            decoded = State.decoded(after.tree)
            assert decoded.models == after.models
            assert decoded.versions == after.versions
            assert decoded.environments == after.environments
            assert decoded.deployments == after.deployments

    @given(sequences)
    @many
    def test_a_final_version_keeps_its_content_for_ever(self, changes: list[c.Change]) -> None:
        for before, after, _ in told(changes):
            for key in before.versions:
                old, new = before.version(*key), after.version(*key)
                assert old is not None
                assert new is not None
                assert (old.model_id, old.label) == (new.model_id, new.label)
                if old.state == "deleted":
                    assert new == old
                elif old.state == "final" == new.state:
                    assert content(new) == content(old)
                elif old.state == "final" and new.state == "pending":
                    assert not old.files
                    assert not old.files_attached
                    assert new.files_attached

    @given(sequences)
    @many
    def test_no_number_label_or_id_names_two_versions(self, changes: list[c.Change]) -> None:
        for _, after, _ in told(changes):
            versions = after.versions.values()
            assert len({v.model_id for v in versions}) == len(versions)
            labelled = [(v.model, v.label) for v in versions if v.label is not None]
            assert len(set(labelled)) == len(labelled)
            for name, model in after.models.items():
                assert after.numbers(name) == tuple(range(1, model.next_number))
            for version in versions:
                assert version.label == str(version.number) or not (version.label or "").isdigit()

    @given(sequences)
    @many
    def test_what_is_deployed_and_what_can_be_returned_to_is_there(self, changes: list[c.Change]) -> None:
        for _, after, _ in told(changes):
            for deployment in after.deployments.values():
                now = [] if deployment.version is None else [deployment.version]
                named = [*now, *(earlier.version for earlier in deployment.earlier)]
                assert len(set(named)) == len(named)
                for number in named:
                    assert after.versions[deployment.model, number].state != "deleted"
                if deployment.version is not None:
                    assert deployment.environment in after.environments
            for name, model in after.models.items():
                for number in model.aliases.values():
                    assert after.versions[name, number].state != "deleted"

    @given(sequences)
    @many
    def test_the_stage_of_what_a_change_places_is_its_highest_environments(
        self, changes: list[c.Change]
    ) -> None:
        for _, after, change in told(changes):
            if not isinstance(change, (c.Deploy, c.RollBack, c.Undeploy)):
                continue
            number = after.running(change.model, change.environment)
            if number is None:
                continue
            found = [d.environment for d in after.deployments_of(change.model) if d.version == number]
            ranked = sorted((after.environments[name] for name in found), key=lambda e: -e.rank)
            top = next((e.rank for e in ranked if e.stage), 0)
            highest = {e.stage for e in ranked if e.stage and e.rank == top}
            if highest:
                assert after.versions[change.model, number].stage in highest

    @given(sequences)
    @many
    def test_asking_again_for_what_was_done_does_nothing_more(self, changes: list[c.Change]) -> None:
        again = (
            c.RegisterVersion,
            c.Deploy,
            c.Finalize,
            c.AttachFile,
            c.SetAlias,
            c.SetStage,
            c.UpdateVersion,
        )
        for _, after, change in told(changes):
            if isinstance(change, again) and getattr(change, "label", "") is not None:
                assert plan(change, after).nothing

    @given(sequences)
    @many
    def test_each_plan_writes_only_what_differs(self, changes: list[c.Change]) -> None:
        for before, after, change in told(changes):
            planned = after.log[-1]
            if len(after.log) == len(before.log) or isinstance(change, c.DeleteModel):
                continue  # nothing to do; or it removes a card that may not be there
            for path, data in planned.edits.items():
                assert before.tree.get(path) != data

    @given(sequences)
    @many
    def test_what_a_change_touches_is_of_its_model_alone(self, changes: list[c.Change]) -> None:
        for before, after, change in told(changes):
            model = getattr(change, "model", None)
            for name in MODELS:
                if name != model:
                    assert [v for k, v in after.versions.items() if k[0] == name] == [
                        v for k, v in before.versions.items() if k[0] == name
                    ]
                    assert after.models.get(name) == before.models.get(name)
                    assert after.deployments_of(name) == before.deployments_of(name)


class TestAnyDeployments:
    @given(st.lists(st.integers(1, 6), min_size=1, max_size=12))
    @many
    def test_rolling_back_to_the_end_meets_each_version_once_newest_first(self, order: list[int]) -> None:
        state = State.begun()
        state.do(*(register("a", f"v{n}") for n in range(1, 7)))
        state.do(*(c.Deploy("a", n, "production") for n in order))
        met: list[int] = []
        while (number := state.running("a")) is not None:
            met.append(number)
            state.do(c.RollBack("a", number, "production"))
        assert met == list(dict.fromkeys(reversed(order)))

    @given(st.lists(st.integers(1, 4) | st.none(), min_size=1, max_size=15))
    @many
    def test_a_version_rolled_back_from_is_skipped_until_it_is_deployed_again(
        self, story: list[int | None]
    ) -> None:
        state = State.begun()
        state.do(*(register("a", f"v{n}") for n in range(1, 5)))
        stack: list[int] = []
        for step in story:
            if step is not None:
                state.do(c.Deploy("a", step, "production"))
                stack = [*(n for n in stack if n != step), step]
            elif stack:
                state.do(c.RollBack("a", stack.pop(), "production"))
            assert state.running("a") == (stack[-1] if stack else None)


def test_every_change_has_a_plan_and_a_kind_of_its_own() -> None:
    kinds = [
        k for k in vars(c).values() if isinstance(k, type) and issubclass(k, c.Change) and k is not c.Change
    ]
    assert set(kinds) <= set(plan.registry)
    assert len({kind.kind for kind in kinds}) == len(kinds) > 15
