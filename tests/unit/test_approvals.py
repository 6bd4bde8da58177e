"""Approvals: what needs them, whose count, how long, and each way round them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from muster.domain import access, approvals, break_glass
from muster.domain import changes as c
from muster.domain.errors import ApprovalNeeded, Conflict, Denied, MusterError
from muster.domain.four_eyes import Standing, standing
from muster.domain.judging import Rules
from muster.domain.proposals import Open, Proposal, numbered, proposal_of
from muster.domain.records import Config, Environment
from muster.domain.rules import Approvals, EnvironmentRules
from muster.domain.snapshot import Plan
from tests.builders import an_artifact, an_environment, deploy, register
from tests.unit.states import State

RULES = Rules(judges=(approvals.judge, break_glass.judge))
TWO = (Approvals("risk", 2),)


class Office:
    """A registry whose production demands approvals, and the people in it.

    ada asks, bob made the version and is of risk, as are rita, rob and ron; cy uses the
    service `ci`, and is of risk, too.
    """

    def __init__(self, *asked: Approvals) -> None:
        self.state = State.begun()
        self.do(c.BeginAccess("ada"))
        for name in ("bob", "rita", "rob", "ron", "cy", "lea", "opal"):
            self.do(c.SetAccount(name, create=True))
        self.do(c.SetAccount("ci", "service", owner="opal", users=("cy",), create=True))
        self.do(c.SetTeam("risk", add=("bob", "rita", "rob", "ron", "cy", "ada", "opal", "ci"), create=True))
        self.do(c.SetTeam("legal", add=("lea", "rita"), create=True))
        self.do(register("digits", files=(an_artifact(),)), by="bob")
        self.do(register("digits", "v2", files=(an_artifact(),)), by="bob")
        self.protect("production", *(asked or TWO))

    def do(self, *changes: c.Change, by: str = "ada") -> None:
        """As it was before the rules."""
        self.state.do(*changes, by=by)

    def protect(self, name: str, *asked: Approvals, **more: Any) -> None:
        rules = EnvironmentRules(approvals=asked, **more)
        self.do(c.SetEnvironment(replace(self.environment(name), rules=rules)))

    def environment(self, name: str) -> Environment:
        found = self.state.environment(name)
        assert found is not None
        return found

    def ask(self, change: c.Change, by: str = "ada", reason: str = "") -> Plan:
        """The change, judged and recorded."""
        planned = RULES.planned(change, c.Actor(by), reason, self.state.time, self.state)
        self.state.take(change, planned, by)
        return planned

    def propose(self, change: c.Change | None = None, by: str = "ada") -> str:
        """A proposal of a deployment, or of something else; its id."""
        self.ask(c.Propose(change or deploy(number=2), c.Actor(by), "needed"), by)
        return numbered(Open.read(self.state).last)

    def approve(self, of: str, by: str, comment: str = "") -> Plan:
        return self.ask(c.Decide(of, "approve", by, comment), by)

    def carry_out(self, of: str) -> Plan:
        found = proposal_of(self.state, of)
        return self.ask(replace(found.change, carries_out=of), found.requester)

    def proposal(self, of: str) -> Proposal:
        return proposal_of(self.state, of)

    def standing(self, of: str) -> Standing:
        return standing(self.proposal(of), self.state, self.state.time)

    def later(self, **by: float) -> None:
        self.state.time += timedelta(**by)


@pytest.fixture
def office() -> Office:
    return Office()


def rules_of(refused: pytest.ExceptionInfo[Denied]) -> list[str]:
    return [each.rule for each in refused.value.objections]


# ------------------------------------------------------------ the way it is meant


def test_a_deployment_happens_once_enough_others_have_approved_it(office: Office) -> None:
    with pytest.raises(ApprovalNeeded) as needed:
        office.ask(deploy(number=2))
    assert "production demands 2 approvals of risk" in needed.value.message
    assert needed.value.demands == ({"environment": "production", "from": "risk", "count": 2},)
    assert needed.value.proposal is None
    of = office.propose()
    with pytest.raises(ApprovalNeeded, match=f"{of} is open for it") as again:
        office.ask(deploy(number=2), "bob")
    assert again.value.proposal == of
    office.approve(of, "rita", "looks right")
    with pytest.raises(Denied, match="lacks 1 approval of risk in production"):
        office.carry_out(of)
    office.approve(of, "rob")
    planned = office.carry_out(of)
    assert planned.proposal == of
    assert planned.subject == "Deploy digits v2 to production"
    assert office.state.running("digits") == 2
    done = office.proposal(of)
    assert done.state == "applied"
    assert [(each.actor, each.comment, each.teams) for each in done.decisions] == [
        ("rita", "looks right", ("risk",)),
        ("rob", "", ("risk",)),
    ]
    assert not Open.read(office.state).changes


def test_the_same_is_proposed_once_and_what_needs_nothing_not_at_all(office: Office) -> None:
    office.propose()
    with pytest.raises(Conflict, match="P-00001 is open for the same"):
        office.propose()
    with pytest.raises(Conflict, match="without a proposal"):
        office.propose(deploy(environment="staging"))
    assert office.propose(deploy(number=1)) == "P-00002"


def test_one_rejection_ends_it(office: Office) -> None:
    of = office.propose()
    office.approve(of, "rita")
    office.ask(c.Decide(of, "reject", "rob", "drifts"), "rob")
    assert office.proposal(of).state == "rejected"
    with pytest.raises(Conflict, match="rejected already"):
        office.approve(of, "ron")
    with pytest.raises(Denied, match="rejected already"):
        office.carry_out(of)
    assert office.propose() == "P-00002"


def test_who_asked_takes_it_back_and_others_do_not(office: Office) -> None:
    of = office.propose(by="bob")
    with pytest.raises(Denied) as refused:
        office.ask(c.Withdraw(of, "rita"), "rita")
    assert rules_of(refused) == ["requester"]
    office.ask(c.Withdraw(of, "bob", "later"), "bob")
    assert office.proposal(of).state == "withdrawn"


def test_approvals_of_several_teams_are_of_several_people() -> None:
    office = Office(Approvals("risk", 1), Approvals("legal", 1))
    of = office.propose()
    office.approve(of, "rita")  # of both
    assert not office.standing(of).enough
    office.approve(of, "rob")  # of risk: so rita stands for legal
    assert office.standing(of).enough


# ------------------------------------------------------------ four eyes


@pytest.mark.parametrize(
    ("who", "rule"),
    [
        ("ada", "requester"),
        ("bob", "author"),
        ("lea", "team"),
        ("ci", "person"),
        ("nobody", "person"),
    ],
)
def test_an_approval_that_would_not_count_is_refused_by_name(office: Office, who: str, rule: str) -> None:
    of = office.propose()
    with pytest.raises(Denied) as refused:
        office.approve(of, who)
    assert rule in rules_of(refused)
    assert who in refused.value.message
    assert office.proposal(of).decisions == ()


@pytest.mark.parametrize("who", ["cy", "opal"])
def test_who_is_behind_a_service_account_does_not_approve_what_it_asks_for(office: Office, who: str) -> None:
    of = office.propose(by="ci")
    with pytest.raises(Denied) as refused:
        office.approve(of, who)
    assert rules_of(refused) == ["service-account"]
    # Not by leaving the account either.
    office.do(c.SetAccount("ci", owner="lea", users=()))
    with pytest.raises(Denied):
        office.approve(of, who)


def test_who_is_behind_the_account_that_made_the_version_does_not_approve_it(office: Office) -> None:
    office.do(register("digits", "v3", files=(an_artifact(),)), by="ci")
    of = office.propose(deploy(number=3))
    with pytest.raises(Denied) as refused:
        office.approve(of, "cy")
    assert rules_of(refused) == ["service-account"]


def test_nobody_approves_in_anothers_name_nor_twice(office: Office) -> None:
    of = office.propose()
    with pytest.raises(Denied) as refused:
        office.ask(c.Decide(of, "approve", "rita"), "ada")
    assert rules_of(refused) == ["actor"]
    with pytest.raises(Denied):
        office.ask(c.Propose(deploy(number=1), c.Actor("rita")), "ada")
    office.approve(of, "rita")
    with pytest.raises(Denied) as twice:
        office.approve(of, "rita")
    assert rules_of(twice) == ["once"]


LOST: dict[str, list[c.Change]] = {
    "the account is disabled": [c.SetAccount("rita", disabled=True)],
    "the team lost them": [c.SetTeam("risk", remove=("rita",))],
    "they became an author": [],
    "they use the account that asked": [c.SetAccount("ci", users=("rita",))],
}


@pytest.mark.parametrize("how", LOST)
def test_an_approval_goes_with_what_made_it_count(office: Office, how: str) -> None:
    of = office.propose(by="ci")
    office.approve(of, "rita")
    office.approve(of, "rob")
    assert office.standing(of).enough
    office.do(*LOST[how])
    if not LOST[how]:
        office.do(c.UpdateVersion("digits", 2, tags={"mine": "now"}), by="rita")
    now = office.standing(of)
    assert not now.enough
    assert "rita" in now.against
    with pytest.raises(Denied, match="rita"):
        office.carry_out(of)


def test_who_joins_a_team_after_approving_did_not_approve_as_one_of_it() -> None:
    office = Office(Approvals("risk", 1), Approvals("legal", 1))
    of = office.propose()
    office.approve(of, "rob")
    office.approve(of, "ron")
    office.do(c.SetTeam("legal", add=("ron",)))
    assert [each.team for each in office.standing(of).missing] == ["legal"]


# ------------------------------------------------------------ what an approval is for

CHANGED: dict[str, list[c.Change]] = {
    "version": [c.UpdateVersion("digits", 2, description="another")],
    "replaces": [deploy(number=1)],
    "rules": [],
    "policies": [],
    "evidence": [],
}


@pytest.mark.parametrize("what", CHANGED)
def test_approvals_lapse_when_what_they_are_for_changes(office: Office, what: str) -> None:
    of = office.propose()
    office.approve(of, "rita")
    office.approve(of, "rob")
    assert office.standing(of).enough
    office.do(*CHANGED[what])
    if what == "rules":
        office.protect("production", *TWO, reason=True)
    elif what == "policies":
        office.state.tree["policies/auc.json"] = b"{}\n"
    elif what == "evidence":
        from muster.domain.names import evaluations_folder

        office.state.tree[f"{evaluations_folder('digits', 2)}/1.json"] = b"{}\n"
    now = office.standing(of)
    assert now.changed == (what,)
    assert now.counted == ()
    with pytest.raises(Denied, match="since rita approved there changed"):
        office.carry_out(of)
    # Looked at again, it is approved again.
    office.approve(of, "rita")
    assert [each.lapsed for each in office.proposal(of).decisions] == [(what,), (what,), ()]
    office.approve(of, "rob")
    office.carry_out(of)
    assert office.state.running("digits") == 2


def test_an_approval_is_for_one_configuration_only(office: Office) -> None:
    of = office.propose()
    office.approve(of, "rita")
    office.approve(of, "rob")
    other = replace(office.proposal(of).change, config=Config(replicas=3), carries_out=of)  # type: ignore[call-arg]
    with pytest.raises(Denied, match="not what P-00001 proposes"):
        office.ask(other)
    with pytest.raises(Denied, match="of ada, not of bob"):
        office.ask(replace(office.proposal(of).change, carries_out=of), "bob")


def test_approvals_and_proposals_last_fourteen_days(office: Office) -> None:
    of = office.propose()
    office.later(days=10)
    office.approve(of, "rita")
    office.approve(of, "rob")
    office.later(days=3)
    assert office.standing(of).enough
    with pytest.raises(Denied, match="by themselves"):
        office.ask(c.Lapse(of, "old"))
    with pytest.raises(Denied, match="not 14 days old"):
        RULES.planned(
            c.Lapse(of, "old"), c.Actor("muster", internal=True), "", office.state.time, office.state
        )
    office.later(days=2)
    with pytest.raises(Denied, match="older than 14 days"):
        office.carry_out(of)
    with pytest.raises(Denied, match="older than 14 days"):
        office.approve(of, "ron")
    RULES.planned(c.Lapse(of, "old"), c.Actor("muster", internal=True), "", office.state.time, office.state)


def test_an_approval_is_old_after_fourteen_days_though_the_proposal_is_not() -> None:
    office = Office(Approvals("risk", 1))
    of = office.propose()
    office.approve(of, "rita")
    late = standing(office.proposal(of), office.state, office.state.time + timedelta(days=14))
    assert late.against["rita"].rule == "lapsed"


def test_a_proposal_of_what_is_gone_can_be_rejected_and_lapses(office: Office) -> None:
    of = office.propose()
    office.do(c.DeleteVersion("digits", 2))
    with pytest.raises(MusterError):
        office.approve(of, "rita")
    lapse = c.Lapse(of, "the version is gone")
    RULES.planned(lapse, c.Actor("muster", internal=True), "", office.state.time, office.state)
    office.ask(c.Decide(of, "reject", "rita"), "rita")
    assert office.proposal(of).state == "rejected"


# ------------------------------------------------------------ what needs approval


def _weaker(office: Office) -> c.Change:
    return c.SetEnvironment(replace(office.environment("production"), rules=EnvironmentRules()))


PROTECTED = {
    "a deployment": deploy(number=2),
    "its configuration": deploy(number=1, config=Config(replicas=2)),
    "taking it out": c.Undeploy("digits", "production"),
    "the stage": c.SetStage("digits", 2, "production"),
    "a registration into the stage": register("digits", "v9", stage="production"),
    "a protected alias": c.SetAlias("digits", "champion", 2),
    "a rollback to what never ran there": c.RollBack("digits", 1, "production", to=2),
    "a role in it": c.SetRoles("environment", "production", "lea", ("deployer",)),
    "who breaks the glass": c.SetRoles("registry", None, "ada", ("admin", "break-glass")),
    "a deployer of everything": c.SetRoles("registry", None, "lea", ("deployer",)),
    "a team that approves": c.SetTeam("risk", add=("lea",)),
    "another environment's stage": deploy(number=2, environment="mirror"),
}


@pytest.mark.parametrize("what", [*PROTECTED, "its rules"])
def test_what_says_production_needs_its_approvals(what: str) -> None:
    office = Office()
    office.do(c.SetEnvironment(an_environment("mirror", stage="production"), create=True))
    office.do(deploy(number=1))
    office.protect("production", *TWO, aliases=("champion",))
    change = _weaker(office) if what == "its rules" else PROTECTED[what]
    with pytest.raises(ApprovalNeeded, match="2 approvals of risk"):
        office.ask(change)
    of = office.propose(change)
    for who in ("rita", "ron"):
        office.approve(of, who)
    assert office.carry_out(of).proposal == of


FREE = {
    "another environment": deploy(number=2, environment="staging"),
    "another stage": c.SetStage("digits", 2, "staging"),
    "another alias": c.SetAlias("digits", "shadow", 2),
    "another team": c.SetTeam("legal", add=("rob",)),
    "a description": c.SetTeam("risk", description="who looks at risk"),
    "a role elsewhere": c.SetRoles("environment", "staging", "lea", ("deployer",)),
    "a reader": c.SetRoles("registry", None, "lea", ("viewer",)),
    "a tag": c.UpdateVersion("digits", 1, tags={"seen": "yes"}),
    "a disabled account": c.SetAccount("rita", disabled=True),
}


@pytest.mark.parametrize("what", FREE)
def test_the_rest_needs_none(what: str) -> None:
    office = Office()
    office.do(deploy(number=1))
    office.protect("production", *TWO, aliases=("champion",))
    assert not office.ask(FREE[what]).nothing


def test_files_that_come_later_into_what_runs_there_need_them() -> None:
    office = Office()
    office.do(register("bare"), deploy("bare"))
    with pytest.raises(ApprovalNeeded):
        office.ask(c.AttachFile("bare", 1, an_artifact()))


def test_rules_are_changed_by_those_of_now(office: Office) -> None:
    of = office.propose(_weaker(office))
    office.approve(of, "rita")
    office.approve(of, "rob")
    office.protect("production", Approvals("risk", 3))
    assert not office.standing(of).enough
    for who in ("rita", "rob", "ron"):
        office.approve(of, who)
    office.carry_out(of)
    office.ask(deploy(number=2))


def test_going_back_to_what_ran_there_takes_a_reason_and_nobody(office: Office) -> None:
    office.do(deploy(number=1), deploy(number=2))
    with pytest.raises(Denied, match="takes a reason"):
        office.ask(c.RollBack("digits", 2, "production"))
    office.ask(c.RollBack("digits", 2, "production"), reason="errors")
    assert office.state.running("digits") == 1
    office.ask(c.RollBack("digits", 1, "production", to=2), reason="it was the network")
    assert office.state.running("digits") == 2


# ------------------------------------------------------------ breaking the glass


def test_the_glass_is_broken_by_role_and_reason_marked_and_reviewed_by_two_others(office: Office) -> None:
    urgent = replace(deploy(number=2), break_glass=True)
    with pytest.raises(Denied, match="ada has not the role break-glass"):
        office.ask(urgent, reason="outage")
    office.do(c.SetRoles("environment", "production", "ada", ("break-glass",)))
    with pytest.raises(Denied, match="takes a reason"):
        office.ask(urgent)
    planned = office.ask(urgent, reason="outage")
    assert planned.mark == "break-glass"
    assert office.state.running("digits") == 2
    review = break_glass.review_of(office.state, "B-00001")
    assert (review.actor, review.reason, review.state) == ("ada", "outage", "open")
    with pytest.raises(Denied) as own:
        office.ask(c.ReviewBreakGlass("B-00001", "ada"), "ada")
    assert rules_of(own) == ["requester"]
    with pytest.raises(Denied) as other:
        office.ask(c.ReviewBreakGlass("B-00001", "rita"), "ada")
    assert "actor" in rules_of(other)
    office.ask(c.ReviewBreakGlass("B-00001", "rita", "it was right"), "rita")
    with pytest.raises(Conflict, match="rita has reviewed"):
        office.ask(c.ReviewBreakGlass("B-00001", "rita"), "rita")
    assert break_glass.review_of(office.state, "B-00001").state == "open"
    office.ask(c.ReviewBreakGlass("B-00001", "lea"), "lea")
    assert break_glass.review_of(office.state, "B-00001").state == "reviewed"


def test_the_role_for_one_environment_breaks_no_other_glass(office: Office) -> None:
    office.do(c.SetRoles("environment", "staging", "ada", ("break-glass",)))
    with pytest.raises(Denied, match="not the role"):
        office.ask(replace(deploy(number=2), break_glass=True), reason="outage")
    assert access.BREAK_GLASS == break_glass.MARK
