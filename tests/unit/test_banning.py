"""What a ban forbids and what it leaves alone, through whatever kind of change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from muster.domain import approvals, banning
from muster.domain import changes as c
from muster.domain.errors import (
    ApprovalNeeded,
    Conflict,
    Denied,
    Immutable,
    Invalid,
    NotFound,
    NothingToRestore,
)
from muster.domain.judging import Rules
from muster.domain.names import deployment_path
from muster.domain.proposals import Open, numbered, proposal_of
from muster.domain.rules import Approvals, EnvironmentRules
from muster.domain.snapshot import Plan
from tests.builders import ADA, START, a_config, an_artifact, an_environment, deploy, register
from tests.unit.states import State

RULES = Rules(judges=(banning.judge,))
WEIGHTS = an_artifact()
DATA = "ab" * 32


@pytest.fixture
def state() -> State:
    """Three versions, each with a file of its own; 1, 2 and 3 were in production, and 3 is."""
    state = State.begun()
    for number in (1, 2, 3):
        file = an_artifact(content=f"weights {number}".encode())
        state.do(register(label=f"v{number}", files=(file,)), deploy(number=number))
    return state


def judged(state: State, change: c.Change) -> Plan:
    return RULES.planned(change, ADA, "", START, state)


def refusals(state: State, change: c.Change) -> list[str]:
    try:
        judged(state, change)
    except Denied as denied:
        return [each.message for each in denied.objections if each.rule in ("ban", "retracted-data")]
    return []


def file_of(state: State, number: int) -> str:
    return state.there("digits", number).files[0].sha256


USES: list[c.Change] = [
    deploy(number=2, environment="staging"),
    deploy(number=2),
    c.RollBack("digits", 3, "production", to=2),
    c.SetAlias("digits", "champion", 2),
    c.SetStage("digits", 2, "production"),
    c.SetStage("digits", 2, "development"),
]
NOT_USES: list[c.Change] = [
    c.SetStage("digits", 2, "archived"),
    c.UpdateVersion("digits", 2, description="do not use"),
    c.Note("digits", 2, "look here"),
    c.DeleteVersion("digits", 2),
    deploy(number=1),
    c.SetAlias("digits", "champion", 1),
    register(label="v4"),
    register("other", bases=({"ref": "digits/v2"},)),
]


def of_kind(change: c.Change) -> str:
    return f"{change.kind} {getattr(change, 'environment', getattr(change, 'stage', ''))}"


@pytest.mark.parametrize("change", USES, ids=of_kind)
@pytest.mark.parametrize("by_file", [False, True])
def test_what_is_banned_is_not_used(state: State, change: c.Change, by_file: bool) -> None:
    assert refusals(state, change) == []
    state.do(c.Ban(sha256=file_of(state, 2)) if by_file else c.Ban("digits", 2))
    (said,) = refusals(state, change)
    assert said.startswith("digits v2 is banned")
    assert (file_of(state, 2) in said) is by_file
    state.do(c.LiftBan(sha256=file_of(state, 2)) if by_file else c.LiftBan("digits", 2))
    assert refusals(state, change) == []


@pytest.mark.parametrize("change", NOT_USES, ids=of_kind)
def test_what_does_not_use_it_is_left_alone(state: State, change: c.Change) -> None:
    state.do(c.Ban("digits", 2))
    assert refusals(state, change) == []


def test_a_refusal_says_who_banned_it_and_who_can_help(state: State) -> None:
    state.do(c.Ban("digits", 2), by="carl")
    with pytest.raises(Denied) as denied:
        judged(state, deploy(number=2))
    (objection,) = denied.value.objections
    assert "banned by carl since 2026-01-01 09:00 UTC" in objection.message
    assert objection.help == "an admin can lift the ban: muster unban"


class TestWhatRuns:
    def test_it_may_be_taken_out_and_rolled_back_from(self, state: State) -> None:
        state.do(c.Ban("digits", 3))
        assert refusals(state, c.Undeploy("digits", "production")) == []
        assert refusals(state, c.RollBack("digits", 3, "production")) == []
        assert refusals(state, deploy(number=1)) == []

    def test_it_is_not_configured_anew(self, state: State) -> None:
        state.do(c.Ban("digits", 3))
        assert refusals(state, deploy(number=3, config=a_config(replicas=2)))

    def test_its_stage_falls_as_it_leaves_and_not_by_hand(self, state: State) -> None:
        state.do(c.Ban("digits", 3))
        assert refusals(state, c.SetStage("digits", 3, "staging"))
        assert refusals(state, c.SetStage("digits", 1, "production", archive_others=True)) == []
        judged(state, c.Undeploy("digits", "production"))
        state.do(c.Undeploy("digits", "production"))
        assert state.there("digits", 3).stage == "staging"


class TestTheWayBack:
    def test_it_goes_past_what_is_banned(self, state: State) -> None:
        state.do(c.Ban("digits", 2), c.RollBack("digits", 3, "production"))
        assert state.running("digits") == 1
        assert state.deployments["production", "digits"].earlier == ()

    def test_it_ends_where_everything_is_banned(self, state: State) -> None:
        state.do(c.Ban("digits", 2), c.Ban("digits", 1))
        with pytest.raises(NothingToRestore, match="no version of digits that is not banned"):
            state.do(c.RollBack("digits", 3, "production"))
        state.do(c.RollBack("digits", 3, "production", empty=True))
        assert state.running("digits") is None

    def test_a_ban_that_is_lifted_is_as_if_it_had_not_been(self, state: State) -> None:
        state.do(c.Ban("digits", 2), c.LiftBan("digits", 2), c.RollBack("digits", 3, "production"))
        assert state.running("digits") == 2


class TestRegistering:
    def test_a_file_that_is_banned_comes_in_by_no_door(self, state: State) -> None:
        state.do(register("other", pending=True), c.AttachFile("other", 1, WEIGHTS))
        state.do(c.Ban(sha256=WEIGHTS.sha256))
        assert refusals(state, register("another", files=(WEIGHTS,)))
        state.do(register("third", pending=True))
        assert refusals(state, c.AttachFile("third", 1, WEIGHTS))
        assert refusals(state, c.Finalize("other", 1))
        assert refusals(state, c.DetachFile("other", 1, WEIGHTS.path)) == []

    def test_data_is_refused_by_its_digest_and_not_by_its_name(self, state: State) -> None:
        state.do(c.RetractData(sha256=DATA), c.RetractData(name="forms"))
        assert refusals(state, register("other", training_data={"name": "forms"})) == []
        assert refusals(state, register("other", training_data="forms")) == []
        (said,) = refusals(state, register("other", training_data={"sha256": DATA}))
        assert said == f"the data sha256:{DATA} is retracted by ada"
        many = {"name": "both", "others": [{"sha256": DATA}]}
        assert refusals(state, register("other", training_data=many))
        state.do(register("other", training_data=None, pending=True), c.AttachFile("other", 1, WEIGHTS))
        late = c.Finalize("other", 1, facts=c.Facts(training_data={"sha256": DATA}))
        assert refusals(state, late)
        state.do(c.ReinstateData(sha256=DATA))
        assert refusals(state, late) == []

    def test_what_says_retracted_data_already_goes_on_being_described(self, state: State) -> None:
        state.do(register("other", training_data={"sha256": DATA}), c.RetractData(sha256=DATA))
        assert refusals(state, c.UpdateVersion("other", 1, tags={"checked": "yes"})) == []
        assert refusals(state, c.RenameModel("other", "further")) == []


class TestPlans:
    @pytest.mark.parametrize(
        ("change", "error"),
        [
            (c.Ban("digits", 9), NotFound),
            (c.Ban("moon", 1), NotFound),
            (c.Ban(), Invalid),
            (c.Ban("digits", 1, "12" * 32), Invalid),
            (c.LiftBan("digits", 1), NotFound),
            (c.LiftBan(sha256="12" * 32), NotFound),
            (c.RetractData(), Invalid),
            (c.ReinstateData(name="forms"), NotFound),
            (c.Purge("digits", 3), Immutable),
            (c.Purge("digits", 9), NotFound),
        ],
    )
    def test_what_cannot_be_is_refused(self, state: State, change: c.Change, error: type[Exception]) -> None:
        with pytest.raises(error):
            state.do(change)

    def test_what_is_banned_or_retracted_already_is_no_commit(self, state: State) -> None:
        for change in (c.Ban("digits", 1), c.Ban(sha256="12" * 32), c.RetractData(name="forms")):
            assert not state.do(change).nothing
            assert state.do(change).nothing

    def test_a_ban_outlives_its_version_and_can_be_lifted_then(self, state: State) -> None:
        state.do(c.Ban("digits", 1), c.DeleteVersion("digits", 1))
        assert state.do(c.LiftBan("digits", 1)).subject == "Lift the ban of digits v1"

    def test_a_model_with_a_banned_version_keeps_its_name(self, state: State) -> None:
        state.do(c.Undeploy("digits", "production"), c.Ban("digits", 1))
        with pytest.raises(Immutable, match="lift the ban, rename, ban it again"):
            state.do(c.RenameModel("digits", "numbers"))
        state.do(c.LiftBan("digits", 1), c.RenameModel("digits", "numbers"))


class TestPurging:
    def test_the_record_stays_and_nobody_goes_back_to_it(self, state: State) -> None:
        planned = state.do(c.Purge("digits", 2))
        assert planned.subject == "Purge the files of digits v2"
        assert (state.there("digits", 2).purged, len(state.there("digits", 2).files)) == (True, 1)
        assert state.record("digits", 2)["purged"] is True
        assert deployment_path("production", "digits") in planned.edits
        assert [each.version for each in state.deployments["production", "digits"].earlier] == [1]
        for change in (deploy(number=2), c.RollBack("digits", 3, "production", to=2)):
            with pytest.raises(Conflict, match="was purged"):
                state.do(change)
        assert state.do(c.Purge("digits", 2)).nothing

    def test_there_must_be_files_that_are_fixed(self, state: State) -> None:
        state.do(register("bare"), register("open", pending=True), c.AttachFile("open", 1, WEIGHTS))
        for model, why in (("bare", "no files here"), ("open", "is pending")):
            with pytest.raises(Conflict, match=why):
                state.do(c.Purge(model, 1))


def test_what_a_stage_of_no_environment_is_called_may_be_set(state: State) -> None:
    for name, rank in (("development", 10), ("staging", 20)):
        state.do(c.SetEnvironment(an_environment(name, rank=rank)))
    state.do(c.Ban("digits", 1))
    assert refusals(state, c.SetStage("digits", 1, "staging")) == []
    assert refusals(state, c.SetStage("digits", 1, "production"))


def test_where_approvals_are_demanded_a_ban_is_lifted_with_them_and_made_without(state: State) -> None:
    state.do(c.BeginAccess("ada"), c.SetAccount("rita", create=True))
    state.do(c.SetTeam("risk", add=("rita",), create=True))
    production = state.environment("production")
    assert production is not None
    rules = EnvironmentRules(approvals=(Approvals("risk", 1),))
    state.do(c.SetEnvironment(replace(production, rules=rules)))
    everything = Rules(judges=(banning.judge, approvals.judge))

    def ask(change: c.Change, by: str = "ada") -> None:
        state.take(change, everything.planned(change, c.Actor(by), "why", state.time, state), by)

    for ban, lifting in (
        (c.Ban("digits", 2), c.LiftBan("digits", 2)),
        (c.Ban(sha256="12" * 32), c.LiftBan(sha256="12" * 32)),
    ):
        ask(ban)
        with pytest.raises(ApprovalNeeded, match="production demands 1 approval of risk"):
            ask(lifting)
        ask(c.Propose(lifting, c.Actor("ada"), "it was not"))
        of = numbered(Open.read(state).last)
        ask(c.Decide(of, "approve", "rita", ""), "rita")
        ask(replace(proposal_of(state, of).change, carries_out=of))
        with pytest.raises(NotFound):
            state.do(lifting)
