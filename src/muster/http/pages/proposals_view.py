"""What the pages of proposals show: what waits, for whom, and what was done without waiting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from muster.domain.changes import Change, ReviewBreakGlass
from muster.domain.errors import MusterError, Objection
from muster.http.pages.forms import objections_of
from muster.http.pages.health import Health
from muster.http.pages.page import Mark, Page
from muster.http.pages.times import When
from muster.service.proposal_views import Wanted

CLOSED: Final = 20  # of those that wait no more, at first
_STATES: Final = {
    "open": Health("waiting", "waits"),
    "applied": Health("ready", "applied"),
    "rejected": Health("failed", "rejected"),
    "withdrawn": Health("none", "withdrawn"),
    "lapsed": Health("none", "lapsed"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A proposal in a list; `needs` says which approvals it lacks."""

    id: str
    subject: str
    href: str
    state: Health
    requester: str
    when: When
    lapses: str
    reason: str
    needs: str


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """What was done with the break-glass role, and who has reviewed it."""

    id: str
    subject: str
    href: str
    state: Health
    actor: str
    reason: str
    when: When
    needs: str


@dataclass(frozen=True, slots=True)
class Proposals:
    """`mine` wait for who looks, `others` for somebody else; `more` of the closed ones are not shown."""

    mine: list[Row]
    others: list[Row]
    reviews: list[ReviewRow]
    closed: list[Row]
    reviewed: list[ReviewRow]
    more: str


@dataclass(frozen=True, slots=True)
class Said:
    """What a reviewer found."""

    actor: str
    comment: str


@dataclass(frozen=True, slots=True)
class ReviewView:
    """All of one review. `against` is why who looks may not review it."""

    row: ReviewRow
    said: list[Said]
    by: Mark | None
    still: int
    against: Sequence[Objection]
    model: str
    environment: str


def proposals(page: Page) -> Proposals:
    """What is open, what waits for who looks, and the newest of the rest."""
    views, actor = page.services.proposal_views, page.visitor.actor
    sight = page.services.gate.sight(actor)
    found = views.all(Wanted(state="open"), actor, sight)
    waits = {each["id"] for each in views.all(Wanted(state="open", waiting_for=actor.name), actor, sight)}
    rest = [each for each in views.all(Wanted(), actor, sight) if each["state"] != "open"]
    every = page.query.get("closed") == "all"
    reviews = views.reviews(None, sight)
    return Proposals(
        mine=[row(page, each) for each in found if each["id"] in waits],
        others=[row(page, each) for each in found if each["id"] not in waits],
        reviews=[review_row(page, each) for each in reviews if each["state"] == "open"],
        closed=[row(page, each) for each in (rest if every else rest[:CLOSED])],
        reviewed=[review_row(page, each) for each in reviews if each["state"] != "open"][:CLOSED],
        more="" if every or len(rest) <= CLOSED else page.here(closed="all"),
    )


def row(page: Page, record: Mapping[str, Any]) -> Row:
    """A proposal in short."""
    return Row(
        id=record["id"],
        subject=record["subject"],
        href=page.to("proposals", record["id"]),
        state=_STATES[record["state"]],
        requester=record["requester"],
        when=page.when(record["created_at"]),
        lapses=in_words(page, record["lapses_at"]),
        reason=record["reason"],
        needs=needs(record["missing"]),
    )


def needs(missing: Sequence[Mapping[str, Any]]) -> str:
    """Which approvals are missing: `2 of risk for production`."""
    return " and ".join(f"{each['count']} of {each['from']} for {each['environment']}" for each in missing)


def in_words(page: Page, time: str) -> str:
    """How long it is until `time`."""
    left = (datetime.fromisoformat(time) - page.now).total_seconds()
    if left <= 0:
        return "now"
    days = int(left // 86_400)
    if days:
        return f"in {days} {'day' if days == 1 else 'days'}"
    return f"in {int(left // 3600)} h" if left >= 3600 else f"in {int(left // 60) + 1} min"


def against(page: Page, change: Change, reason: str = "") -> tuple[Objection, ...]:
    """Every rule by which who looks may not make the change now, in its own words."""
    try:
        found = page.services.registry.preview(change, page.visitor.actor, reason).objections
    except MusterError as refused:
        found = (refused,)
    return tuple(each for error in found for each in objections_of(error))


# ------------------------------------------------------------ reviews


def review_row(page: Page, record: Mapping[str, Any]) -> ReviewRow:
    """A review in short."""
    said = len(record["reviews"])
    still = max(0, 2 - said)
    is_open = record["state"] == "open"
    return ReviewRow(
        id=record["id"],
        subject=record["subject"],
        href=page.to("reviews", record["id"]),
        state=Health("waiting", "to be reviewed") if is_open else Health("ready", "reviewed"),
        actor=record["actor"],
        reason=record["reason"],
        when=page.when(record["by"]["time"]),
        needs=f"{still} more {'review' if still == 1 else 'reviews'}" if is_open else "",
    )


def review_view(page: Page, of: str) -> ReviewView:
    """A use of the break-glass role, and what was said of it. Raises NotFound."""
    actor = page.visitor.actor
    record = page.services.proposal_views.review(of, page.services.gate.sight(actor))
    logged = page.services.registry.index.change(record["by"]["commit"])
    is_open = record["state"] == "open"
    return ReviewView(
        row=review_row(page, record),
        said=[Said(each["actor"], each["comment"]) for each in record["reviews"]],
        by=page.mark(logged) if logged else None,
        still=max(0, 2 - len(record["reviews"])),
        against=against(page, ReviewBreakGlass(of, actor.name)) if is_open else (),
        model=record.get("model", ""),
        environment=record.get("environment", ""),
    )
