"""Plans for proposals: made, decided, taken back, lapsed."""

from __future__ import annotations

from dataclasses import replace

from muster.domain import changes as c
from muster.domain.bindings import bound, changed
from muster.domain.change_codec import bare, change_to_dict
from muster.domain.errors import Conflict, MusterError
from muster.domain.four_eyes import asked_of, behind
from muster.domain.plan import plan
from muster.domain.proposals import (
    OPEN,
    Decision,
    Open,
    Proposal,
    edits_of,
    proposal_of,
    proposal_path,
    proposal_to_bytes,
)
from muster.domain.protected import Demand, demanded, demanding, demands_of
from muster.domain.snapshot import Plan, Snapshot


@plan.register
def _(change: c.Propose, before: Snapshot) -> Plan:
    wanted = bare(change.wanted)
    planned = plan(change.wanted, before)
    if planned.nothing:
        raise Conflict("it is so already: there is nothing to approve")
    demands = demanded(wanted, planned, before)
    if not demands:
        raise Conflict("nothing that is demanded stands in its way: do it, without a proposal")
    register = Open.read(before)
    if (there := register.same(wanted)) is not None:
        raise Conflict(f"the proposal {there} is open for the same")
    new, then = register.opened(wanted)
    proposal = Proposal(
        id=new,
        subject=planned.subject,
        wanted=change_to_dict(wanted),
        requester=change.requester.name,
        auth=change.requester.auth,
        behind=behind(change.requester.name, before),
        reason=change.reason,
        bound=bound(wanted, planned, demands, before),
    )
    return Plan(
        f"Propose {new}: {planned.subject}",
        planned.model,
        planned.number if _is_there(planned, before) else None,
        planned.environment or demands[0].environment,
        edits={proposal_path(new): proposal_to_bytes(proposal), OPEN: then.to_bytes()},
        body=change.reason,
    )


def _is_there(planned: Plan, before: Snapshot) -> bool:
    """Whether the version that is planned for is there, and not to be registered yet."""
    if planned.model is None or planned.number is None:
        return False
    return before.version(planned.model, planned.number) is not None


def open_proposal(before: Snapshot, proposal: str) -> Proposal:
    """The proposal, which must be open. Raises NotFound and Conflict."""
    found = proposal_of(before, proposal)
    if found.state != "open":
        raise Conflict(f"{found.id} is {found.state} already")
    return found


def _plan(verb: str, old: Proposal, new: Proposal, before: Snapshot, body: str) -> Plan:
    log = before.document_log(proposal_path(old.id))
    first = log[0]
    return Plan(
        f"{verb} {old.id}: {old.subject}",
        first.model,
        first.number,
        first.environment,
        edits=dict(edits_of(before, new)),
        body=body,
    )


def asked(proposal: Proposal, before: Snapshot) -> tuple[Demand, ...]:
    """The approvals that it needs; of what cannot be done any more, those of its environment."""
    try:
        return demanded(proposal.change, plan(proposal.change, before), before)
    except MusterError:
        first = before.document_log(proposal_path(proposal.id))[0]
        there = demanding(before).get(first.environment or "")
        return () if there is None else demands_of(there)


@plan.register
def _(change: c.Decide, before: Snapshot) -> Plan:
    proposal = open_proposal(before, change.proposal)
    if change.verdict == "reject":
        teams = asked_of(change.by, asked(proposal, before), before)
        said = Decision(change.by, "reject", change.comment, teams)
        rejected = replace(proposal, decisions=(*proposal.decisions, said), state="rejected")
        return _plan("Reject", proposal, rejected, before, change.comment)
    planned = plan(proposal.change, before)
    demands = demanded(proposal.change, planned, before)
    now = bound(proposal.change, planned, demands, before)
    other = changed(proposal.bound, now)
    earlier = tuple(
        replace(each, lapsed=tuple(dict.fromkeys((*each.lapsed, *other)))) for each in proposal.decisions
    )
    decision = Decision(change.by, "approve", change.comment, asked_of(change.by, demands, before))
    approved = replace(proposal, bound=now, decisions=(*earlier, decision))
    return _plan("Approve", proposal, approved, before, change.comment)


@plan.register
def _(change: c.Withdraw, before: Snapshot) -> Plan:
    proposal = open_proposal(before, change.proposal)
    return _plan("Withdraw", proposal, replace(proposal, state="withdrawn"), before, change.comment)


@plan.register
def _(change: c.Lapse, before: Snapshot) -> Plan:
    proposal = open_proposal(before, change.proposal)
    return _plan("Lapse", proposal, replace(proposal, state="lapsed"), before, change.why)
