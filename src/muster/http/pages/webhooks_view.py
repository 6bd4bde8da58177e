"""Webhooks, and what became of each message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from muster.domain.errors import Denied
from muster.http.pages.page import Page
from muster.http.pages.times import When
from muster.service.hooks import STATES, Attempt, Delivery, Hook
from muster.service.telling import Standing

ROWS: Final = 50
# A state's shape and word, as those of what runs.
_LOOKS: Final = {
    "pending": ("waiting", "waiting"),
    "delivered": ("ready", "delivered"),
    "failed": ("failed", "failed"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A webhook in the list; `told` is of what, in words."""

    standing: Standing
    href: str
    told: str


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt, and when it was."""

    attempt: Attempt
    when: When


@dataclass(frozen=True, slots=True)
class Told:
    """A delivery with its attempts, and when the next is."""

    delivery: Delivery
    shape: str
    word: str
    href: str
    tries: Sequence[Try]
    due: When | None


@dataclass(frozen=True, slots=True)
class One:
    """A webhook and what it was told, newest first, of one state or of all."""

    row: Row
    created: When
    failing: When | None
    deliveries: Sequence[Told]
    count: int
    states: Sequence[tuple[str, str, bool]]
    older: str


def barred(page: Page) -> Denied | None:
    """Why the visitor may have nobody told; None if they may."""
    try:
        page.services.gate.check_may_tell(page.visitor.actor)
    except Denied as denied:
        return denied
    return None


def listed(page: Page) -> list[Row]:
    """All webhooks by name. Raises Denied for who may not have others told."""
    page.services.gate.check_may_tell(page.visitor.actor)
    return [_row(page, each) for each in page.services.telling.standings()]


def one(page: Page, name: str) -> One:
    """A webhook. Raises NotFound, and Denied as `listed`."""
    page.services.gate.check_may_tell(page.visitor.actor)
    telling = page.services.telling
    hook = telling.hook(name)
    state = next((each for each in STATES if each == page.query.get("state")), None)
    before = page.query.get("before", "")
    below = int(before) if before.isdecimal() and before.isascii() and len(before) < 19 else None
    found = telling.outbox.deliveries(hook.id, state, before=below, limit=ROWS + 1)
    words = [("", "all"), *((each, _LOOKS[each][1]) for each in STATES)]
    return One(
        row=_row(page, telling.standing(hook)),
        created=page.when(hook.created),
        failing=page.when(hook.failing_since) if hook.failing_since else None,
        deliveries=[_told(page, each) for each in found[:ROWS]],
        count=telling.outbox.count_deliveries(hook.id, state),
        states=[
            (word, page.here(state=each or None, before=None), (state or "") == each) for each, word in words
        ],
        older=page.here(before=found[ROWS - 1].sequence) if len(found) > ROWS else "",
    )


def _row(page: Page, standing: Standing) -> Row:
    return Row(standing, page.to("webhooks", standing.hook.name), _words(standing.hook))


def _words(hook: Hook) -> str:
    wanted = hook.wanted
    kinds = ", ".join(wanted.kinds) or "everything"
    models = f" of {', '.join(wanted.models)}" if wanted.models else ""
    return f"{kinds}{models}" + (f" in {', '.join(wanted.environments)}" if wanted.environments else "")


def _told(page: Page, each: Delivery) -> Told:
    shape, word = _LOOKS[each.state]
    return Told(
        each,
        shape,
        word,
        page.to("history", each.commit),
        [Try(attempt, page.when(attempt.at)) for attempt in each.attempts],
        page.when(each.due) if each.due else None,
    )
