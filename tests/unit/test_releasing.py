"""Releases: several models move in one commit, and come back in one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from muster.domain import changes as c
from muster.domain import releases
from muster.domain.acts import acts
from muster.domain.errors import (
    Conflict,
    Denied,
    Invalid,
    NotDeployedThere,
    NotFound,
    NothingToRestore,
    Stale,
)
from muster.domain.messages import Moved, compose, parse
from muster.domain.plan import plan
from muster.domain.records import Config
from muster.domain.rights import admit
from muster.domain.situation import situations_then
from tests.builders import an_artifact, deploy, register
from tests.unit.states import State

BOTH = c.Release("production", (deploy("digits", 2), deploy("words", 1)))
BACK = c.ReleaseBack("R-00001")


@pytest.fixture
def state() -> State:
    """Versions of two models with files; version 1 of digits is deployed, nothing of words."""
    state = State.begun()
    for model, number in (("digits", 1), ("digits", 2), ("words", 1), ("words", 2)):
        state.do(register(model, f"v{number}", pending=True))
        state.do(c.AttachFile(model, number, an_artifact()), c.Finalize(model, number))
    state.do(deploy("digits", 1, config=Config(replicas=2)))
    return state


def kept(state: State, release: str = "R-00001") -> dict[str, Any]:
    record: dict[str, Any] = json.loads(state.tree[releases.release_path(release)])
    return record


class TestMaking:
    def test_one_commit_moves_all_of_them_and_says_so(self, state: State) -> None:
        planned = state.do(BOTH)
        assert planned.subject == "Release R-00001 to production"
        assert planned.moved == (Moved("digits", 2, (1,), "2"), Moved("words", 1, (), "1"))
        assert (state.running("digits"), state.running("words")) == (2, 1)
        assert state.stages("digits") == ["staging", "production"]
        digits, words = kept(state)["parts"]
        assert (digits["model"], digits["replaced"]["version"]) == ("digits", 1)
        assert (words["model"], words["replaced"]) == ("words", None)

    def test_its_message_can_be_read_back(self, state: State) -> None:
        state.do(BOTH)
        assert parse(compose(state.said[-1])) == state.said[-1]
        assert [(each.kind, each.model, each.deployed) for each in state.said[-1].each] == [
            ("deploy", "digits", "2"),
            ("deploy", "words", "1"),
        ]

    def test_what_is_so_already_is_left_out(self, state: State) -> None:
        state.do(deploy("words", 1))
        assert [each["model"] for each in kept_after(state, BOTH)["parts"]] == ["digits"]
        assert plan(BOTH, state).nothing

    def test_each_has_a_number_of_its_own(self, state: State) -> None:
        state.do(BOTH, c.Release("production", (deploy("digits", 1), deploy("words", 2))))
        assert kept(state, "R-00002")["state"] == "made"

    @pytest.mark.parametrize(
        ("parts", "error"),
        [
            ((), Invalid),
            ((deploy("digits", 1), deploy("digits", 2)), Invalid),
            ((deploy("digits", 2), deploy("words", 1, environment="staging")), Invalid),
            ((deploy("digits", 2), deploy("words", 9)), NotFound),
            ((deploy("digits", 2, expected="0" * 40), deploy("words", 1)), Stale),
        ],
    )
    def test_one_that_cannot_be_stops_all(
        self, state: State, parts: tuple[c.Deploy, ...], error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            plan(c.Release("production", parts), state)


def kept_after(state: State, change: c.Change) -> dict[str, Any]:
    state.do(change)
    return kept(state)


class TestTakingBack:
    def test_every_model_returns_to_what_was_replaced_as_it_ran(self, state: State) -> None:
        state.do(deploy("words", 2), BOTH)
        planned = state.do(BACK)
        assert [each.kind for each in planned.moved] == ["rollback", "rollback"]
        assert (state.running("digits"), state.running("words")) == (1, 2)
        there = state.deployment("production", "digits")
        assert there is not None
        assert there.config == Config(replicas=2)
        assert kept(state)["state"] == "taken-back"
        with pytest.raises(Conflict, match="already"):
            plan(BACK, state)

    def test_what_was_empty_is_emptied_only_if_that_is_meant(self, state: State) -> None:
        state.do(BOTH)
        with pytest.raises(NothingToRestore, match="words"):
            plan(BACK, state)
        state.do(c.ReleaseBack("R-00001", empty=True))
        assert (state.running("digits"), state.running("words")) == (1, None)

    def test_a_configuration_comes_back_too(self, state: State) -> None:
        state.do(c.Release("production", (deploy("digits", 1, config=Config(replicas=5)),)), BACK)
        there = state.deployment("production", "digits")
        assert there is not None
        assert there.config == Config(replicas=2)

    def test_one_that_has_moved_on_stops_all_and_is_named(self, state: State) -> None:
        state.do(deploy("words", 2), BOTH, deploy("words", 2))
        with pytest.raises(NotDeployedThere, match="of words version 2 is deployed"):
            plan(BACK, state)
        assert state.running("digits") == 2

    def test_what_was_prepared_against_something_else_is_stale(self, state: State) -> None:
        state.do(deploy("words", 2), BOTH)
        with pytest.raises(Stale):
            plan(c.ReleaseBack("R-00001", expected=("0" * 40, "0" * 40)), state)

    def test_there_must_be_such_a_release(self, state: State) -> None:
        with pytest.raises(NotFound):
            plan(BACK, state)


class TestJudging:
    def test_the_rules_of_an_environment_see_each_part(self, state: State) -> None:
        state.do(deploy("words", 2))
        found = acts(BOTH, plan(BOTH, state), state, everywhere=True)
        production = [each for each in found if each.environment.name == "production"]
        assert [(each.way, each.model, each.number) for each in production] == [
            ("in", "digits", 2),
            ("in", "words", 1),
        ]
        state.do(BOTH)
        found = acts(BACK, plan(BACK, state), state, everywhere=True)
        production = [each for each in found if each.environment.name == "production"]
        assert [(each.way, each.model, each.number) for each in production] == [
            ("back", "digits", 1),
            ("back", "words", 2),
        ]

    def test_policies_are_asked_about_each_part(self, state: State) -> None:
        before = State.decoded(state.tree)
        planned = state.do(BOTH)
        found = situations_then(state.said[-1], planned.edits, before)
        assert [(each.kind, each.model, each.number) for each in found] == [
            ("release", None, None),
            ("deploy", "digits", 2),
            ("deploy", "words", 1),
        ]

    def test_who_may_not_deploy_one_of_them_may_deploy_none(self, state: State) -> None:
        state.do(c.BeginAccess("ada"), c.SetAccount("bob", create=True))
        state.do(c.SetRoles("model", "digits", "bob", ("deployer",)))
        state.do(c.SetRoles("model", "words", "bob", ("viewer",)))
        with pytest.raises(Denied, match="words"):
            admit(BOTH, c.Actor("bob", "token"), state)
        state.do(c.SetRoles("model", "words", "bob", ("deployer",)))
        admit(BOTH, c.Actor("bob", "token"), state)


@pytest.mark.parametrize("text", ["R-00012", "r-12", "R-12"])
def test_an_id_may_be_said_in_short(text: str) -> None:
    assert releases.release_id(text) == "R-00012"


@pytest.mark.parametrize("text", ["12", "R-0", "P-12", 12, None])
def test_what_is_no_id_is_refused(text: object) -> None:
    with pytest.raises(Invalid):
        releases.release_id(text)


def test_a_record_without_a_field_names_it() -> None:
    with pytest.raises(Invalid, match="environment"):
        releases.from_bytes(b'{"id": "R-1", "state": "made", "parts": []}')
