"""Everything that stands against a change is told at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.domain import changes as c
from muster.domain.errors import MusterError
from muster.domain.objections import objections, unconditional
from muster.domain.plan import plan
from tests.builders import an_artifact, deploy, register
from tests.unit.states import State
from tests.unit.test_plan_sequences import many, mutations

OLD = "0" * 40


@pytest.fixture
def state() -> State:
    """Two versions without files and one that is pending; v1 is in production."""
    state = State.begun()
    state.do(register(), register(label="v2"), register(label="v3", pending=True), deploy(number=1))
    return state


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (deploy(number=2), []),
        (deploy("nothing", 9, "moon"), ["not_found", "not_found"]),
        (deploy(number=3, environment="moon"), ["not_found", "conflict"]),
        (c.Deploy("digits", 3, "production", expected=OLD), ["conflict", "stale"]),
        (c.RollBack("digits", 2, "moon", to=9), ["not_found", "not_found"]),
        (c.RollBack("digits", 2, "production", to=3), ["not_deployed", "conflict"]),
        (c.RollBack("digits", 1, "production", to=1, expected=OLD), ["stale", "invalid"]),
        (c.Undeploy("nothing", "moon"), ["not_found", "not_found"]),
        (c.Undeploy("digits", "staging", expected=OLD), ["stale", "not_deployed"]),
        (c.DeleteVersion("digits", 1, expected=OLD), ["stale", "immutable"]),
        (
            c.UpdateModel("digits", tags={f"k{n}": "" for n in range(1001)}, expected=OLD),
            ["stale", "invalid"],
        ),
        (c.DetachFile("digits", 1, "none"), ["not_found", "immutable"]),
    ],
)
def test_one_objection_hides_no_other(state: State, change: c.Change, codes: list[str]) -> None:
    assert sorted(each.code for each in objections(change, state)) == sorted(codes)


def test_a_label_may_be_wrong_in_two_ways(state: State) -> None:
    state.do(register("a", "9_1"), register("a_9", "first"))
    assert [each.code for each in objections(register("a_9", "1"), state)] == ["invalid", "conflict"]


def test_a_file_may_come_too_late_and_beside_the_wrong_one(state: State) -> None:
    state.do(c.AttachFile("digits", 3, an_artifact("weights.bin")), c.Finalize("digits", 3))
    late = c.AttachFile("digits", 3, an_artifact("Weights.bin"))
    assert [each.code for each in objections(late, state)] == ["immutable", "conflict"]


def test_what_a_change_would_do_is_known_though_its_condition_fails(state: State) -> None:
    planned = unconditional(c.Deploy("digits", 2, "production", expected=OLD, guarded=True), state)
    assert planned.edits == plan(deploy(number=2), state).edits
    assert unconditional(c.RollBack("digits", 1, "production"), state).deployed == "none"


@given(st.lists(mutations(), max_size=20))
@many
def test_what_plan_refuses_is_the_first_objection_and_what_it_plans_has_none(changes: list[c.Change]) -> None:
    state = State.begun()
    for change in changes:
        against = objections(change, state)
        if not against:
            state.do(change)
            continue
        with pytest.raises(MusterError) as refused:
            state.do(change)
        assert (refused.value.code, refused.value.message) == (against[0].code, against[0].message)
        assert len({each.message for each in against}) == len(against)
