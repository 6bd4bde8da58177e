"""What needs a person: worst first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from muster.domain.messages import Entry
from muster.domain.records import Environment
from muster.http.pages.labels import called
from muster.http.pages.page import Page
from muster.http.pages.times import When
from muster.service.board import BoardFilter
from muster.service.proposal_views import Wanted
from muster.service.standings import Look, Place

SHOWN: Final = 6
_SORTS: Final = {
    "banned": "is banned",
    "built-on-banned": "was built on what is banned",
    "retracted-data": "was trained on data that is retracted",
}


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that somebody should look at, and the one link that leads there."""

    shape: str
    what: str
    why: str
    when: When | None
    verb: str
    href: str
    happened: bool = False  # at that time; else it has been so since then
    rest: str = ""


@dataclass(frozen=True, slots=True)
class Attention:
    """The first few needs, and how many there are beside them."""

    needs: list[Need]
    more: int


def attention(page: Page, look: Look, environments: Sequence[Environment]) -> Attention:
    """What needs somebody now; `environments` are all, by falling rank."""
    flagged = [*_flagged(page), *_waiting(page)]
    owed = [*_overdue(page), *_lacking(page)]
    counted = len(flagged) + len(owed)
    everything = sum(len(places) for places in look.troubled.values()) + len(look.failed) + counted
    found = [*flagged, *islice(_needs(page, look), SHOWN), *owed][:SHOWN]
    found += islice(_unowned(page, look, environments), SHOWN - len(found))
    return Attention(found, max(0, everything - SHOWN))


def _waiting(page: Page) -> Iterator[Need]:
    """What others asked for and waits for who looks; and what was done without being asked for."""
    views, actor = page.services.proposal_views, page.visitor.actor
    sight = page.services.gate.sight(actor)
    for each in views.all(Wanted(state="open", waiting_for=actor.name), actor, sight):
        why, since = f"{each['id']}, asked for by {each['requester']}", page.when(each["created_at"])
        where = page.to("proposals", each["id"])
        yield Need("waiting", f"{each['subject']} waits for you", why, since, "Decide", where)
    for each in views.reviews("open", sight):
        why, since = f"by {each['actor']}, and is to be reviewed", page.when(each["by"]["time"])
        what = f"{each['subject']} was done without approval"
        yield Need("waiting", what, why, since, "Review", page.to("reviews", each["id"]))


def _flagged(page: Page) -> Iterator[Need]:
    """What is deployed though it is banned, was made of what is, or of data that was retracted."""
    for version, (flag, *more) in page.services.registry.flags.deployed():
        label = version.label or str(version.number)
        what = f"{version.model} {label} {_SORTS[flag.sort]}"
        why = f"it runs in {', '.join(version.deployed_in)}"
        if flag.of != version.reference:
            why += f"; it is {flag.of}" + "".join(f", through {each}" for each in flag.through)
        if flag.by.entry.reason:
            why += f": {flag.by.entry.reason}"
        rest = f" and {len(more)} more" if more else ""
        shape = "failed" if flag.sort == "banned" else "drifted"
        where = page.to("m", version.model, label)
        yield Need(shape, what, why, page.when(flag.by.entry.time), "Open", where, rest=rest)


def _overdue(page: Page) -> Iterator[Need]:
    """What is deployed and should have been reviewed again by now."""
    for owed, why in page.services.duties.overdue(datetime.now(UTC).date()):
        what = f"{owed.model} {owed.label} is overdue for review"
        told = f"it is deployed in {owed.environment}, and {why}"
        where = page.to("edit", owed.model, owed.label)
        yield Need("drifted", what, told, page.when(owed.by.entry.time), "Say the next", where)


def _lacking(page: Page) -> Iterator[Need]:
    """What is deployed and lacks something that is required."""
    for owed in page.services.duties.lacking():
        more = f" and {len(owed.lacks) - 1} more" if len(owed.lacks) > 1 else ""
        what = f"{owed.model} {owed.label} lacks what is required"
        why = f"it is deployed in {owed.environment}: {owed.lacks[0]}{more}"
        where = page.to("m", owed.model, owed.label)
        yield Need("drifted", what, why, page.when(owed.by.entry.time), "Open", where)


def _unowned(page: Page, look: Look, environments: Sequence[Environment]) -> Iterator[Need]:
    """Models without an owner of which something is deployed, the nearest to customers first."""
    index = page.services.registry.index
    if not page.services.rosters.roster().owners.get(None):
        return
    names = index.board_names(BoardFilter(owner=""))
    told = set[str]()
    for environment in environments:
        for name in names:
            if (environment.name, name) not in look.standings or name in told:
                continue
            told.add(name)
            placed = index.board_rows([name])[0].placed.get(environment.name)
            since = page.when(placed.by.entry.time) if placed else None
            why = f"something of it is deployed in {environment.name}"
            yield Need("drifted", f"{name} has no owner", why, since, "Name one", page.to("edit", name))


def _needs(page: Page, look: Look) -> Iterator[Need]:
    for place, attempt in sorted(look.failed.items(), key=lambda item: -item[1].position):
        yield _attempt(page, place, attempt.entry, attempt.commit, place in look.standings)
    for word in ("failed", "stopped", "drifted", "undeclared", "unknown"):
        for place in look.troubled.get(word, ()):
            yield _troubled(page, place, look)


def _attempt(page: Page, place: Place, entry: Entry, commit: str, serves: bool) -> Need:
    environment, model = place
    rest = "; what was there before serves on" if serves else "; nothing else is affected"
    return Need(
        "failed",
        f"{model} {called(page.services.registry.index, model, entry.number)} did not start",
        f"in {environment}",
        page.when(entry.time),
        "See why",
        page.to("history", commit),
        happened=True,
        rest=rest,
    )


def _troubled(page: Page, place: Place, look: Look) -> Need:
    environment, model = place
    status = look.standings[place]
    shape, what = {
        "failed": ("failed", f"{model} does not run"),
        "stopped": ("failed", f"{model} does not run"),
        "drifted": ("drifted", f"{model} drifted"),
        "undeclared": ("drifted", f"{model} runs undeclared"),
    }.get(status.standing, ("unknown", f"{model} is not known to run"))
    since = page.when(status.since) if status.since else None
    return Need(shape, what, f"in {environment}: {status.sentence}", since, "Open", page.to("m", model))
