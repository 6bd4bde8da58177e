"""Whose approval counts: somebody else's, who has nothing to do with it and was asked.

requester          not who asked for it
author             not who registered the version, nor who changed it
service-account    not who owns or can use the service account that asked, or that made the version
person             a person, and an account that is not disabled
team               a member of a team that is asked, when they approve and when it counts
once               each person once, also where they are of several teams
lapsed             within 14 days, and for what is there now: see `bindings`
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from muster.domain import access
from muster.domain.bindings import WORDS, bound, changed, version_of
from muster.domain.errors import Objection
from muster.domain.messages import Entry
from muster.domain.plan import plan
from muster.domain.proposals import Decision, Proposal, proposal_path
from muster.domain.protected import Demand, demanded
from muster.domain.records import Fields
from muster.domain.snapshot import Snapshot

LASTS: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a proposal has come: what is asked for, whose approvals count, and why others do not.

    `missing` is how many approvals are still needed, by demand. `bound` is what an
    approval given now is for, `changed` what of it is not as it was at the last decision.
    """

    demands: tuple[Demand, ...]
    counted: tuple[str, ...]
    against: Mapping[str, Objection]
    missing: tuple[Demand, ...]
    bound: Fields
    changed: tuple[str, ...]
    since: datetime

    @property
    def enough(self) -> bool:
        """Whether everybody who has to has approved."""
        return not self.missing

    @property
    def ends(self) -> datetime:
        """When it lapses."""
        return self.since + LASTS


def standing(proposal: Proposal, before: Snapshot, time: datetime) -> Standing:
    """How an open proposal stands at `time`.

    Raises:
        NotFound, Conflict, Invalid: what it is to do cannot be done any more; as `plan`.
    """
    planned = plan(proposal.change, before)
    demands = demanded(proposal.change, planned, before)
    now = bound(proposal.change, planned, demands, before)
    moved = changed(proposal.bound, now)
    log = before.document_log(proposal_path(proposal.id))
    given = _times(log)
    against: dict[str, Objection] = {}
    counted: dict[str, tuple[str, ...]] = {}
    for decision, when in zip(proposal.decisions, given, strict=True):
        if decision.verdict != "approve":
            continue
        found = next(_against(proposal, decision, demands, before, moved, when, time), None)
        if found is not None:
            against[decision.actor] = found
        else:
            against.pop(decision.actor, None)
            counted[decision.actor] = decision.teams
    return Standing(
        demands, tuple(counted), against, _missing(demands, counted, before), now, moved, log[0].time
    )


def objections(
    proposal: Proposal, actor: str, demands: Sequence[Demand], before: Snapshot
) -> Iterator[Objection]:
    """Every rule by which an approval of `actor` would not count."""
    yield from _four_eyes(proposal, actor, before)
    yield from _account(actor, before)
    asked = sorted({each.team for each in demands})
    if asked and not set(asked) & set(access.teams_of(before, actor)):
        yield Objection(
            "team",
            f"{actor} is not of {_either(asked)}, and only members of that approve this",
            f"a member of {_either(asked)} can approve it",
        )


def asked_of(actor: str, demands: Sequence[Demand], before: Snapshot) -> tuple[str, ...]:
    """The teams that are asked and that `actor` is of."""
    return tuple(sorted({each.team for each in demands} & set(access.teams_of(before, actor))))


def behind(actor: str, before: Snapshot) -> tuple[str, ...]:
    """Who owns a service account or can use it; nobody is behind a person."""
    account = access.account(before, actor)
    if account is None or account.kind != "service":
        return ()
    return tuple(sorted({*account.users, *((account.owner,) if account.owner else ())}))


def _four_eyes(proposal: Proposal, actor: str, before: Snapshot) -> Iterator[Objection]:
    other = "somebody else has to"
    if actor == proposal.requester:
        yield Objection("requester", f"{actor} asked for it, and nobody approves what they ask for", other)
    if actor in {*proposal.behind, *behind(proposal.requester, before)}:
        yield Objection(
            "service-account",
            f"{actor} owns or can use {proposal.requester}, which asked for it",
            f"{other} who cannot use that account",
        )
    subject = version_of(proposal.change, before)
    for author in before.authors(*subject) if subject is not None else ():
        if actor == author:
            what = f"{subject[0]}/{subject[1]}" if subject else "it"
            yield Objection(
                "author", f"{actor} registered or changed {what}, and nobody approves their own work", other
            )
        elif actor in behind(author, before):
            yield Objection(
                "service-account",
                f"{actor} owns or can use {author}, which registered or changed the version",
                f"{other} who cannot use that account",
            )


def _account(actor: str, before: Snapshot) -> Iterator[Objection]:
    account = access.account(before, actor)
    if account is not None and account.disabled:
        yield Objection("person", f"the account {actor} is disabled", "an admin can enable it")
    elif account is None or account.kind != "person":
        said = "is a service account" if account else "has no account"
        yield Objection("person", f"{actor} {said}, and only persons approve", "a person has to")


def _against(
    proposal: Proposal,
    decision: Decision,
    demands: Sequence[Demand],
    before: Snapshot,
    moved: Sequence[str],
    when: datetime,
    time: datetime,
) -> Iterator[Objection]:
    """Why an approval that was given does not count (any more)."""
    if other := (*decision.lapsed, *moved):
        what = ", ".join(WORDS[each] for each in dict.fromkeys(other))
        yield Objection("lapsed", f"since {decision.actor} approved there changed: {what}", "approve it anew")
    if time - when >= LASTS:
        days = LASTS.days
        yield Objection("lapsed", f"{decision.actor} approved more than {days} days ago", "approve it anew")
    yield from objections(proposal, decision.actor, demands, before)
    if not set(decision.teams) & set(asked_of(decision.actor, demands, before)):
        yield Objection("team", f"{decision.actor} approved, and was not of a team that is asked then")


def _missing(
    demands: Sequence[Demand], counted: Mapping[str, Sequence[str]], before: Snapshot
) -> tuple[Demand, ...]:
    """What is not approved yet: each person stands for one approval of each environment."""
    missing: list[Demand] = []
    for environment in dict.fromkeys(each.environment for each in demands):
        asked = [each for each in demands if each.environment == environment]
        seats = [each for each in asked for _ in range(each.count)]
        held: dict[int, str] = {}  # seat → person

        def seated(
            person: str, tried: set[int], seats: list[Demand] = seats, held: dict[int, str] = held
        ) -> bool:
            teams = set(counted[person]) & set(access.teams_of(before, person))
            for at, seat in enumerate(seats):
                if seat.team not in teams or at in tried:
                    continue
                tried.add(at)
                if at not in held or seated(held[at], tried):
                    held[at] = person
                    return True
            return False

        for person in counted:
            seated(person, set())
        for demand in asked:
            free = sum(1 for at, seat in enumerate(seats) if seat is demand and at not in held)
            if free:
                missing.append(Demand(environment, demand.team, free))
    return tuple(missing)


def _times(log: Sequence[Entry]) -> list[datetime]:
    """When each decision was made."""
    return [each.time for each in log if each.kind == "decide"]


def _either(words: Sequence[str]) -> str:
    return " or ".join(words)
