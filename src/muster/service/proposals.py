"""Changes that wait for approval: asked for, decided, carried out at once when enough have approved.

A change that is refused for want of approvals becomes a proposal (`instead`), the same one
if it is asked for again. An approval that is the last one needed begins what was
approved, as its requester, and everything is judged again when it takes effect. What was
approved and could not be done then is begun again by asking for it again, and at the next
start of a server.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from muster.domain import changes as c
from muster.domain.approvals import needed_for
from muster.domain.errors import ApprovalNeeded, Conflict, MusterError
from muster.domain.four_eyes import LASTS, standing
from muster.domain.plan import plan
from muster.domain.proposals import Open, Proposal, proposal_of, proposal_path
from muster.domain.proposing import asked
from muster.service.deployer import Deployer, Placing
from muster.service.observing import MUSTER
from muster.service.operations import Operation
from muster.service.ports import Clock
from muster.service.registry import Registry
from muster.service.submissions import Recorded, Request

log = logging.getLogger(__name__)

Carried = Operation | Recorded


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of a decision: `carried` is what it set going, `refused` why it could not."""

    recorded: Recorded
    carried: Carried | None = None
    refused: MusterError | None = None


class Proposals:
    """What waits, and what becomes of it. Every method may block."""

    def __init__(self, registry: Registry, deployer: Deployer, clock: Clock) -> None:
        self._registry = registry
        self._deployer = deployer
        self._clock = clock

    # ------------------------------------------------------------ asking

    def propose(
        self, wanted: c.Change, actor: c.Actor, reason: str = "", request: Request | None = None
    ) -> tuple[str, Recorded]:
        """Have others asked: the new proposal's id.

        Raises:
            Conflict: nobody has to approve it, it is so already, or a proposal is open for the same.
            Denied, NotFound, Invalid: as the change itself would be refused.
        """
        self._lapse_same(wanted)
        change = c.Propose(wanted, actor, reason)
        recorded = self._registry.submit(change, actor, "", request).result()
        return proposed(recorded), recorded

    def instead(
        self, wanted: c.Change, actor: c.Actor, reason: str = "", request: Request | None = None
    ) -> Carried:
        """What is to happen to what needs approval: it is carried out if it was approved meanwhile.

        Raises:
            ApprovalNeeded: it waits; the proposal is named, which was made if there was none.
        """
        self._lapse_same(wanted)
        of = self._same(wanted)
        if of is None:
            try:
                of, _ = self.propose(wanted, actor, reason, request)
            except Conflict:
                if (of := self._same(wanted)) is None:  # somebody else was not faster
                    raise
        elif self._enough(of):
            return self.carry_out(of)
        raise self.as_refusal(of) from None

    def as_refusal(self, of: str) -> ApprovalNeeded:
        """The refusal that names the proposal, and what it needs now."""
        with self._registry.whole.snapshot() as now:
            proposal = proposal_of(now, of)
            return needed_for(proposal.subject, asked(proposal, now), of)

    # ------------------------------------------------------------ deciding

    def decide(
        self,
        of: str,
        verdict: c.Verdict,
        actor: c.Actor,
        comment: str = "",
        request: Request | None = None,
    ) -> Decided:
        """Approve or reject, and carry out what has approvals enough then.

        Raises:
            Denied: it would not count; each rule says why.
            Conflict: it is not open any more.
        """
        change = c.Decide(of, verdict, actor.name, comment)
        recorded = self._registry.submit(change, actor, "", request).result()
        if verdict == "reject" or recorded.repeated or not self._enough(of):
            return Decided(recorded)
        try:
            return Decided(recorded, self.carry_out(of))
        except MusterError as refused:
            return Decided(recorded, refused=refused)

    def withdraw(
        self, of: str, actor: c.Actor, comment: str = "", request: Request | None = None
    ) -> Recorded:
        """Take it back. Raises Denied and Conflict."""
        return self._registry.submit(c.Withdraw(of, actor.name, comment), actor, "", request).result()

    def review(
        self, review: str, actor: c.Actor, comment: str = "", request: Request | None = None
    ) -> Recorded:
        """Say what one found of what was done with the break-glass role. Raises Denied and Conflict."""
        change = c.ReviewBreakGlass(review, actor.name, comment)
        return self._registry.submit(change, actor, "", request).result()

    # ------------------------------------------------------------ carrying out

    def carry_out(self, of: str) -> Carried:
        """Do what was approved, as who asked for it: a deployment is begun, all else is recorded.

        Raises as the change itself does when it takes effect.
        """
        with self._registry.whole.snapshot() as now:
            proposal = proposal_of(now, of)
        change = replace(proposal.change, carries_out=of)
        if isinstance(change, Placing):
            return self._deployer.begin(change, proposal.actor, proposal.reason)
        return self._registry.submit(change, proposal.actor, proposal.reason).result()

    def tend(self) -> None:
        """Carry out what was approved and not done; have lapse what waited too long, or is about nothing."""
        for proposal in self._open():
            with suppress(Conflict):  # it was closed meanwhile
                if (why := self._over(proposal)) is not None:
                    self._registry.submit(c.Lapse(proposal.id, why), MUSTER).result()
                    continue
            if self._enough(proposal.id):
                try:
                    self.carry_out(proposal.id)
                except MusterError as refused:
                    told = {"proposal": proposal.id, "error": refused.message}
                    log.warning("what was approved could not be done", extra=told)

    def _open(self) -> Iterator[Proposal]:
        with self._registry.whole.snapshot() as now:
            found = [proposal_of(now, each) for each in Open.read(now).changes]
        yield from found

    def _over(self, proposal: Proposal) -> str | None:
        """Why it lapses; None if it does not."""
        with self._registry.whole.snapshot() as now:
            made = now.document_log(proposal_path(proposal.id))[0].time
            if self._clock() - made >= LASTS:
                return f"nobody carried it out within {LASTS.days} days"
            try:
                return "it is so already" if plan(proposal.change, now).nothing else None
            except MusterError as gone:
                return gone.message

    def _enough(self, of: str) -> bool:
        with self._registry.whole.snapshot() as now:
            proposal = proposal_of(now, of)
            try:
                return proposal.state == "open" and standing(proposal, now, self._clock()).enough
            except MusterError:
                return False

    def _same(self, wanted: c.Change) -> str | None:
        with self._registry.whole.snapshot() as now:
            return Open.read(now).same(wanted)

    def _lapse_same(self, wanted: c.Change) -> None:
        """Have the proposal of the same lapse if it waited too long, so that there may be a new one."""
        of = self._same(wanted)
        if of is None:
            return
        with self._registry.whole.snapshot() as now:
            proposal = proposal_of(now, of)
        if (why := self._over(proposal)) is not None:
            with suppress(Conflict):
                self._registry.submit(c.Lapse(of, why), MUSTER).result()


def proposed(recorded: Recorded) -> str:
    """The id of the proposal that was recorded."""
    entry = recorded.logged.entry if recorded.logged else None
    paths = [each for each in (entry.records if entry else ()) if each.startswith("proposals/P-")]
    return paths[0].removeprefix("proposals/").removesuffix(".json")
