"""Policies: what is one, which changes it has a say in, what it may ask, and what is kept of its word."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from muster.domain import changes as c
from muster.domain import codec, policies
from muster.domain.errors import Denied, Invalid, NotFound, Stale
from muster.domain.judging import Case, Rules
from muster.domain.plan import plan
from muster.domain.records import Policy
from muster.domain.rules import EnvironmentRules
from muster.domain.snapshot import Plan
from muster.domain.upholding import MAX_KEPT, Upholding, path_of
from muster.policies.cel import Cel
from tests.builders import ADA, START, a_config, an_artifact, an_environment, deploy, register
from tests.unit.states import State

CEL = Cel()
RULES = Rules(judges=(Upholding(CEL),))
BOB = c.Actor("bob", "token")
GOOD = "evidence.exists(e, has(e.metrics.auc) && e.metrics.auc >= 0.9)"


def a_policy(expression: str = "false", name: str = "evidence", **fields: Any) -> Policy:
    fields.setdefault("message", "It has not been shown to be good enough")
    return Policy(name, expression, **fields)


@pytest.fixture
def state() -> State:
    state = State.begun()
    state.do(register(metrics={"auc": 0.93, "n": 3}, tags={"risk": "high"}), register("words", "v1"))
    return state


def judged(state: State, change: c.Change, *, actor: c.Actor = ADA, reason: str = "") -> Plan:
    """The plan of the change, with what is kept of it. Raises Denied."""
    return RULES.planned(change, actor, reason, START, state)


def made(state: State, change: c.Change, **said: Any) -> Plan:
    """The same, and it is so from then on."""
    planned = judged(state, change, **said)
    state.take(change, planned)
    return planned


def against(state: State, change: c.Change, **said: Any) -> list[str]:
    """What is said against it."""
    try:
        judged(state, change, **said)
    except Denied as denied:
        return [objection.message for objection in denied.objections]
    return []


def evaluated(state: State, *auc: float) -> None:
    """Evaluations of version 1."""
    state.do(*(c.Evaluate("digits", 1, by=BOB, metrics={"auc": value}) for value in auc))


class TestRecord:
    def test_reads_what_it_writes(self) -> None:
        for policy in (
            a_policy(),
            a_policy("now > now", "all", on=("deploy", "stage"), environments=("production",), enabled=False),
            a_policy(models=("fraud-*",), description="why\nnot"),
        ):
            assert policies.from_bytes(policies.to_bytes(policy)) == policy

    def test_leaves_out_what_is_as_usual(self) -> None:
        assert json.loads(policies.to_bytes(a_policy("true"))).keys() == {"name", "expression", "message"}

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"message": "x"}, "expression"),
            ({"expression": "true"}, "message"),
            ({"expression": "true", "message": " "}, "message"),
            ({"expression": " ", "message": "x"}, "expression"),
            ({"expression": "1" * 5000, "message": "x"}, "expression"),
            ({"expression": "true", "message": "x", "on": ["launch"]}, "on[0]"),
            ({"expression": "true", "message": "x", "on": "deploy"}, "on"),
            ({"expression": "true", "message": "x", "environments": ["Production"]}, "environments[0]"),
            ({"expression": "true", "message": "x", "models": [""]}, "models[0]"),
            ({"expression": "true", "message": "x", "enabled": "yes"}, "enabled"),
            ({"expression": "true", "message": "x", "name": "other"}, "name"),
            ({"expression": "true", "message": "x", "severity": 1}, "severity"),
            ([], "body"),
        ],
    )
    def test_names_the_field_that_is_wrong(self, body: object, field: str) -> None:
        _, form = policies.parsed(body, "evidence")
        with pytest.raises(Invalid) as wrong:
            form.close()
        assert field in [problem.field for problem in wrong.value.problems]

    @pytest.mark.parametrize("name", ["", "Upper", "a/b", "../x", "test", "1st"])
    def test_has_a_name_that_a_path_and_an_address_can_hold(self, name: str) -> None:
        with pytest.raises(Invalid):
            policies.policy_name(name)

    @pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"name": "x", "expression": 1}', b"\xff"])
    def test_says_what_is_wrong_with_a_file_that_is_none(self, data: bytes) -> None:
        with pytest.raises(Invalid):
            policies.from_bytes(data)


class TestPlan:
    def test_makes_changes_and_deletes(self, state: State) -> None:
        assert made(state, c.SetPolicy(a_policy(on=("deploy",)))).subject == "Create policy evidence"
        assert judged(state, c.SetPolicy(a_policy(on=("deploy",)))).nothing
        assert made(state, c.SetPolicy(a_policy("true", on=("deploy",)))).subject == "Change policy evidence"
        assert policies.policy(state, "evidence") == a_policy("true", on=("deploy",))
        assert made(state, c.DeletePolicy("evidence")).subject == "Delete policy evidence"
        with pytest.raises(NotFound):
            judged(state, c.DeletePolicy("evidence"))

    def test_refuses_what_was_read_before_another_change(self, state: State) -> None:
        made(state, c.SetPolicy(a_policy(on=("deploy",))))
        with pytest.raises(Stale):
            judged(state, c.SetPolicy(a_policy("true"), expected="0" * 40))
        with pytest.raises(Stale):
            judged(state, c.DeletePolicy("evidence", expected="0" * 40))

    @pytest.mark.parametrize("expression", ["a +", "nope > 1", "1", "reason"])
    def test_refuses_an_expression_that_is_none(self, state: State, expression: str) -> None:
        with pytest.raises(Invalid, match="expression"):
            judged(state, c.SetPolicy(a_policy(expression)))

    @pytest.mark.parametrize("expression", ["false", "version.metrics.auc > 0.9", "actor.id != 'ada'"])
    def test_refuses_a_policy_that_nobody_could_take_away_again(self, state: State, expression: str) -> None:
        with pytest.raises(Invalid, match="its own removal"):
            judged(state, c.SetPolicy(a_policy(expression)))
        made(state, c.SetPolicy(a_policy(expression, on=("deploy",))))
        made(state, c.DeletePolicy("evidence"))

    def test_the_digest_of_all_changes_with_any(self, state: State) -> None:
        seen = {policies.digest(state)}
        for policy in (a_policy(on=("deploy",)), a_policy("true"), a_policy("true", "other")):
            made(state, c.SetPolicy(policy))
            seen.add(policies.digest(state))
        made(state, c.DeletePolicy("other"))
        assert len(seen) == 4
        assert policies.digest(state) in seen


APPLIES: list[tuple[dict[str, Any], c.Change, bool]] = [
    ({}, deploy(), True),
    ({"on": ("deploy",)}, deploy(), True),
    ({"on": ("stage",)}, deploy(), False),
    ({"on": ("deploy",), "environments": ("production",)}, deploy(environment="staging"), False),
    ({"on": ("deploy",), "environments": ("staging", "production")}, deploy(), True),
    ({"on": ("deploy",)}, c.SetStage("digits", 1, "production"), True),
    ({"on": ("deploy",), "environments": ("production",)}, c.SetStage("digits", 1, "production"), True),
    ({"on": ("deploy",), "environments": ("production",)}, c.SetStage("digits", 1, "staging"), False),
    ({"on": ("deploy",)}, c.SetStage("digits", 1, "archived"), False),
    ({"on": ("stage",)}, c.SetStage("digits", 1, "archived"), True),
    ({"on": ("deploy",)}, register("digits", "v2", stage="production"), True),
    ({"on": ("deploy",)}, register("fresh", "v1", stage="production"), True),
    ({"on": ("deploy",)}, register("digits", "v2"), False),
    ({"environments": ("production",)}, register("digits", "v2"), False),
    ({"models": ("dig*",)}, deploy(), True),
    ({"models": ("dig*", "x")}, deploy("words"), False),
    ({"models": ("dig*",)}, c.SetTeam("ops", create=True), False),
    ({"on": ("team",)}, c.SetTeam("ops", create=True), True),
    ({"environments": ("production",)}, c.SetEnvironment(an_environment("production")), True),
    ({"environments": ("canary",)}, c.SetEnvironment(an_environment("canary"), create=True), True),
    ({"enabled": False}, deploy(), False),
    ({}, c.AttemptFailed("digits", 1, "production", "it crashed"), False),
    ({}, c.Observe("digits", "production", "ready"), False),
]


@pytest.mark.parametrize(("fields", "change", "applies"), APPLIES)
def test_has_a_say_in_what_it_names_and_nothing_else(
    state: State, fields: dict[str, Any], change: c.Change, applies: bool
) -> None:
    state.tree["policies/evidence.json"] = policies.to_bytes(a_policy(**fields))
    assert bool(against(state, change)) is applies


def test_an_alias_that_an_environments_rules_name_says_where_a_version_is(state: State) -> None:
    rules = EnvironmentRules(aliases=("champion",))
    state.do(c.SetEnvironment(replace(state.environments["production"], rules=rules)))
    made(state, c.SetPolicy(a_policy("environment.name == 'staging'", on=("deploy",))))
    assert against(state, c.SetAlias("digits", "champion", 1))
    assert not against(state, c.SetAlias("digits", "challenger", 1))
    made(state, c.SetPolicy(a_policy(on=("deploy",), environments=("staging",))))
    assert not against(state, c.SetAlias("digits", "champion", 1))


def test_a_change_that_moves_several_models_is_asked_about_for_each(state: State) -> None:
    both = {**plan(deploy(), state).edits, **plan(deploy("words"), state).edits}
    case = Case(deploy(), ADA, "", START, replace(plan(deploy(), state), edits=both))
    judge = Upholding(CEL)
    for model in ("digits", "words"):
        policy = a_policy(on=("deploy",), environments=("production",), models=(model,))
        state.tree["policies/evidence.json"] = policies.to_bytes(policy)
        assert judge(case, state).objections
    kept = a_policy("change.config.replicas == 1 && version.name == change.model", on=("deploy",))
    state.tree["policies/evidence.json"] = policies.to_bytes(kept)
    [record] = judge(case, state).kept.values()
    assert [each["model"] for each in codec.decode(record)["asked"]] == ["digits", "words"]


def test_a_deployment_is_not_asked_about_for_the_version_that_makes_way(state: State) -> None:
    state.do(deploy(), register("digits", "v2"))
    made(state, c.SetPolicy(a_policy(environments=("staging",))))
    assert not against(state, deploy(number=2))


def test_a_renamed_model_is_known_by_both_names(state: State) -> None:
    for pattern in ("digits", "numbers"):
        state.tree["policies/evidence.json"] = policies.to_bytes(a_policy(models=(pattern,)))
        assert against(state, c.RenameModel("digits", "numbers"))
    made(state, c.SetPolicy(a_policy("model.name == 'digits'", on=("rename",))))
    assert not against(state, c.RenameModel("digits", "numbers"))
    made(state, c.SetPolicy(a_policy(on=("deploy",))))
    assert not against(state, c.RenameModel("digits", "numbers"))


def test_muster_itself_is_not_asked(state: State) -> None:
    state.tree["policies/evidence.json"] = policies.to_bytes(a_policy())
    assert not against(state, deploy(), actor=c.Actor("muster", internal=True))


ASKS: list[tuple[str, c.Change]] = [
    ("change.kind == 'deploy' && change.model == 'digits' && change.number == 1", deploy()),
    ("change.environment == 'production' && change.stage == 'production'", deploy()),
    ("change.config.replicas == 3", deploy(config=a_config(replicas=3))),
    ("change.kind == 'stage' && change.stage == 'archived'", c.SetStage("digits", 1, "archived")),
    ("change.aliases == {'champion': 1}", c.SetAlias("digits", "champion", 1)),
    ("change.records['access/teams/ops.json'].name == 'ops'", c.SetTeam("ops", create=True)),
    ("change.records.all(path, path.startsWith('environments/'))", c.DeleteEnvironment("staging")),
    ("change.number == null && version == null && model == null", c.SetTeam("ops", create=True)),
    ("!change.break_glass", deploy()),
    ("change.break_glass", deploy(break_glass=True)),
    ("actor.id == 'ada' && actor.auth == 'none' && actor.teams == [] && actor.roles == []", deploy()),
    ("version.model_id == 'digits_v1' && version.metrics.auc > 0.9 && version.metrics.n == 3", deploy()),
    ("version.deployment_status == 'development' && after.deployment_status == 'production'", deploy()),
    ("version.tags.risk == 'high'", deploy()),
    ("!has(after.tags.risk) && has(version.tags.risk)", c.UpdateVersion("digits", 1, tags={"risk": None})),
    ("version.version == 'v2' && version.files == []", register("digits", "v2", stage="staging")),
    ("version.name == 'fresh' && model == null", register("fresh", "v1")),
    ("timestamp(version.created_at) <= now", register("fresh", "v1")),
    ("after == null && version.number == 1", c.DeleteVersion("digits", 1)),
    ("environment.name == 'production' && environment.rank == 30 && !environment.allow_pickle", deploy()),
    ("environment == null", c.UpdateVersion("digits", 1, description="x")),
    ("deployed == null", deploy()),
    ("model.name == 'digits' && model.aliases == {}", deploy()),
    ("evidence == []", deploy()),
    ("reason == ''", deploy()),
    ("now == timestamp('2026-01-01T09:00:00Z')", deploy()),
]


@pytest.mark.parametrize(("expression", "change"), ASKS)
def test_may_ask_about_all_that_the_change_is(state: State, expression: str, change: c.Change) -> None:
    state.tree["policies/evidence.json"] = policies.to_bytes(a_policy(expression))
    assert against(state, change) == []
    state.tree["policies/evidence.json"] = policies.to_bytes(a_policy(f"!({expression})"))
    assert against(state, change) == ["It has not been shown to be good enough"]


class TestJudge:
    def test_says_every_objection_at_once_in_the_authors_words(self, state: State) -> None:
        for name, message in (("one", "First."), ("two", "Second."), ("three", "Third.")):
            expression = "true" if name == "two" else "false"
            made(state, c.SetPolicy(a_policy(expression, name, on=("deploy",), message=message)))
        with pytest.raises(Denied) as denied:
            judged(state, deploy())
        assert [(each.rule, each.message) for each in denied.value.objections] == [
            ("policy one", "First."),
            ("policy three", "Third."),
        ]
        assert "muster policy show one" in denied.value.objections[0].help

    @pytest.mark.parametrize(
        ("expression", "why"),
        [
            ("version.metrics.recall > 0.5", 'Key not found in map : "recall"'),
            ("1 / version.metrics.zero == 1", 'Key not found in map : "zero"'),
            ("deployed.number == 1", "SELECT"),
            ("version.tags.risk", "must be true or false and is string"),
            ("[1].all(x, evidence[x] != null)", "Index error"),
        ],
    )
    def test_refuses_what_it_cannot_judge_and_says_so(self, state: State, expression: str, why: str) -> None:
        made(state, c.SetPolicy(a_policy(expression, on=("deploy",))))
        [message] = against(state, deploy())
        assert message.startswith("policy evidence cannot be evaluated, so nothing passes it: ")
        assert why in message

    def test_asks_the_evidence_and_what_is_deployed(self, state: State) -> None:
        made(state, c.SetPolicy(a_policy(GOOD, on=("deploy",))))
        better = "deployed == null || version.metrics.auc >= deployed.metrics.auc"
        made(state, c.SetPolicy(a_policy(better, "better", on=("deploy",), message="Worse than what runs")))
        assert against(state, deploy()) == ["It has not been shown to be good enough"]
        evaluated(state, 0.5, 0.95)
        made(state, deploy())
        made(state, register("digits", "v2", metrics={"auc": 0.92}))
        assert "Worse than what runs" in against(state, deploy(number=2))

    def test_evidence_for_other_files_is_none(self, state: State) -> None:
        made(state, c.SetPolicy(a_policy(GOOD, on=("deploy",))))
        evaluated(state, 0.95)
        assert not against(state, deploy())
        state.do(c.AttachFile("digits", 1, an_artifact()), c.Finalize("digits", 1))
        assert against(state, deploy())

    def test_evidence_comes_in_the_order_of_its_numbers(self, state: State) -> None:
        evaluated(state, *(k / 100 for k in range(1, 13)))
        ordered = "evidence[1].metrics.auc == 0.02 && evidence[11].metrics.auc == 0.12"
        made(state, c.SetPolicy(a_policy(ordered, on=("deploy",))))
        assert not against(state, deploy())

    def test_knows_the_actors_teams_and_roles_there(self, state: State) -> None:
        state.do(c.BeginAccess("ada"), c.SetAccount("bob", create=True))
        state.do(c.SetTeam("risk", create=True, add=("bob",)))
        state.do(c.SetRoles("environment", "production", "team:risk", ("deployer",)))
        expression = "'risk' in actor.teams && actor.roles == ['deployer'] && actor.auth == 'token'"
        made(state, c.SetPolicy(a_policy(expression, on=("deploy",))))
        assert not against(state, deploy(), actor=BOB)
        assert against(state, deploy())

    def test_a_rollback_to_what_was_never_there_is_a_deployment(self, state: State) -> None:
        state.do(deploy(), register("digits", "v2"), deploy(number=2), register("digits", "v3"))
        made(state, c.SetPolicy(a_policy(on=("deploy",))))
        assert not against(state, c.RollBack("digits", 2, "production"))
        assert not against(state, c.RollBack("digits", 2, "production", to=1))
        assert against(state, c.RollBack("digits", 2, "production", to=3))

    def test_a_rollback_is_judged_by_the_version_that_is_to_run(self, state: State) -> None:
        state.do(deploy(), register("digits", "v2"), deploy(number=2))
        made(state, c.SetPolicy(a_policy("version.number == 1 && change.number == 1", on=("rollback",))))
        assert not against(state, c.RollBack("digits", 2, "production"))

    def test_a_change_to_a_policy_is_judged_under_the_old_ones(self, state: State) -> None:
        old = a_policy("reason != ''", on=("policy", "delete-policy"), message="Say why")
        made(state, c.SetPolicy(old), reason="we want reasons")
        assert against(state, c.SetPolicy(a_policy("true"))) == ["Say why"]
        assert against(state, c.SetPolicy(a_policy("true", "other"))) == ["Say why"]
        assert against(state, c.DeletePolicy("evidence")) == ["Say why"]
        made(state, c.SetPolicy(a_policy("true")), reason="no longer needed")
        made(state, c.DeletePolicy("evidence"))

    def test_a_file_that_is_no_policy_stops_everything_but_its_own_mending(self, state: State) -> None:
        state.tree["policies/evidence.json"] = b'{"name": "evidence"}'
        [message] = against(state, deploy())
        assert message.startswith("policy evidence cannot be read, so nothing passes it: ")
        assert against(state, c.SetPolicy(a_policy("true", "other")))
        made(state, c.SetPolicy(a_policy("true")))
        assert not against(state, deploy())

    def test_what_compiles_no_more_stops_everything_but_its_own_mending(self, state: State) -> None:
        state.tree["policies/evidence.json"] = policies.to_bytes(a_policy("gone(1)"))
        assert "cannot be evaluated" in against(state, deploy())[0]
        assert against(state, c.SetPolicy(a_policy("true", "other")))
        made(state, c.DeletePolicy("evidence"))
        assert not against(state, deploy())


class TestKept:
    def kept(self, planned: Plan) -> dict[str, Any] | None:
        found = [(path, data) for path, data in planned.edits.items() if path.startswith("decisions/")]
        if not found:
            return None
        [(path, data)] = found
        assert path == path_of(START)
        assert path.endswith("/2026-01-01T090000.000000Z.json")
        assert data is not None
        return codec.decode(data)

    def test_each_decision_keeps_the_digests_what_was_asked_and_the_outcome(self, state: State) -> None:
        made(state, c.SetPolicy(a_policy("version.number == 1 && reason != ''", on=("deploy",))))
        made(state, c.SetPolicy(a_policy("true", "other", on=("stage",))))
        kept = self.kept(judged(state, deploy(), reason="a secret reason"))
        assert kept is not None
        assert kept["digest"] == policies.digest(state)
        assert kept["policies"] == {"evidence": policies.sha256_of(state.tree["policies/evidence.json"])}
        [asked] = kept["asked"]
        assert asked["environment"] == "production"
        assert asked["outcomes"] == {"evidence": True}
        assert asked["inputs"] == {"version": state.record("digits", 1)}

    def test_what_no_policy_had_a_say_in_keeps_nothing(self, state: State) -> None:
        assert self.kept(judged(state, deploy())) is None
        made(state, c.SetPolicy(a_policy(on=("stage",))))
        assert self.kept(judged(state, deploy())) is None

    def test_what_is_too_long_is_kept_as_its_digest(self, state: State) -> None:
        state.do(register("digits", "v2", description="x" * MAX_KEPT))
        made(state, c.SetPolicy(a_policy("version.number == 2", on=("deploy",))))
        kept = self.kept(judged(state, deploy(number=2)))
        assert kept is not None
        assert kept["asked"][0]["inputs"]["version"].keys() == {"sha256", "bytes"}

    def test_a_stage_of_two_environments_is_asked_about_for_each(self, state: State) -> None:
        state.do(c.SetEnvironment(an_environment("canary", stage="production"), create=True))
        made(state, c.SetPolicy(a_policy("environment.name != 'canary'", on=("deploy",))))
        assert against(state, c.SetStage("digits", 1, "production"))
        made(state, c.SetPolicy(a_policy("environment.name != 'x'", on=("deploy",))))
        kept = self.kept(judged(state, c.SetStage("digits", 1, "production")))
        assert kept is not None
        assert [each["environment"] for each in kept["asked"]] == ["canary", "production"]

    def test_no_two_moments_have_the_same_path(self) -> None:
        moments = [START + timedelta(microseconds=step) for step in (0, 1, 59_000_000, 3_600_000_000)]
        assert len({path_of(moment) for moment in moments}) == len(moments)
