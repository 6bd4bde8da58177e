"""Deploying, rolling back and emptying: what runs where, and the stages that follow from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from muster.domain import changes as c
from muster.domain.errors import (
    Conflict,
    Immutable,
    Invalid,
    NotDeployedThere,
    NotFound,
    NothingToRestore,
    Stale,
)
from muster.domain.names import deployment_path, version_path
from muster.domain.plan import plan
from muster.domain.records import Config, Environment
from tests.builders import an_artifact, an_environment, deploy, register
from tests.unit.states import State


def back(number: int, environment: str = "production", **fields: Any) -> c.RollBack:
    return c.RollBack("digits", number, environment, **fields)


def versions(*labels: str, files: bool = True) -> list[c.Change]:
    """The registrations of versions, with a file each unless told otherwise."""
    found: list[c.Change] = []
    for number, label in enumerate(labels, start=1):
        found.append(register("digits", label, pending=files))
        if files:
            found += [c.AttachFile("digits", number, an_artifact()), c.Finalize("digits", number)]
    return found


@pytest.fixture
def state() -> State:
    """Four versions with files, in an empty registry."""
    state = State.begun()
    state.do(*versions("v1", "v2", "v3", "v4"))
    return state


@pytest.fixture
def bare() -> State:
    """Four versions without files."""
    state = State.begun()
    state.do(*versions("v1", "v2", "v3", "v4", files=False))
    return state


class TestDeploying:
    def test_it_writes_the_deployment_and_the_stage(self, state: State) -> None:
        planned = state.do(deploy(number=1))
        assert planned.subject == "Deploy digits v1 to production"
        assert (planned.deployed, planned.also) == ("1", ())
        assert set(planned.edits) == {deployment_path("production", "digits"), version_path("digits", 1)}
        assert state.record("digits", 1)["deployment_status"] == "production"
        assert state.record("digits", 1)["deployed_in"] == ["production"]

    def test_the_replaced_version_goes_back_to_staging(self, state: State) -> None:
        state.do(deploy(number=1))
        planned = state.do(deploy(number=2))
        assert planned.also == (1,)
        assert state.stages("digits") == ["staging", "production", "development", "development"]

    def test_the_same_again_is_done_already(self, state: State) -> None:
        state.do(deploy(number=1, config=Config(replicas=2)))
        assert plan(deploy(number=1, config=Config(replicas=2)), state).nothing

    def test_another_configuration_is_a_change_that_keeps_the_way_back(self, state: State) -> None:
        state.do(deploy(number=1), deploy(number=2))
        planned = state.do(deploy(number=2, config=Config(replicas=2)))
        assert planned.subject == "Configure digits v2 in production"
        state.do(back(2))
        assert state.running("digits") == 1

    def test_a_version_without_files_is_recorded_only(self, bare: State) -> None:
        bare.do(deploy(number=1))
        assert bare.deployments["production", "digits"].recorded
        assert bare.record("digits", 1)["deployment_status"] == "production"

    def test_one_with_files_is_not(self, state: State) -> None:
        state.do(deploy(number=1))
        assert not state.deployments["production", "digits"].recorded

    def test_where_others_run_it_nothing_is_only_recorded(self, bare: State) -> None:
        bare.do(c.SetEnvironment(an_environment("edge", target="external"), create=True))
        bare.do(deploy(number=1, environment="edge"))
        assert not bare.deployments["edge", "digits"].recorded

    def test_a_version_that_got_its_files_later_is_deployed_anew(self, bare: State) -> None:
        bare.do(deploy(number=1))
        bare.do(c.AttachFile("digits", 1, an_artifact()), c.Finalize("digits", 1))
        assert not plan(deploy(number=1), bare).nothing
        bare.do(deploy(number=1))
        assert not bare.deployments["production", "digits"].recorded

    def test_a_failed_attempt_changes_no_record(self, state: State) -> None:
        planned = state.do(c.AttemptFailed("digits", 2, "production", "it crashed"))
        assert planned.subject == "digits v2 did not start in production"
        assert planned.body == "it crashed"
        assert not planned.edits

    @pytest.mark.parametrize("raw", ["NUL \0 and \x1b[31mcolour\r\n", "half \ud800", "x" * 100_000])
    def test_a_workers_words_never_spoil_the_message(self, state: State, raw: str) -> None:
        for change in (
            c.AttemptFailed("digits", 2, "production", raw),
            c.Observe("digits", "production", "failed", 2, detail=raw),
        ):
            body = plan(change, state).body
            assert 0 < len(body.encode()) <= 16_000
            assert all(char.isprintable() or char in "\n\t" for char in body)

    def test_an_observation_says_what_was_seen_where(self, state: State) -> None:
        seen = c.Observe("digits", "production", "running", 2, "pod-1", detail="since the morning")
        planned = plan(seen, state)
        assert planned.subject == "Observed digits v2 running in production (pod-1)"
        assert plan(replace(seen, number=None), state).subject.startswith("Observed digits running in")


class TestStages:
    def test_the_highest_environment_gives_the_label(self, state: State) -> None:
        state.do(deploy(number=1, environment="development"))
        assert state.stages("digits")[0] == "development"
        state.do(deploy(number=1, environment="production"))
        state.do(deploy(number=1, environment="staging"))
        assert state.stages("digits")[0] == "production"
        assert set(state.record("digits", 1)["deployed_in"]) == {"development", "staging", "production"}

    def test_leaving_the_highest_leads_to_the_next(self, state: State) -> None:
        state.do(*(deploy(number=1, environment=e) for e in ("development", "staging", "production")))
        state.do(c.Undeploy("digits", "production"))
        assert state.stages("digits")[0] == "staging"
        state.do(c.Undeploy("digits", "staging"))
        assert state.stages("digits")[0] == "development"

    def test_a_rollback_moves_both_versions_to_their_stages(self, state: State) -> None:
        state.do(deploy(number=1), deploy(number=2), back(2))
        assert state.stages("digits")[:2] == ["production", "staging"]

    def test_what_leaves_staging_is_in_development(self, state: State) -> None:
        state.do(deploy(number=1, environment="staging"), deploy(number=2, environment="staging"))
        assert state.stages("digits")[:2] == ["development", "staging"]

    def test_an_environment_of_ones_own_names_its_stage_or_none(self, state: State) -> None:
        state.do(c.SetEnvironment(an_environment("canary", rank=25), create=True))
        state.do(c.SetEnvironment(an_environment("live", rank=40, stage="production"), create=True))
        state.do(c.SetStage("digits", 1, "staging"), deploy(number=1, environment="canary"))
        assert state.stages("digits")[0] == "staging"
        state.do(deploy(number=1, environment="live"))
        assert state.stages("digits")[0] == "production"
        state.do(c.Undeploy("digits", "live"))
        assert state.stages("digits")[0] == "production"  # canary is left, and names none

    def test_a_rollback_in_one_environment_leaves_the_others_alone(self, state: State) -> None:
        state.do(*(deploy(number=n, environment=e) for e in ("staging", "production") for n in (1, 2)))
        state.do(back(2, "staging"))
        assert state.running("digits", "staging") == 1
        assert state.running("digits", "production") == 2
        assert state.stages("digits")[:2] == ["staging", "production"]

    def test_a_stage_set_by_hand_yields_to_a_deployment(self, state: State) -> None:
        state.do(c.SetStage("digits", 1, "archived"), deploy(number=1))
        assert state.stages("digits")[0] == "production"


class TestRollingBack:
    def test_two_rollbacks_lead_from_v3_to_v1(self, state: State) -> None:
        state.do(deploy(number=1), deploy(number=2), deploy(number=3))
        first = state.do(back(3))
        assert (first.subject, first.deployed, first.also) == (
            "Roll back digits v3 to v2 in production",
            "2",
            (2,),
        )
        state.do(back(2))
        assert state.running("digits") == 1

    def test_what_was_rolled_back_from_is_skipped(self, state: State) -> None:
        state.do(deploy(number=1), deploy(number=2), back(2), deploy(number=3), back(3))
        assert state.running("digits") == 1

    def test_until_it_is_deployed_again(self, state: State) -> None:
        state.do(deploy(number=1), deploy(number=2), back(2), deploy(number=2), deploy(number=3), back(3))
        assert state.running("digits") == 2

    def test_a_version_deployed_twice_is_returned_to_once(self, state: State) -> None:
        state.do(deploy(number=1), deploy(number=2), deploy(number=1), deploy(number=3))
        state.do(back(3))
        assert state.running("digits") == 1
        state.do(back(1))
        assert state.running("digits") == 2

    def test_the_configuration_of_then_comes_back(self, state: State) -> None:
        state.do(deploy(number=1, config=Config(threads=4)), deploy(number=2), back(2))
        assert state.deployments["production", "digits"].config == Config(threads=4)

    def test_to_names_another_that_ran_before(self, state: State) -> None:
        state.do(*(deploy(number=n, config=Config(threads=n)) for n in (1, 2, 3, 4)))
        state.do(back(4, to=2))
        assert state.running("digits") == 2
        assert state.deployments["production", "digits"].config == Config(threads=2)
        state.do(back(2))
        assert state.running("digits") == 1

    def test_to_names_one_that_never_ran(self, state: State) -> None:
        state.do(deploy(number=1), deploy(number=2), back(2, to=4))
        assert state.running("digits") == 4
        state.do(back(4))
        assert state.running("digits") == 1

    def test_to_cannot_name_itself_nor_what_is_not_there(self, state: State) -> None:
        state.do(deploy(number=1), deploy(number=2))
        with pytest.raises(Invalid, match="another version"):
            plan(back(2, to=2), state)
        with pytest.raises(NotFound):
            plan(back(2, to=9), state)

    @pytest.mark.parametrize(
        ("before", "now"),
        [
            ([], "nothing is"),
            ([deploy(number=2)], "version 2 is"),
            ([deploy(number=1), back(1, empty=True)], "nothing"),
        ],
    )
    def test_only_what_is_deployed_there_is_rolled_back(
        self, state: State, before: list[c.Change], now: str
    ) -> None:
        state.do(*before)
        with pytest.raises(NotDeployedThere, match=f"digits_v1 is not deployed in production: {now}"):
            plan(back(1), state)

    def test_traffic_is_not_left_with_nowhere_to_go(self, state: State) -> None:
        state.do(deploy(number=1))
        with pytest.raises(NothingToRestore, match='"empty": true'):
            plan(back(1), state)
        assert state.running("digits") == 1

    def test_unless_that_is_said(self, state: State) -> None:
        state.do(deploy(number=1))
        planned = state.do(back(1, empty=True))
        assert planned.deployed == "none"
        assert planned.subject == "Roll back digits v1 in production, leaving it empty"
        assert state.running("digits") is None
        assert state.stages("digits")[0] == "staging"

    def test_nor_with_a_version_that_cannot_run(self, bare: State) -> None:
        bare.do(c.AttachFile("digits", 2, an_artifact()), c.Finalize("digits", 2))
        bare.do(deploy(number=1), deploy(number=2))
        with pytest.raises(NothingToRestore, match="digits_v1, deployed before, has no files"):
            plan(back(2), bare)
        bare.do(back(2, empty=True))
        assert bare.running("digits") == 1
        assert bare.deployments["production", "digits"].recorded

    def test_between_recorded_versions_it_is_just_declared(self, bare: State) -> None:
        bare.do(deploy(number=1), deploy(number=2), back(2))
        assert bare.running("digits") == 1
        planned = bare.do(back(1))
        assert planned.deployed == "none"
        assert bare.running("digits") is None

    def test_an_environment_that_others_run_is_not_left_empty_by_chance(self, bare: State) -> None:
        bare.do(c.SetEnvironment(an_environment("edge", target="external"), create=True))
        bare.do(deploy(number=1, environment="edge"))
        with pytest.raises(NothingToRestore):
            plan(back(1, "edge"), bare)

    def test_a_hundred_versions_are_remembered(self) -> None:
        state = State.begun()
        state.do(*versions(*(f"v{n}" for n in range(1, 105)), files=False))
        state.do(*(deploy(number=n) for n in range(1, 105)))
        earlier = state.deployments["production", "digits"].earlier
        assert [e.version for e in earlier] == list(range(103, 3, -1))


class TestUndeploying:
    def test_it_empties_the_environment(self, state: State) -> None:
        state.do(deploy(number=1))
        planned = state.do(c.Undeploy("digits", "production"))
        assert planned.subject == "Undeploy digits v1 from production"
        assert (planned.number, planned.deployed) == (1, "none")
        assert state.running("digits") is None
        assert state.deployed_in("production") == ()
        with pytest.raises(NotDeployedThere):
            plan(c.Undeploy("digits", "production"), state)

    def test_a_later_deployment_can_be_rolled_back_to_what_was_there(self, state: State) -> None:
        state.do(deploy(number=1), c.Undeploy("digits", "production"), deploy(number=2), back(2))
        assert state.running("digits") == 1

    def test_there_is_nothing_to_roll_back_in_between(self, state: State) -> None:
        state.do(deploy(number=1), c.Undeploy("digits", "production"))
        with pytest.raises(NotDeployedThere, match="nothing is"):
            plan(back(1), state)


class TestGuards:
    def test_a_first_deployment_is_prepared_against_none(self, state: State) -> None:
        prepared = deploy(number=1, guarded=True)
        assert not plan(prepared, state).nothing
        state.do(deploy(number=2))
        with pytest.raises(Stale, match="changed meanwhile"):
            plan(prepared, state)

    @pytest.mark.parametrize("change", [deploy(number=3), back(2)])
    def test_what_was_prepared_against_another_deployment_is_refused(self, state: State, change: Any) -> None:
        state.do(deploy(number=1), deploy(number=2))
        prepared = replace(change, expected=state.commit, guarded=True)
        assert not plan(prepared, state).nothing
        state.do(c.UpdateModel("digits", owner="x"), deploy(number=1, environment="staging"))
        assert not plan(prepared, state).nothing
        state.do(deploy(number=2, config=Config(threads=2)))
        with pytest.raises(Stale):
            plan(prepared, state)

    def test_an_undeployment_may_say_what_it_saw(self, state: State) -> None:
        state.do(deploy(number=1))
        seen = state.commit
        state.do(deploy(number=2))
        with pytest.raises(Stale):
            plan(c.Undeploy("digits", "production", expected=seen), state)


class TestEnvironments:
    def test_a_registry_begins_once_with_three(self) -> None:
        state = State.begun()
        assert {e.name: (e.rank, e.stage) for e in state.environments.values()} == {
            "development": (10, "development"),
            "staging": (20, "staging"),
            "production": (30, "production"),
        }
        assert {"muster.json", ".gitattributes", ".lfsconfig"} <= set(state.tree)
        with pytest.raises(Conflict, match="begun already"):
            plan(c.Initialize(), state)

    def test_one_is_made_changed_and_removed(self, state: State) -> None:
        canary = Environment("canary", rank=25)
        assert state.do(c.SetEnvironment(canary, create=True)).subject == "Create environment canary"
        assert plan(c.SetEnvironment(canary), state).nothing
        with pytest.raises(Conflict, match="is there already"):
            plan(c.SetEnvironment(canary, create=True), state)
        changed = replace(canary, allow_pickle=True)
        assert state.do(c.SetEnvironment(changed)).subject == "Update environment canary"
        assert state.environments["canary"] == changed
        state.do(c.DeleteEnvironment("canary"))
        assert "canary" not in state.environments
        with pytest.raises(NotFound):
            plan(c.SetEnvironment(changed), state)

    def test_where_something_is_deployed_target_stage_and_rank_stay(self, state: State) -> None:
        state.do(deploy(number=1))
        production = state.environments["production"]
        others = ({"target": "external"}, {"stage": None}, {"rank": 1})
        for other in [replace(production, **changed) for changed in others]:
            with pytest.raises(Immutable, match="1 models are there, digits among them"):
                plan(c.SetEnvironment(other), state)
        with pytest.raises(Immutable, match="undeploy them first"):
            plan(c.DeleteEnvironment("production"), state)
        state.do(c.SetEnvironment(replace(production, description="Live")))
