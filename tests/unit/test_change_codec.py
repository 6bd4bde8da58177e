"""Changes as plain JSON, and back; what is none is refused by its field."""

from __future__ import annotations

import pytest

from muster.domain import changes as c
from muster.domain import codec
from muster.domain.change_codec import bare, change_from_dict, change_to_dict
from muster.domain.errors import Invalid
from muster.domain.proposals import proposal_from_bytes, proposal_id
from muster.domain.records import Config
from muster.domain.rules import Approvals, EnvironmentRules
from tests.builders import an_artifact, an_environment, deploy, register

CHANGES = [
    deploy(config=Config(replicas=2, env={"KEY": {"from": "env:KEY"}})),
    c.RollBack("digits", 2, "production", to=1),
    c.Undeploy("digits", "production"),
    register(files=(an_artifact(),), metrics={"auc": 0.9}, training_data={"sha256": "x"}, stage="production"),
    c.SetStage("digits", 1, "production", archive_others=True),
    c.SetAlias("digits", "champion", None),
    c.SetEnvironment(an_environment(rules=EnvironmentRules(approvals=(Approvals("risk", 2),), reason=True))),
    c.DeleteEnvironment("canary"),
    c.SetRoles("environment", "production", "bob", ("viewer", "deployer")),
    c.SetTeam("risk", add=("bob",), claims=()),
    c.DeleteTeam("risk"),
    c.SetAccount("ci", owner=None),
    c.Propose(deploy(), c.Actor("ada", "token"), "needed"),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.kind)
def test_what_was_written_is_read(change: c.Change) -> None:
    written = codec.encode(change_to_dict(change))
    assert change_from_dict(codec.decode(written)) == change


def test_what_is_as_by_default_is_left_out() -> None:
    assert change_to_dict(deploy()) == {
        "kind": "deploy",
        "model": "digits",
        "number": 1,
        "environment": "production",
    }


def test_who_permits_it_and_on_which_condition_is_no_part_of_what_it_does() -> None:
    seen = deploy(expected="0" * 40, guarded=True, carries_out="P-00001", break_glass=True)
    assert bare(seen) == deploy()
    assert "carries_out" not in change_to_dict(seen)


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ("deploy", "change"),
        ({}, "change.kind"),
        ({"kind": "explode"}, "change.kind"),
        ({"kind": "undeploy", "model": "digits"}, "change.environment"),
        ({"kind": "undeploy", "model": 1, "environment": "production"}, "change.model"),
        ({"kind": "undeploy", "model": "a", "environment": "b", "fast": True}, "change.fast"),
        ({**change_to_dict(deploy()), "config": {"replicas": "two"}}, "change.config.replicas"),
        ({**change_to_dict(deploy()), "number": True}, "change.number"),
        ({"kind": "team", "team": "risk", "add": ["bob", 1]}, "change.add[1]"),
        ({"kind": "roles", "scope": "moon", "name": None, "subject": "a", "roles": []}, "change.scope"),
        ({"kind": "deploy", **change_to_dict(deploy()), "carries_out": "P-1"}, "change.carries_out"),
    ],
)
def test_what_is_no_change_is_refused_by_its_field(record: object, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        change_from_dict(record)  # type: ignore[arg-type]  # whatever a file may hold
    assert refused.value.problems[0].field == field


def test_a_damaged_proposal_says_what_it_lacks() -> None:
    with pytest.raises(Invalid, match="subject: must be there in a proposal"):
        proposal_from_bytes(b'{"id": "P-00001"}')


@pytest.mark.parametrize(("said", "kept"), [("P-12", "P-00012"), ("p-00012", "P-00012")])
def test_an_id_may_be_said_shortly(said: str, kept: str) -> None:
    assert proposal_id(said) == kept


@pytest.mark.parametrize("said", ["12", "P-0", "P-", "P-1x", "Q-1", 12, None])
def test_what_is_no_id_is_refused(said: object) -> None:
    with pytest.raises(Invalid, match="as in P-12"):
        proposal_id(said)
