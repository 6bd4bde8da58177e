"""Environments' rules: who, why, after how long, and not during a freeze, for all that says "production"."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from muster.calendars import FreezeCalendar
from muster.domain import break_glass
from muster.domain import changes as c
from muster.domain.errors import Conflict, Denied, Invalid, Objection
from muster.domain.judging import Judge, Rules
from muster.domain.protecting import EnvironmentJudge, time_run
from muster.domain.records import Config
from muster.domain.rights import admit
from muster.domain.rules import NO_RULES, Approvals, EnvironmentRules, Freeze, Soak
from muster.domain.snapshot import DECLARED, Trace
from tests.builders import START, an_artifact, an_environment, deploy, register
from tests.unit.states import State

JUDGE = EnvironmentJudge(FreezeCalendar())
ADA, BOB = c.Actor("ada", "token"), c.Actor("bob", "token")
NOW_FROZEN = Freeze("audit", "2025-12-31T00:00:00", duration="P7D", timezone="Europe/Berlin")


def with_files(name: str, *labels: str) -> list[c.Change]:
    """Registrations of versions with a file each."""
    found: list[c.Change] = []
    for number, label in enumerate(labels, start=1):
        found.append(register(name, label, pending=True))
        found += [c.AttachFile(name, number, an_artifact()), c.Finalize(name, number)]
    return found


@pytest.fixture
def state() -> State:
    """Three versions, the first in production and, replaced by it, an earlier life of the second."""
    state = State.begun()
    state.do(*with_files("digits", "v1", "v2", "v3"))
    state.do(deploy(number=2), deploy(number=1))
    return state


def protect(state: State, name: str = "production", **rules: Any) -> None:
    """Give an environment those rules and no others."""
    environment = state.environments[name]
    state.do(c.SetEnvironment(replace(environment, rules=replace(NO_RULES, **rules))))


def against(
    state: State,
    change: c.Change,
    actor: c.Actor = ADA,
    reason: str = "",
    judges: tuple[Judge, ...] = (JUDGE,),
) -> tuple[Objection, ...]:
    """What the rules have against a change now."""
    try:
        Rules(admit, judges).planned(change, actor, reason, state.time, state)
    except Denied as refused:
        return refused.objections
    return ()


def rules_against(
    state: State,
    change: c.Change,
    actor: c.Actor = ADA,
    reason: str = "",
    judges: tuple[Judge, ...] = (JUDGE,),
) -> list[str]:
    return sorted(each.rule for each in against(state, change, actor, reason, judges))


BACK = c.RollBack("digits", 1, "production")
IN: list[tuple[str, c.Change]] = [
    ("a deployment", deploy(number=3)),
    ("another configuration", deploy(number=1, config=Config(replicas=2))),
    ("a deployment of what was there before", deploy(number=2)),
    ("a rollback to what never was there", c.RollBack("digits", 1, "production", to=3)),
    ("a stage", c.SetStage("digits", 3, "production")),
    ("a stage that archives others", c.SetStage("digits", 3, "production", archive_others=True)),
    ("a registration in the stage", register("digits", "v4", stage="production")),
    ("a registration of a new model", register("faces", "v1", stage="production")),
    ("an alias", c.SetAlias("digits", "champion", 3)),
]
OUT: list[tuple[str, c.Change]] = [
    ("taking it out", c.Undeploy("digits", "production")),
    ("a rollback to nothing", c.RollBack("words", 1, "production", empty=True)),
    ("another stage", c.SetStage("digits", 1, "archived")),
    ("removing an alias", c.SetAlias("words", "champion", None)),
    ("deleting the version of an alias", c.DeleteVersion("old", 1)),
    ("deleting a model that has the alias", c.DeleteModel("old")),
    ("renaming a model that has the alias", c.RenameModel("old", "older")),
    ("deploying elsewhere what has the stage", deploy("marked", 1, "staging")),
]
FREE: list[tuple[str, c.Change]] = [
    ("a deployment elsewhere", deploy(number=3, environment="staging")),
    ("another alias", c.SetAlias("digits", "challenger", 3)),
    ("another stage of what is not there", c.SetStage("digits", 3, "staging")),
    ("a registration", register("digits", "v4")),
    ("a description", c.UpdateVersion("digits", 1, description="better")),
    ("a model's tags", c.TagModel("words", {"a": "b"})),
    ("deleting what is nowhere", c.DeleteVersion("digits", 3)),
    ("a note", c.Note("digits", 1, "seen")),
    ("a failed attempt", c.AttemptFailed("digits", 3, "production", "no")),
]
named = pytest.mark.parametrize


@pytest.fixture
def full(state: State) -> State:
    """More models: one in production, one with the alias, one that only says that it is in production."""
    state.do(register("words"), deploy("words", 1), c.SetAlias("words", "champion", 1))
    state.do(register("old"), c.SetAlias("old", "champion", 1))
    state.do(register("marked"), c.SetStage("marked", 1, "production"))
    return state


class TestWhatIsProtected:
    """A rule that nobody can meet tells what the rules hold for."""

    @named(("change",), [(change,) for _, change in IN], ids=[name for name, _ in IN])
    def test_what_comes_in(self, full: State, change: c.Change) -> None:
        protect(full, deploy=("nobody",), aliases=("champion",))
        assert rules_against(full, change) == ["production: deploy"]

    @named(("change",), [(change,) for _, change in OUT], ids=[name for name, _ in OUT])
    def test_what_goes_out(self, full: State, change: c.Change) -> None:
        protect(full, deploy=("nobody",), rollback=("nobody",), aliases=("champion",))
        assert rules_against(full, change) == ["production: deploy"]

    @named(("change",), [(change,) for _, change in FREE], ids=[name for name, _ in FREE])
    def test_nothing_else(self, full: State, change: c.Change) -> None:
        protect(full, deploy=("nobody",), rollback=("nobody",), aliases=("champion",), reason=True)
        assert against(full, change) == ()

    @named(("change",), [(change,) for _, change in IN + OUT], ids=[name for name, _ in IN + OUT])
    def test_nothing_without_rules(self, full: State, change: c.Change) -> None:
        protect(full, public=True)
        assert against(full, change) == ()

    def test_a_stage_that_the_rules_name_counts_and_then_the_own_one_does_not(self, state: State) -> None:
        protect(state, deploy=("nobody",), stages=("staging",))
        assert rules_against(state, c.SetStage("digits", 3, "staging")) == ["production: deploy"]
        assert rules_against(state, c.SetStage("digits", 3, "production")) == []

    def test_another_environment_with_the_same_stage_is_no_way_round(self, state: State) -> None:
        state.do(c.SetEnvironment(an_environment("canary", stage="production", rank=40), create=True))
        protect(state, deploy=("nobody",))
        assert rules_against(state, deploy(number=3, environment="canary")) == ["production: deploy"]

    def test_what_runs_in_a_protected_environment_may_go_on_to_a_higher_one(self, state: State) -> None:
        state.do(deploy(number=3, environment="staging"))
        protect(state, "staging", deploy=("nobody",), rollback=("nobody",))
        assert against(state, deploy(number=3)) == ()

    def test_the_label_of_what_is_replaced_follows_and_is_nobody_elses(self, state: State) -> None:
        state.do(c.SetEnvironment(an_environment("other", stage="production", rank=40), create=True))
        protect(state, "staging", deploy=("nobody",), rollback=("nobody",))  # a step down
        protect(state, "other", freeze=(NOW_FROZEN,))  # where it does not run
        for change in (BACK, c.Undeploy("digits", "production")):
            assert against(state, change) == (), change.kind
        assert state.do(c.Undeploy("digits", "production")).also == ()
        assert state.stages("digits")[0] == "staging"

    def test_muster_itself_is_asked_nothing(self, state: State) -> None:
        protect(state, deploy=("nobody",), reason=True, freeze=(NOW_FROZEN,))
        assert against(state, deploy(number=3), c.Actor("muster", internal=True)) == ()


class TestWho:
    def test_deploying_and_rolling_back_are_rights_apart(self, state: State) -> None:
        protect(state, deploy=("ada",), rollback=("bob",))
        table = [
            (deploy(number=3), ADA, True),
            (deploy(number=3), BOB, False),
            (BACK, ADA, False),
            (BACK, BOB, True),
        ]
        for change, actor, may in table:
            assert (against(state, change, actor) == ()) is may, (change.kind, actor.name)
        for actor in (ADA, BOB):
            assert against(state, c.Undeploy("digits", "production"), actor) == ()

    def test_members_of_a_named_team_may(self, state: State) -> None:
        state.do(c.SetAccount("bob", create=True), c.SetTeam("ops", create=True))
        protect(state, deploy=("team:ops", "carl"))
        (refusal,) = against(state, deploy(number=3), BOB)
        assert refusal.message == (
            "deploying digits v3 to production takes the right to deploy in production, "
            "which bob does not have"
        )
        assert refusal.help == "team:ops or carl can do it; a maintainer of production can change who may"
        state.do(c.SetTeam("ops", add=("bob",)))
        assert against(state, deploy(number=3), BOB) == ()
        state.do(c.SetAccount("bob", disabled=True))
        assert rules_against(state, deploy(number=3), BOB) == ["production: deploy"]

    def test_without_a_list_it_takes_the_role_of_deployer_for_labels_too(self, state: State) -> None:
        state.do(c.BeginAccess("ada"), c.SetAccount("bob", create=True))
        state.do(c.SetRoles("registry", None, "bob", ("contributor",)))
        protect(state, aliases=("champion",))
        assert rules_against(state, c.SetAlias("digits", "champion", 3), BOB) == ["production: deploy"]
        assert rules_against(state, c.SetStage("digits", 3, "production"), BOB) == ["production: deploy"]
        state.do(c.SetRoles("environment", "production", "bob", ("deployer",)))
        assert against(state, c.SetAlias("digits", "champion", 3), BOB) == ()
        assert against(state, deploy(number=3), BOB) == ()

    def test_who_is_named_needs_no_role_but_to_see_the_model(self, state: State) -> None:
        state.do(c.BeginAccess("ada"), c.SetAccount("bob", create=True))
        state.do(c.SetRoles("registry", None, "bob", ("viewer",)))
        assert rules_against(state, deploy(number=3), BOB) == ["access"]
        protect(state, deploy=("bob",), rollback=("ada",))
        assert against(state, deploy(number=3), BOB) == ()
        assert rules_against(state, BACK, BOB) == ["access"]
        limited = replace(BOB, limits=c.Limits("viewer"))
        assert rules_against(state, deploy(number=3), limited) == ["access"]


class TestReason:
    @named("change", [deploy(number=3), BACK, c.Undeploy("digits", "production")], ids=lambda each: each.kind)
    def test_every_change_there_takes_one(self, state: State, change: c.Change) -> None:
        protect(state, reason=True)
        (refusal,) = against(state, change, reason=" \n")
        assert (refusal.rule, refusal.help) == ("production: reason", "say why it is done")
        assert refusal.message.endswith("takes a reason, and none is given")
        assert against(state, change, reason="better") == ()


class TestFreeze:
    def test_it_stops_what_comes_and_goes_and_no_way_back(self, state: State) -> None:
        protect(state, freeze=(NOW_FROZEN,))
        for change in (
            deploy(number=3),
            c.Undeploy("digits", "production"),
            c.SetStage("digits", 3, "production"),
        ):
            assert rules_against(state, change) == ["production: freeze"], change.kind
        assert against(state, BACK) == ()

    def test_the_refusal_says_until_when_and_where_that_is_the_time(self, state: State) -> None:
        protect(state, freeze=(NOW_FROZEN,))
        (refusal,) = against(state, deploy(number=3))
        assert refusal.message == (
            "production is frozen until 2026-01-07T00:00:00+01:00 (audit, Europe/Berlin)"
        )
        assert refusal.help.startswith("wait until then; rolling back is not stopped")

    def test_it_begins_and_ends_to_the_moment(self, state: State) -> None:
        protect(state, freeze=(replace(NOW_FROZEN, start="2026-02-01T00:00:00"),))
        begin = datetime(2026, 1, 31, 23, tzinfo=UTC)
        for time, frozen in [
            (begin - timedelta(microseconds=1), False),
            (begin, True),
            (begin + timedelta(days=7, microseconds=-1), True),
            (begin + timedelta(days=7), False),
        ]:
            state.time = time
            assert bool(against(state, deploy(number=3))) is frozen, time


class TestSoak:
    @pytest.fixture
    def soaking(self, state: State) -> State:
        """Version 3 is declared in staging, and not seen yet."""
        protect(state, soak=Soak("staging", 24))
        state.do(deploy(number=3, environment="staging"))
        return state

    def seen(self, state: State, health: str, number: int = 3) -> None:
        state.do(c.Observe("digits", "staging", health, number))

    def test_a_version_that_never_was_there_is_told_where_to_go(self, state: State) -> None:
        protect(state, soak=Soak("staging", 24))
        (refusal,) = against(state, deploy(number=3))
        assert refusal.rule == "production: soak"
        assert refusal.message == (
            "production takes what has run in staging for 24 hours, "
            "and digits v3 has for 0 hours: 24 hours are missing"
        )
        assert refusal.help.startswith("deploy it to staging first; ")

    def test_only_the_time_for_which_it_was_seen_ready_counts(self, soaking: State) -> None:
        soaking.wait(hours=30)
        assert "24 hours are missing" in against(soaking, deploy(number=3))[0].message
        self.seen(soaking, "ready")
        soaking.wait(hours=10)
        self.seen(soaking, "failed")
        soaking.wait(hours=100)
        assert "has for 10 hours: 14 hours are missing" in against(soaking, deploy(number=3))[0].message
        self.seen(soaking, "ready")
        soaking.wait(hours=13, minutes=59)
        (refusal,) = against(soaking, deploy(number=3))
        assert "has for 23.9 hours: 0.1 hours are missing" in refusal.message
        assert refusal.help.startswith("if it stays there, it has at 2026-01-07T")
        soaking.wait(minutes=1)
        assert against(soaking, deploy(number=3)) == ()

    def test_it_holds_for_labels_and_another_configuration_and_no_way_back(self, soaking: State) -> None:
        for change in (
            c.SetStage("digits", 3, "production"),
            register("digits", "v4", stage="production"),
            deploy(number=1, config=Config(threads=2)),
        ):
            assert rules_against(soaking, change) == ["production: soak"], change.kind
        assert against(soaking, BACK) == ()
        assert against(soaking, c.Undeploy("digits", "production")) == ()

    def test_what_muster_does_not_run_has_only_to_be_declared(self, state: State) -> None:
        state.do(register("words"), c.SetEnvironment(an_environment("edge", target="external"), create=True))
        protect(state, soak=Soak("staging", 1))
        state.do(deploy("words", 1, "staging"), deploy(number=3, environment="edge"))
        state.wait(hours=1)
        assert against(state, deploy("words", 1)) == ()
        protect(state, soak=Soak("edge", 1))
        assert against(state, deploy(number=3)) == ()

    def test_what_soaked_may_have_been_replaced_since(self, soaking: State) -> None:
        self.seen(soaking, "ready")
        soaking.wait(hours=25)
        soaking.do(deploy(number=2, environment="staging"))
        self.seen(soaking, "ready", 2)
        assert against(soaking, deploy(number=3)) == ()
        assert rules_against(soaking, deploy(number=2)) == ["production: soak"]

    def test_another_model_of_that_name_has_to_soak_itself(self, soaking: State) -> None:
        self.seen(soaking, "ready")
        soaking.wait(hours=25)
        for environment in ("staging", "production"):
            soaking.do(c.Undeploy("digits", environment))
        soaking.do(c.RenameModel("digits", "numbers"), *with_files("digits", "v1", "v2", "v3"))
        assert rules_against(soaking, deploy(number=3)) == ["production: soak"]


def test_another_model_of_that_name_has_no_way_back_to_what_was_there_before(state: State) -> None:
    state.do(c.Undeploy("digits", "production"), c.RenameModel("digits", "numbers"))
    state.do(*with_files("digits", "v1", "v2"), deploy(number=2))
    protect(state, deploy=("ada",), rollback=("bob",))
    to_another = c.RollBack("digits", 2, "production", to=1)
    assert rules_against(state, to_another, BOB) == ["production: deploy"]
    assert against(state, to_another, ADA) == ()


MOMENTS = [
    ([], 0, 0),
    ([(DECLARED, 1)], 0, 10),
    ([(DECLARED, 1), ("ready", 1)], 9, 10),
    ([("ready", 1), (DECLARED, 1)], 9, 9),
    ([(DECLARED, 1), ("ready", 1), ("failed", 1)], 1, 10),
    ([(DECLARED, 1), ("ready", 1), ("failed", 1), ("ready", 1)], 8, 10),
    ([(DECLARED, 1), ("ready", 1), (DECLARED, 2), ("ready", 2)], 1, 2),
    ([(DECLARED, 1), ("ready", 1), (DECLARED, None)], 1, 2),
    ([(DECLARED, 1), ("ready", 1), (DECLARED, 1)], 9, 10),
    ([(DECLARED, 1), ("ready", 1), (DECLARED, 2), (DECLARED, 1)], 8, 9),
    ([(DECLARED, 1), ("ready", 2)], 0, 10),
]


@named(("told", "seen", "declared"), MOMENTS)
def test_time_is_counted_hour_by_hour(told: list[tuple[str, int | None]], seen: int, declared: int) -> None:
    traces = [Trace(START + timedelta(hours=at), state, number) for at, (state, number) in enumerate(told)]
    now = START + timedelta(hours=10)
    assert time_run(traces, 1, now, observed=True) == timedelta(hours=seen)
    assert time_run(traces, 1, now, observed=False) == timedelta(hours=declared)


def test_everything_that_stands_against_a_change_is_said_at_once(state: State) -> None:
    protect(state, deploy=("bob",), reason=True, soak=Soak("staging", 1), freeze=(NOW_FROZEN,))
    assert rules_against(state, deploy(number=3)) == [
        "production: deploy",
        "production: freeze",
        "production: reason",
        "production: soak",
    ]


def test_breaking_the_glass_waits_for_nothing_but_takes_the_role_and_a_reason(state: State) -> None:
    state.do(c.BeginAccess("root"), c.SetAccount("ada", create=True), c.SetAccount("bob", create=True))
    state.do(c.SetRoles("registry", None, "ada", ("viewer", "break-glass")))
    state.do(c.SetRoles("registry", None, "bob", ("deployer",)))
    protect(state, deploy=("root",), soak=Soak("staging", 1), freeze=(NOW_FROZEN,))
    change = replace(deploy(number=3), break_glass=True)
    assert rules_against(state, change, reason="outage", judges=(JUDGE, break_glass.judge)) == []
    for actor, reason in ((BOB, "outage"), (ADA, "")):
        refused = rules_against(state, change, actor, reason, judges=(JUDGE, break_glass.judge))
        assert refused == ["break-glass"], actor.name


class TestPlans:
    def test_rules_name_what_is_there(self, state: State) -> None:
        state.do(c.BeginAccess("ada"))
        rules = EnvironmentRules(
            deploy=("team:ops", "ada"),
            rollback=("carl",),
            approvals=(Approvals("risk", 2),),
            soak=Soak("moon", 1),
        )
        with pytest.raises(Invalid) as refused:
            state.do(c.SetEnvironment(replace(state.environments["production"], rules=rules)))
        assert [(each.field, each.value) for each in refused.value.problems] == [
            ("rules.deploy[0]", "'team:ops'"),
            ("rules.rollback[0]", "'carl'"),
            ("rules.approvals[0].from", "'risk'"),
            ("rules.soak.environment", "'moon'"),
        ]
        with pytest.raises(Invalid, match="must name another environment"):
            protect(state, soak=Soak("production", 1))

    def test_what_rules_name_stays(self, state: State) -> None:
        state.do(c.SetTeam("risk", create=True), c.SetTeam("ops", create=True))
        protect(state, approvals=(Approvals("risk", 1),), deploy=("team:ops",), soak=Soak("staging", 1))
        for change in (c.DeleteTeam("risk"), c.DeleteTeam("ops"), c.DeleteEnvironment("staging")):
            with pytest.raises(Conflict, match="is named in the rules of production; change these first"):
                state.do(change)
        protect(state)
        state.do(c.DeleteTeam("risk"), c.DeleteTeam("ops"), c.DeleteEnvironment("staging"))

    def test_the_subject_says_what_becomes_of_the_rules(self, state: State) -> None:
        told = []
        for rules in (EnvironmentRules(reason=True), EnvironmentRules(deploy=("ada",)), NO_RULES):
            change = c.SetEnvironment(replace(state.environments["production"], rules=rules))
            told.append(state.do(change).subject)
        assert told == ["Protect production", "Change the rules of production", "Unprotect production"]

    def test_environments_without_rules_are_written_as_they_always_were(self, state: State) -> None:
        assert b"rules" not in state.tree["environments/production.json"]
        protect(state, reason=True)
        assert b'"rules": {\n    "reason": true\n  }' in state.tree["environments/production.json"]
