"""What the overview shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from muster.domain.records import Environment
from muster.http.pages import board_view as board
from muster.http.pages.attention_view import Attention, attention
from muster.http.pages.changes_view import TOLD, Knot, knots, latest
from muster.http.pages.health import rungs
from muster.http.pages.page import Page
from muster.http.pages.reading import environments as environments_of
from muster.http.pages.times import When
from muster.service.roster import Roster
from muster.service.standings import Look
from muster.service.values import ChangeFilter

LATEST: Final = 12
_OWNERS: Final = 200  # in the list to choose from


@dataclass(frozen=True, slots=True)
class Chip:
    """A link that filters the board."""

    word: str
    count: int
    shape: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """`first` to `last` of the `matching` models are shown, of `models` in all."""

    models: int
    running: int
    top: str
    troubles: list[tuple[str, int]]
    last_change: When | None
    attention: Attention | None
    asked: board.Asked
    owners: list[tuple[str, str]]
    chips: list[Chip]
    columns: list[tuple[str, int]]
    other_columns: int
    rows: list[board.Row]
    first: int
    last: int
    matching: int
    previous: str
    next: str
    latest: list[Knot]


def overview(page: Page) -> Overview:
    """All of it, now or as it was."""
    index = page.services.registry.index
    environments = environments_of(page)
    look = Look() if page.at else page.services.standings.look()
    roster = Roster() if page.at else page.services.rosters.roster()
    unowned = roster.owners.get(None, 0)
    asked = board.asked(page)
    names = board.names(page, asked, look, roster, environments)
    models = len(names if page.at else roster.names)
    start = min((asked.page - 1) * board.ROWS, max(0, (len(names) - 1) // board.ROWS * board.ROWS))
    shown = names[start : start + board.ROWS]
    newest = page.at or index.newest()
    at = start // board.ROWS + 1
    return Overview(
        models=models,
        running=look.running.get(environments[0].name, 0) if environments else 0,
        top=environments[0].name if environments else "",
        troubles=[] if page.at else _troubles(look),
        last_change=page.when(newest.entry.time) if newest else None,
        attention=None if page.at else attention(page, look, environments),
        asked=asked,
        owners=_owners(roster),
        chips=[] if page.at else _chips(page, look, asked, models, unowned),
        columns=[(each.name, rungs(each)) for each in environments[: board.COLUMNS]],
        other_columns=max(0, len(environments) - board.COLUMNS),
        rows=board.rows(page, shown, look, _shown(environments)),
        first=start + 1 if shown else 0,
        last=start + len(shown),
        matching=len(names),
        previous=page.here(page=at - 1 if at > 2 else None) if at > 1 else "",
        next=page.here(page=at + 1) if start + len(shown) < len(names) else "",
        latest=knots(page, latest(page, ChangeFilter(kinds=TOLD), LATEST)),
    )


def _shown(environments: list[Environment]) -> list[Environment]:
    return environments[: board.COLUMNS]


def _troubles(look: Look) -> list[tuple[str, int]]:
    """Shape and number of models of each trouble that there is."""
    counted = [(word, len(board.troubled(look, word))) for word in board.TROUBLES]
    return [(word, count) for word, count in counted if count]


def _owners(roster: Roster) -> list[tuple[str, str]]:
    """Values and words of the list to choose an owner from."""
    named = [(owner, owner) for owner in roster.owners if owner][:_OWNERS]
    return [("", "Everyone"), *named, (board.NOBODY, "No owner")]


def _chips(page: Page, look: Look, asked: board.Asked, models: int, unowned: int) -> list[Chip]:
    def chip(
        word: str, count: int, shape: str, *, health: str | None = None, owner: str | None = None
    ) -> Chip:
        current = (asked.health, asked.owner) == (health or "", owner or "") and not asked.text
        return Chip(word, count, shape, page.here(health=health, owner=owner, q=None, page=None), current)

    troubles = dict(_troubles(look))
    found = [chip("All", models, "")]
    found += [
        chip(word.capitalize(), troubles.get(word, 0), word, health=word)
        for word in board.TROUBLES
        if troubles.get(word) or asked.health == word
    ]
    return [*found, chip("No owner", unowned, "", owner=board.NOBODY)] if unowned else found
