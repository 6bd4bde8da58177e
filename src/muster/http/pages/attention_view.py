"""What needs a person: worst first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from muster.domain.messages import Entry
from muster.http.pages.labels import called
from muster.http.pages.page import Page
from muster.http.pages.times import When
from muster.service.standings import Look, Place

SHOWN: Final = 6


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


def attention(page: Page, look: Look, unowned: int) -> Attention:
    """What needs somebody now; `unowned` models have no owner."""
    everything = sum(len(places) for places in look.troubled.values()) + len(look.failed)
    found = list(islice(_needs(page, look), SHOWN))
    left = SHOWN - len(found)
    without = page.services.registry.index.unowned(left) if unowned and left else []
    for model, environment, by in without:
        why = f"something of it is deployed in {environment}"
        since = page.when(by.entry.time)
        href = page.to("edit", model)
        found.append(Need("drifted", f"{model} has no owner", why, since, "Name one", href))
    return Attention(found, max(0, everything - SHOWN))


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
