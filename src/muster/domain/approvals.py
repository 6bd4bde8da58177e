"""The judge of approvals: what needs them happens with them, and only what others have approved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from muster.domain import access
from muster.domain import changes as c
from muster.domain.access import Right
from muster.domain.acts import Act
from muster.domain.errors import ApprovalNeeded, MusterError, Objection
from muster.domain.four_eyes import LASTS, asked_of, objections, standing
from muster.domain.judging import Case, Verdict
from muster.domain.plan import plan
from muster.domain.proposals import Open, Proposal, digest_of, edits_of, proposal_of, proposal_path
from muster.domain.proposing import asked, open_proposal
from muster.domain.protected import Demand, demanded
from muster.domain.snapshot import Snapshot

RULE: Final = "approvals"


def judge(case: Case, before: Snapshot) -> Verdict:
    """Say whether the change has the approvals that it needs, or whether it may be one."""
    match case.change:
        case c.Propose(_, requester):
            return Verdict(tuple(_in_the_name_of(requester.name, case.actor)))
        case c.Decide():
            return Verdict(tuple(_deciding(case, case.change, before)))
        case c.Withdraw():
            return Verdict(tuple(_withdrawing(case, case.change, before)))
        case c.Lapse():
            return Verdict(tuple(_lapsing(case, case.change, before)))
    if case.actor.internal:
        return Verdict()
    if case.change.carries_out is not None:
        return _carrying_out(case, case.change.carries_out, before)
    done = case.acts(before)
    demands = demanded(case.change, case.planned, before, done)
    if not demands:
        return Verdict(tuple(_returning(case, done)))
    if case.change.break_glass:  # `break_glass.judge` says whether that may be
        return Verdict()
    needed = needed_for(case.planned.subject, demands, Open.read(before).same(case.change))
    return Verdict(needed.objections, alone=needed)


def needed_for(subject: str, demands: tuple[Demand, ...], there: str | None) -> ApprovalNeeded:
    """The refusal that says what is missing, and which proposal is open for it."""
    by_place = [
        (name, [each for each in demands if each.environment == name])
        for name in dict.fromkeys(each.environment for each in demands)
    ]
    told = "; ".join(f"{name} demands {_listed(found)}" for name, found in by_place)
    helps = f"{there} is open for it" if there else "it can be proposed: others approve, then it happens"
    wanted = [{"environment": each.environment, "from": each.team, "count": each.count} for each in demands]
    return ApprovalNeeded(Objection(RULE, f"{subject}: {told}", helps), wanted, there)


def _listed(demands: list[Demand]) -> str:
    return " and ".join(map(str, demands))


# ------------------------------------------------------------ carrying out


def _carrying_out(case: Case, of: str, before: Snapshot) -> Verdict:
    proposal = proposal_of(before, of)
    against = list(_unlike(case, proposal))
    if not against:
        now = standing(proposal, before, case.time)
        if case.time >= now.ends:
            against.append(Objection("lapsed", f"{of} is older than {LASTS.days} days", "propose it anew"))
        if now.missing:
            still = " and ".join(f"{each} in {each.environment}" for each in now.missing)
            why = "; ".join(each.message for each in now.against.values())
            said = f"{of} is not approved: it lacks {still}" + (f" ({why})" if why else "")
            against.append(Objection(RULE, said, f"members of {_teams(now.missing)} can approve it"))
    if against:
        return Verdict(tuple(against))
    applied = replace(proposal, state="applied")
    return Verdict(kept=edits_of(before, applied), proposal=of)


def _unlike(case: Case, proposal: Proposal) -> Iterator[Objection]:
    """Why this is not what was approved."""
    if proposal.state != "open":
        yield Objection(RULE, f"{proposal.id} is {proposal.state} already", "propose it anew")
    if digest_of(case.change) != digest_of(proposal.change):
        yield Objection(RULE, f"this is not what {proposal.id} proposes", "propose it, too")
    if case.actor.name != proposal.requester:
        yield Objection(RULE, f"{proposal.id} is of {proposal.requester}, not of {case.actor.name}")


def _returning(case: Case, done: tuple[Act, ...]) -> Iterator[Objection]:
    """A way back that needs no approval needs a reason, where approvals are demanded."""
    if case.reason.strip():
        return
    for act in done:
        if act.way == "back" and act.environment.rules.approvals and not act.environment.rules.reason:
            yield Objection("reason", f"{act.said} takes a reason", "say why")


# ------------------------------------------------------------ deciding


def _in_the_name_of(name: str, actor: c.Actor) -> Iterator[Objection]:
    if name != actor.name:
        yield Objection("actor", f"{actor.name} cannot act in the name of {name}")


def _deciding(case: Case, change: c.Decide, before: Snapshot) -> Iterator[Objection]:
    yield from _in_the_name_of(change.by, case.actor)
    proposal = open_proposal(before, change.proposal)
    demands = asked(proposal, before)
    if change.verdict == "reject":
        if not asked_of(change.by, demands, before) and not _manages(case.actor, demands, before):
            yield Objection(
                "team",
                f"{change.by} is not of {_teams(demands)}, whose members approve and reject this",
                "who asked for it can withdraw it",
            )
        return
    yield from objections(proposal, change.by, demands, before)
    now = standing(proposal, before, case.time)
    if case.time >= now.ends:
        yield Objection("lapsed", f"{proposal.id} is older than {LASTS.days} days", "propose it anew")
    if change.by in now.counted:
        yield Objection("once", f"{change.by} has approved it already", "somebody else has to")


def _withdrawing(case: Case, change: c.Withdraw, before: Snapshot) -> Iterator[Objection]:
    yield from _in_the_name_of(change.by, case.actor)
    proposal = open_proposal(before, change.proposal)
    environments = _environments(proposal, before)
    if change.by != proposal.requester and not _may_manage(case.actor, environments, before):
        yield Objection(
            "requester", f"{proposal.id} is of {proposal.requester}", f"{proposal.requester} can withdraw it"
        )


def _lapsing(case: Case, change: c.Lapse, before: Snapshot) -> Iterator[Objection]:
    if not case.actor.internal:
        yield Objection(RULE, "proposals lapse by themselves", "who asked for it can withdraw it")
        return
    log = before.document_log(proposal_path(change.proposal))
    if case.time - log[0].time < LASTS and _possible(open_proposal(before, change.proposal), before):
        yield Objection(RULE, f"{change.proposal} is not {LASTS.days} days old")


def _possible(proposal: Proposal, before: Snapshot) -> bool:
    """Whether what it is to do can still be done, and is not so already."""
    try:
        return not plan(proposal.change, before).nothing
    except MusterError:
        return False


def _environments(proposal: Proposal, before: Snapshot) -> list[str]:
    """The environment that the proposal is about, as its first commit says."""
    first = before.document_log(proposal_path(proposal.id))[0]
    return [first.environment] if first.environment else []


def _manages(actor: c.Actor, demands: tuple[Demand, ...], before: Snapshot) -> bool:
    return _may_manage(actor, [each.environment for each in demands], before)


def _may_manage(actor: c.Actor, environments: list[str], before: Snapshot) -> bool:
    return bool(environments) and all(
        access.right_in(before, actor, each) >= Right.MANAGE for each in environments
    )


def _teams(demands: tuple[Demand, ...]) -> str:
    return " or ".join(sorted({each.team for each in demands}))
