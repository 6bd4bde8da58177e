"""No sequence of calls reaches a state that a policy forbids.

Policies say that what is in production, by deployment, stage or alias, has been shown
to be good; that its files do not change any more; and that only ada changes rules.
Then bob does whatever he likes, and nothing of the machinery that judges is asked
whether they held: what the registry says is looked at.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from muster.domain import changes as c
from muster.domain import codec
from muster.domain.errors import MusterError
from muster.domain.evaluations import digest_of_files
from muster.domain.judging import Rules
from muster.domain.names import evaluations_folder
from muster.domain.records import Artifact, Policy, Version
from muster.domain.rights import admit
from muster.domain.rules import EnvironmentRules
from muster.domain.snapshot import Snapshot
from muster.domain.upholding import Upholding
from muster.policies.cel import Cel
from tests.builders import ADA, an_environment, register
from tests.torture.scale import either
from tests.unit.worlds import PATIENCE_S, World

pytestmark = [pytest.mark.torture, pytest.mark.timeout(0)]

BOB = c.Actor("bob")
RULES = Rules(admit, judges=(Upholding(Cel()),))
GOOD = 0.9
IN_FORCE = (
    Policy(
        "shown",
        "evidence.exists(e, has(e.metrics.auc) && e.metrics.auc >= 0.9)",
        "It has not been shown to be good",
        on=("deploy", "rollback"),
        environments=("production",),
    ),
    Policy(
        "fixed",
        "version.deployment_status == 'development' && version.deployed_in == [] "
        "&& !model.aliases.exists(name, model.aliases[name] == change.number)",
        "Its files do not change any more",
        on=("attach", "detach", "finalize"),
    ),
    Policy(
        "ada-rules",
        "actor.id == 'ada'",
        "Only ada changes rules",
        on=("policy", "delete-policy", "environment", "delete-environment"),
    ),
)

models = st.sampled_from(["a", "b"])
numbers = st.integers(1, 3)
places = st.sampled_from(["staging", "production", "production"])
stages = st.sampled_from(["development", "staging", "production", "archived"])
names = st.sampled_from([each.name for each in IN_FORCE])


class Whatever(RuleBasedStateMachine):
    """Bob's calls, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="muster-")
        self.world = World(Path(self.folder.name), rules=RULES)
        rules = EnvironmentRules(aliases=("champion",))
        self.world.begin()
        with self.world.index.snapshot() as now:
            production = now.environment("production")
        assert production is not None
        self.world.do(c.SetEnvironment(replace(production, rules=rules)), *map(c.SetPolicy, IN_FORCE))
        for model in ("a", "b"):
            self.world.do(register(model, "v1"), register(model, "v2"))
        self.passed = 0

    def teardown(self) -> None:
        self.world.close()
        self.folder.cleanup()

    def call(self, change: c.Change) -> None:
        with suppress(MusterError):
            self.world.committer.submit(change, BOB, "because").result(PATIENCE_S)
            self.passed += 1
            note(f"passed: {change}")

    @rule(model=models, stage=stages, pending=st.booleans())
    def registers(self, model: str, stage: str, pending: bool) -> None:
        self.call(register(model, None, stage=stage, pending=pending))

    @rule(model=models, number=numbers, auc=st.sampled_from([0.5, 0.95, 0.95]))
    def evaluates(self, model: str, number: int, auc: float) -> None:
        self.call(c.Evaluate(model, number, by=BOB, metrics={"auc": auc}))

    @rule(model=models, number=numbers, place=places)
    def deploys(self, model: str, number: int, place: str) -> None:
        self.call(c.Deploy(model, number, place))

    @rule(model=models, number=numbers, place=places, to=st.none() | numbers, empty=st.booleans())
    def rolls_back(self, model: str, number: int, place: str, to: int | None, empty: bool) -> None:
        self.call(c.RollBack(model, number, place, to, empty))

    @rule(model=models, place=places)
    def undeploys(self, model: str, place: str) -> None:
        self.call(c.Undeploy(model, place))

    @rule(model=models, number=numbers, stage=stages, others=st.booleans())
    def moves(self, model: str, number: int, stage: str, others: bool) -> None:
        self.call(c.SetStage(model, number, stage, archive_others=others))

    @rule(model=models, alias=st.sampled_from(["champion", "other"]), number=st.none() | numbers)
    def points(self, model: str, alias: str, number: int | None) -> None:
        self.call(c.SetAlias(model, alias, number))

    @rule(model=models, number=numbers, content=st.sampled_from([b"1", b"2"]))
    def attaches(self, model: str, number: int, content: bytes) -> None:
        stored = self.world.artifacts.put([content])
        self.call(c.AttachFile(model, number, Artifact("model.onnx", stored.size, stored.sha256)))

    @rule(model=models, number=numbers)
    def finalizes(self, model: str, number: int) -> None:
        self.call(c.Finalize(model, number))

    @rule(model=models, number=numbers)
    def deletes(self, model: str, number: int) -> None:
        self.call(c.DeleteVersion(model, number))

    @rule(model=models)
    def renames(self, model: str) -> None:
        self.call(c.RenameModel(model, "b" if model == "a" else "a"))

    @rule(name=names, expression=st.sampled_from(["true", "1 == 1"]))
    def writes_a_policy(self, name: str, expression: str) -> None:
        self.call(c.SetPolicy(Policy(name, expression, "x")))

    @rule(name=names)
    def deletes_a_policy(self, name: str) -> None:
        self.call(c.DeletePolicy(name))

    @rule(stage=st.sampled_from([None, "archived"]))
    def changes_an_environment(self, stage: str | None) -> None:
        self.call(c.SetEnvironment(an_environment("production", stage=stage)))

    @invariant()
    def what_is_in_production_has_been_shown_to_be_good(self) -> None:
        with self.world.index.snapshot() as now:
            for version, how in in_production(now):
                assert is_good(now, version), f"{version.reference} is in production by its {how}"

    @invariant()
    def the_policies_are_those_that_ada_wrote(self) -> None:
        found = self.world.index.documents("policies")
        assert len(found) == len(IN_FORCE)
        assert {each.by.entry.actor for each in found} == {ADA.name}


def in_production(now: Snapshot) -> Iterator[tuple[Version, str]]:
    """The versions that anything says of that they are in production, and what says so."""
    for name in ("a", "b"):
        model = now.model(name)
        if model is None or model.deleted:
            continue
        deployment = now.deployment("production", name)
        for number in now.numbers(name):
            version = now.version(name, number)
            assert version is not None
            if version.state == "deleted":
                continue
            if deployment is not None and deployment.version == number:
                yield version, "deployment"
            if version.stage == "production":
                yield version, "stage"
            if model.aliases.get("champion") == number:
                yield version, "alias"


def is_good(now: Snapshot, version: Version) -> bool:
    records = [
        codec.decode(data) for _, data in now.documents(evaluations_folder(version.model, version.number))
    ]
    files = digest_of_files(version)
    return any(each["metrics"]["auc"] >= GOOD for each in records if each["files"] == files)


Whatever.TestCase.settings = settings(
    max_examples=either(40, 10_000),
    stateful_step_count=either(15, 25),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
test_no_sequence_of_calls_reaches_a_state_that_a_policy_forbids = Whatever.TestCase
