"""What is done without the approvals that it needs, by whoever has that role, and what others say of it.

    reviews/<id>.json
    {"id": "B-00003", "actor": "ada", "subject": "Deploy digits v2 to production", "reason": "outage",
     "model": "digits", "environment": "production", "state": "open",
     "reviews": [{"actor": "bob", "comment": "it was right"}]}

Its commit is marked for ever, and it stays an open item until two others have reviewed it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

from muster.domain import access, codec
from muster.domain import changes as c
from muster.domain.acts import acts
from muster.domain.errors import Conflict, Invalid, NotFound, Objection
from muster.domain.four_eyes import behind
from muster.domain.judging import Case, Verdict
from muster.domain.plan import plan
from muster.domain.protected import demanded
from muster.domain.records import Json
from muster.domain.snapshot import Plan, Snapshot

MARK: Final = "break-glass"
FOLDER: Final = "reviews"
REVIEWERS: Final = 2
STATES: Final = ("open", "reviewed")
_ID: Final = re.compile(r"[Bb]-0*([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class Said:
    """What one reviewer says of it."""

    actor: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    """A use of the role, and what others have said of it."""

    id: str
    actor: str
    subject: str
    reason: str
    model: str | None = None
    environment: str | None = None
    state: Literal["open", "reviewed"] = "open"
    reviews: tuple[Said, ...] = ()


def review_id(value: object, field: str = "review") -> str:
    """The id of a review, as it is kept; `B-3` will do for `B-00003`."""
    found = _ID.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise Invalid.one(field, value, "must be a review's id, as in B-3")
    return f"B-{int(found[1]):05}"


def review_path(review: str) -> str:
    """The record in the repository."""
    return f"{FOLDER}/{review}.json"


def review_to_dict(review: Review) -> dict[str, Json]:
    """The record, as plain values."""
    record: dict[str, Json] = {
        "id": review.id,
        "actor": review.actor,
        "subject": review.subject,
        "reason": review.reason,
        "model": review.model,
        "environment": review.environment,
        "state": review.state,
        "reviews": [{"actor": each.actor, "comment": each.comment} for each in review.reviews],
    }
    return {key: value for key, value in record.items() if value is not None}


def review_from_bytes(data: bytes) -> Review:
    """The reverse of `review_to_dict`, encoded."""
    record = json.loads(data)
    reviews = tuple(Said(each["actor"], each["comment"]) for each in record["reviews"])
    return Review(
        record["id"],
        record["actor"],
        record["subject"],
        record["reason"],
        record.get("model"),
        record.get("environment"),
        record["state"],
        reviews,
    )


def review_of(before: Snapshot, review: str) -> Review:
    """The review of that id. Raises NotFound."""
    data = before.document(review_path(review))
    if data is None:
        raise NotFound("review", review)
    return review_from_bytes(data)


def places_of(change: c.Change, planned: Plan, before: Snapshot) -> tuple[str, ...]:
    """The environments in which the role must be held for it."""
    named = (planned.environment,) if planned.environment is not None else ()
    done = (each.environment.name for each in acts(change, planned, before))
    asked = (each.environment for each in demanded(change, planned, before))
    return tuple(dict.fromkeys((*named, *done, *asked)))


def may_break(before: Snapshot, actor: c.Actor, environments: Iterable[str]) -> bool:
    """Whether the actor has the role on the registry, or in every one of the environments.

    A token that is limited to anything is no good for it.
    """
    if actor.limits is not None:
        return False
    if access.BREAK_GLASS in access.roles_at(before, actor.name, [access.REGISTRY]):
        return True
    places = [access.environment_access_path(each) for each in environments]
    return bool(places) and all(
        access.BREAK_GLASS in access.roles_at(before, actor.name, [at]) for at in places
    )


def judge(case: Case, before: Snapshot) -> Verdict:
    """Let pass, marked, what is done with the role and a reason; refuse it to everybody else."""
    if isinstance(case.change, c.ReviewBreakGlass):
        return Verdict(tuple(_unfit(case.change, case.actor, before)))
    if not case.change.break_glass:
        return Verdict()
    environments = places_of(case.change, case.planned, before)
    objections: list[Objection] = []
    if not may_break(before, case.actor, environments):
        where = f" in {', '.join(environments)}" if environments else ""
        objections.append(
            Objection(
                MARK,
                f"{case.actor.name} has not the role break-glass{where}",
                "an admin can give that role; or ask for approval",
            )
        )
    if not case.reason.strip():
        objections.append(Objection(MARK, "breaking the glass takes a reason", "say why"))
    if objections:
        return Verdict(tuple(objections))
    new = f"B-{len(before.documents(FOLDER)) + 1:05}"
    review = Review(
        new,
        case.actor.name,
        case.planned.subject,
        case.reason,
        case.planned.model,
        environments[0] if environments else None,
    )
    return Verdict(kept={review_path(new): codec.encode(review_to_dict(review))}, mark=MARK)


def _unfit(change: c.ReviewBreakGlass, actor: c.Actor, before: Snapshot) -> Iterable[Objection]:
    """Why this actor's review would not be one of somebody else."""
    review = review_of(before, change.review)
    if change.by != actor.name:
        yield Objection("actor", f"{actor.name} cannot review in the name of {change.by}")
    if change.by == review.actor or change.by in behind(review.actor, before):
        yield Objection(
            "requester", f"{change.by} did it, and others have to review it", "somebody else has to"
        )
    account = access.account(before, change.by)
    if account is None or account.kind != "person" or account.disabled:
        yield Objection("person", f"{change.by} has no account of a person", "a person has to review it")


@plan.register
def _(change: c.ReviewBreakGlass, before: Snapshot) -> Plan:
    review = review_of(before, change.review)
    if review.state != "open":
        raise Conflict(f"{review.id} is reviewed already")
    if any(each.actor == change.by for each in review.reviews):
        raise Conflict(f"{change.by} has reviewed {review.id} already; somebody else has to, too")
    said = (*review.reviews, Said(change.by, change.comment))
    new = replace(review, reviews=said, state="reviewed" if len(said) >= REVIEWERS else "open")
    return Plan(
        f"Review {review.id}: {review.subject}",
        review.model,
        environment=review.environment,
        edits={review_path(review.id): codec.encode(review_to_dict(new))},
        body=change.comment,
    )
