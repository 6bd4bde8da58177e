"""The board: models down, environments across; now, or as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from muster.domain.errors import NotFound
from muster.domain.records import Environment
from muster.http.pages.health import DECLARED, NONE, Health, did_not_start, health, health_then, rungs
from muster.http.pages.labels import called
from muster.http.pages.page import Mark, Page
from muster.service.board import ORDERS, BoardFilter, BoardRow, Order, PastRow
from muster.service.roster import Roster
from muster.service.standings import Look, Place
from muster.service.values import ChangeFilter, Logged

ROWS: Final = 40
COLUMNS: Final = 4
_SEEN: Final = 20  # observations of one model that are looked at for a past moment
TROUBLES: Final = {
    "failed": ("failed", "stopped"),
    "drifted": ("drifted", "undeclared"),
    "unknown": ("unknown",),
}
NOBODY: Final = "-"  # in the address: models without an owner


@dataclass(frozen=True, slots=True)
class Cell:
    """What of a model is declared in an environment; `label` None: nothing."""

    environment: str
    rungs: int
    label: str | None = None
    href: str = ""
    health: Health = NONE
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A model on the board."""

    model: str
    href: str
    owner: str | None
    cells: list[Cell]
    newest: str | None
    newest_href: str


@dataclass(frozen=True, slots=True)
class Asked:
    """The filters, as the address has them."""

    text: str
    owner: str
    order: Order
    health: str
    page: int


def asked(page: Page) -> Asked:
    """What the address asks for; what makes no sense asks for nothing."""
    query = page.query
    number = query.get("page", "")
    order = query.get("order", "")
    return Asked(
        text=query.get("q", "").strip(),
        owner=query.get("owner", ""),
        order=order if order in ORDERS else "name",
        health=query.get("health", "") if query.get("health") in TROUBLES else "",
        page=int(number) if number.isascii() and number.isdecimal() and 0 < len(number) < 7 else 1,
    )


def troubled(look: Look, word: str) -> set[str]:
    """The models with that trouble anywhere."""
    found = {place[1] for standing in TROUBLES[word] for place in look.troubled.get(standing, ())}
    return found | {place[1] for place in look.failed} if word == "failed" else found


def names(
    page: Page, wanted: Asked, look: Look, roster: Roster, environments: list[Environment]
) -> Sequence[str]:
    """The models that match, in the order asked for."""
    index = page.services.registry.index
    if page.at is not None:
        return index.names_then(page.at.position, wanted.text or None)
    narrowed = BoardFilter(
        text=wanted.text or None,
        owner="" if wanted.owner == NOBODY else wanted.owner or None,
        order=wanted.order,
        environment=environments[0].name if environments else "",
    )
    found = (
        roster.names
        if not (wanted.text or wanted.owner or wanted.order != "name")
        else index.board_names(narrowed)
    )
    if wanted.text and not found:
        found = _named_by(page, wanted.text)
    if wanted.health:
        some = troubled(look, wanted.health)
        found = [name for name in found if name in some]
    return found


def _named_by(page: Page, text: str) -> list[str]:
    """The model of the version that goes by `text`: a model id, or a reference such as `name@alias`."""
    try:
        return [page.services.registry.locate(text).model]
    except NotFound:
        return []


def rows(page: Page, shown: Sequence[str], look: Look, environments: list[Environment]) -> list[Row]:
    """The rows of the models `shown`."""
    if page.at is not None:
        past = page.services.registry.index.rows_then(page.at.position, shown)
        return [_row_then(page, page.at, row, environments) for row in past]
    found = page.services.registry.index.board_rows(shown)
    return [_row(page, row, look, environments) for row in found]


def _row(page: Page, row: BoardRow, look: Look, environments: list[Environment]) -> Row:
    cells = [_cell(page, row, environment, look) for environment in environments]
    return _named(page, row.model, row.owner, cells, row.newest)


def _cell(page: Page, row: BoardRow, environment: Environment, look: Look) -> Cell:
    place: Place = (environment.name, row.model)
    there, failed = row.placed.get(environment.name), look.failed.get(place)
    if there is not None:
        label, by = there.label or str(there.number), there.by
        shown = health(look.standings.get(place))
    elif failed is not None:
        label, by = called(page.services.registry.index, row.model, failed.entry.number), failed
        shown = did_not_start(failed.entry.subject)
    else:
        return Cell(environment.name, rungs(environment), health=health(look.standings.get(place)))
    href = page.to("m", row.model, label)
    return Cell(environment.name, rungs(environment), label, href, shown, page.mark(by))


def _row_then(page: Page, at: Logged, row: PastRow, environments: list[Environment]) -> Row:
    """As `_row`, at the past moment `at`."""
    owner = row.owner
    if row.touched:
        try:
            owner = page.services.past.model(at, row.model).owner
        except NotFound:  # deleted then, and made again since
            owner = None
    wanted = ChangeFilter(model=row.model, kinds=("observe",))
    seen: dict[str, Logged] = {}
    for logged in page.services.registry.index.changes(wanted, before=at.position + 1, limit=_SEEN):
        seen.setdefault(logged.entry.environment or "", logged)
    cells = []
    for environment in environments:
        there = row.placed.get(environment.name)
        if there is None:
            cells.append(Cell(environment.name, rungs(environment)))
            continue
        label = there.label or str(there.number)
        last = seen.get(environment.name)
        shown = DECLARED
        if last is not None:
            shown = health_then(last.entry.observed, last.entry.number, there.number)
        href, mark = page.to("m", row.model, label), page.mark(there.by)
        cells.append(Cell(environment.name, rungs(environment), label, href, shown, mark))
    return _named(page, row.model, owner, cells, row.newest)


def _named(
    page: Page, model: str, owner: str | None, cells: list[Cell], newest: tuple[int, str | None] | None
) -> Row:
    label = None if newest is None else newest[1] or str(newest[0])
    href = "" if label is None else page.to("m", model, label)
    return Row(model, page.to("m", model), owner, cells, label, href)
