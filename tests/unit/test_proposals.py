"""What becomes of proposals: done at once, at the next start, or lapsed; and what others see of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from muster.domain import approvals, break_glass
from muster.domain import changes as c
from muster.domain.errors import ApprovalNeeded, NotFound
from muster.domain.judging import Rules
from muster.domain.rights import admit
from muster.domain.rules import Approvals, EnvironmentRules
from muster.service.deployer import Deployer
from muster.service.gate import Sight
from muster.service.operations import Operations
from muster.service.proposal_views import ProposalViews, Wanted
from muster.service.proposals import Proposals
from muster.service.submissions import Recorded
from tests.builders import an_environment, register
from tests.unit.worlds import PATIENCE_S, World

RULES = Rules(admit, judges=(approvals.judge, break_glass.judge))
ADA, RITA, ROB = (c.Actor(name, "token") for name in ("ada", "rita", "rob"))
MUSTER = c.Actor("muster", internal=True)
WANTED = c.SetStage("digits", 1, "production")


class Desk(World):
    """A registry whose production two of risk have to approve, and the proposals of it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, rules=RULES)
        deployer = Deployer(self.registry, {}, Operations(self.clock), start_timeout_s=1)
        self.proposals = Proposals(self.registry, deployer, self.clock)
        self.views = ProposalViews(self.registry, RULES, self.clock)
        self.record(c.Initialize(), c.BeginAccess("ada"))
        for name in ("rita", "rob"):
            self.record(c.SetAccount(name, create=True), c.SetRoles("registry", None, name, ("viewer",)))
        self.record(c.SetTeam("risk", add=("rita", "rob"), create=True), register("digits"))
        rules = EnvironmentRules(approvals=(Approvals("risk", 2),))
        self.record(
            c.SetEnvironment(replace(an_environment("production", rank=30), stage="production", rules=rules))
        )

    def record(self, *changes: c.Change, by: c.Actor = MUSTER) -> None:
        for change in changes:
            self.registry.submit(change, by).result(PATIENCE_S)

    def ask(self) -> str:
        """ada asks for the stage; the proposal that she gets."""
        with pytest.raises(ApprovalNeeded):
            self.registry.submit(WANTED, ADA).result(PATIENCE_S)
        with pytest.raises(ApprovalNeeded) as waits:
            self.proposals.instead(WANTED, ADA, "ready")
        assert waits.value.proposal is not None
        return waits.value.proposal

    def state(self, of: str) -> str:
        return str(self.views.one(of, ADA, None)["state"])

    def stage(self) -> str:
        return self.registry.version("digits", 1).stage


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def test_the_last_approval_does_it_as_who_asked_for_it(desk: Desk) -> None:
    of = desk.ask()
    assert desk.ask() == of
    assert desk.proposals.decide(of, "approve", RITA).carried is None
    done = desk.proposals.decide(of, "approve", ROB, "fine")
    assert isinstance(done.carried, Recorded)
    assert done.carried.logged is not None
    entry = done.carried.logged.entry
    assert (entry.kind, entry.actor, entry.auth, entry.reason) == ("stage", "ada", "token", "ready")
    assert entry.proposal == of
    assert desk.stage() == "production"
    assert desk.state(of) == "applied"
    assert desk.disagreements() == []


def test_everything_is_judged_again_when_it_takes_effect(desk: Desk) -> None:
    of = desk.ask()
    desk.proposals.decide(of, "approve", RITA)
    desk.record(c.SetAccount("bob", create=True), c.SetRoles("registry", None, "bob", ("admin",)))
    desk.record(c.SetRoles("registry", None, "ada", ()))
    decided = desk.proposals.decide(of, "approve", ROB)
    assert decided.refused is not None
    assert desk.stage() == "development"
    assert desk.state(of) == "open"
    desk.record(c.SetRoles("registry", None, "ada", ("contributor",)))
    desk.proposals.tend()
    assert desk.stage() == "production"


def test_what_was_approved_and_not_done_is_done_by_asking_again(desk: Desk) -> None:
    of = desk.ask()
    for who in (RITA, ROB):  # as if the server had stopped between the approval and what follows
        desk.record(c.Decide(of, "approve", who.name), by=who)
    assert desk.stage() == "development"
    assert isinstance(desk.proposals.instead(WANTED, ADA), Recorded)
    assert desk.stage() == "production"


def test_what_was_approved_and_not_done_is_done_at_the_next_start(desk: Desk) -> None:
    of = desk.ask()
    for who in (RITA, ROB):
        desk.record(c.Decide(of, "approve", who.name), by=who)
    desk.proposals.tend()
    assert desk.state(of) == "applied"
    desk.proposals.tend()
    assert desk.subjects().count("Move digits v1 from development to production") == 1


def test_what_waits_too_long_lapses_and_may_be_asked_for_anew(desk: Desk) -> None:
    of = desk.ask()
    desk.clock.forward(days=13)
    desk.proposals.tend()
    assert desk.state(of) == "open"
    desk.clock.forward(days=1, seconds=1)
    other = desk.ask()
    assert desk.state(of) == "lapsed"
    desk.clock.forward(days=14, seconds=1)
    desk.proposals.tend()
    assert desk.state(other) == "lapsed"


def test_what_is_about_nothing_lapses(desk: Desk) -> None:
    of = desk.ask()
    desk.record(c.DeleteVersion("digits", 1))
    assert desk.state(of) == "open"
    desk.proposals.tend()
    assert desk.state(of) == "lapsed"


def test_a_list_is_filtered_and_holds_what_is_in_sight(desk: Desk) -> None:
    of = desk.ask()
    desk.record(register("words"))
    other, _ = desk.proposals.propose(c.SetStage("words", 1, "production"), ADA)

    def ids(sight: Sight | None = None, **wanted: str) -> list[str]:
        return [each["id"] for each in desk.views.all(Wanted(**wanted), ADA, sight)]

    assert ids() == [other, of]
    assert ids(model="digits") == [of]
    assert ids(state="applied") == []
    assert ids(environment="production") == [other, of]
    assert ids(environment="staging") == []
    assert ids(waiting_for="rita") == [other, of]
    assert ids(waiting_for="ada") == []
    desk.proposals.decide(of, "approve", RITA)
    assert ids(waiting_for="rita") == [other]
    blind = Sight(frozenset({"words"}))
    assert ids(blind) == [other]
    with pytest.raises(NotFound, match=f"Proposal not found: {of}"):
        desk.views.one(of, ADA, blind)


def test_other_rules_that_stand_against_it_are_shown_before_anybody_approves(desk: Desk) -> None:
    of = desk.ask()
    assert desk.views.one(of, RITA, None)["objections"] == []
    desk.record(c.SetAccount("bob", create=True), c.SetRoles("registry", None, "bob", ("admin",)))
    desk.record(c.SetRoles("registry", None, "ada", ()))
    (objection,) = desk.views.one(of, RITA, None)["objections"]
    assert "digits" in objection["message"]
