"""Two moments side by side: what ran then and then, and what came between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from muster.domain.errors import Invalid, MusterError, NotFound
from muster.domain.records import Environment
from muster.http.pages import moments
from muster.http.pages.health import rungs
from muster.http.pages.labels import called
from muster.http.pages.links import address
from muster.http.pages.page import Mark, Page
from muster.http.pages.reading import environments
from muster.http.pages.times import When
from muster.service.spans import Moved
from muster.service.values import Logged

ROWS: Final = 50
_FEW: Final = 20


@dataclass(frozen=True, slots=True)
class Edge:
    """One of the two moments: the newest change then, and the address of the whole site as it was."""

    text: str
    when: When
    at: Logged
    href: str


@dataclass(frozen=True, slots=True)
class Row:
    """A model of which something else ran; None: nothing did. `mark` is what made it so."""

    model: str
    href: str
    then: tuple[str, str] | None
    now: tuple[str, str] | None
    so: str
    mark: Mark | None


@dataclass(frozen=True, slots=True)
class Place:
    """An environment to choose, how many models differ there, and whether it is the one shown."""

    name: str
    rungs: int
    count: int
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class New:
    """A version that was registered in between."""

    model: str
    label: str
    href: str
    gone: bool
    mark: Mark


@dataclass(frozen=True, slots=True)
class Compared:
    """The earlier moment and the later one, and everything between them."""

    low: Edge
    high: Edge
    changes: int
    changes_href: str
    places: list[Place]
    environment: str
    rows: list[Row]
    more: str
    count: int
    same: int
    registered: list[New]
    registered_count: int
    arrived: list[str]
    departed: list[str]


@dataclass(frozen=True, slots=True)
class Asked:
    """Both moments as they were typed, and what is wrong with either."""

    low: str
    high: str
    refused: MusterError | None = None
    compared: Compared | None = None


def compare(page: Page) -> Asked:
    """The comparison that the address asks for; without moments, what a form is to begin with."""
    low, high = page.query.get("from", "").strip(), page.query.get("to", "").strip()
    if not low and not high:
        start = page.now.replace(hour=0, minute=0, second=0)
        return Asked(moments.picked(start), moments.picked(page.now))
    try:
        edges = [_edge(page, text, field) for text, field in ((low, "from"), (high, "to"))]
    except (Invalid, NotFound) as refused:
        return Asked(low, high, refused)
    # Whoever asks for them the other way round means the same.
    edges.sort(key=lambda edge: (edge.at.position, edge.when.iso))
    return Asked(low, high, compared=_compared(page, *edges))


def _edge(page: Page, text: str, field: str) -> Edge:
    """The moment that was typed; of a past page, at most the moment that it shows."""
    if moments.is_commit(text):
        at = page.services.past.at(text)
        time = at.entry.time
    else:
        time = moments.moment(text, field)
        at = page.services.past.at(moments.written(time))
    if page.at is not None and at.position > page.at.position:
        at, time = page.at, page.now
    written = text if moments.is_commit(text) else moments.written(time)
    return Edge(text, page.when(time), at, address(query={"at": written}))


def _compared(page: Page, low: Edge, high: Edge) -> Compared:
    index = page.services.registry.index
    begin, end = low.at.position, high.at.position
    there = environments(page)
    moved = {each.name: index.moved(begin, end, each.name) for each in there}
    asked = page.query.get("environment", "")
    shown = asked if asked in moved else _first(there, moved)
    every = moved.get(shown, [])
    skip = _number(page.query.get("skip", ""))
    stayed = sum(1 for each in every if each.after is not None)
    running = index.count_placed_at(end, shown) if shown else 0
    between = {"since": _after(low), "until": moments.written(high.at.entry.time)}
    return Compared(
        low=low,
        high=high,
        changes=end - begin,
        changes_href=page.to("history", **between) if end > begin else "",
        places=[
            Place(
                each.name,
                rungs(each),
                len(moved[each.name]),
                page.here(environment=each.name, skip=None),
                each.name == shown,
            )
            for each in there
        ],
        environment=shown,
        rows=[_row(page, shown, each, end) for each in every[skip : skip + ROWS]],
        more=page.here(skip=skip + ROWS) if skip + ROWS < len(every) else "",
        count=len(every),
        same=running - stayed,
        registered=[
            New(
                each.model,
                each.label or str(each.number),
                page.to("m", each.model, each.label or str(each.number)),
                not each.live,
                page.mark(each.by),
            )
            for each in index.registered(begin, end, _FEW)
        ],
        registered_count=index.count_registered(begin, end),
        arrived=index.arrived(begin, end, _FEW + 1),
        departed=index.departed(begin, end, _FEW + 1),
    )


def _first(there: list[Environment], moved: dict[str, list[Moved]]) -> str:
    """The environment nearest to customers; if nothing differs there, the next where something does."""
    differs = next((each.name for each in there if moved[each.name]), "")
    return differs or (there[0].name if there else "")


def _after(low: Edge) -> str:
    """A time just after the earlier moment's last change: to the microsecond, as changes are stamped."""
    return moments.written(low.at.entry.time + moments.INSTANT)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _row(page: Page, environment: str, moved: Moved, end: int) -> Row:
    index = page.services.registry.index
    by = index.placed_by(end, environment, moved.model)
    then, now = (_version(page, moved.model, number) for number in (moved.before, moved.after))
    return Row(
        moved.model,
        page.to("m", moved.model),
        then,
        now,
        _so(moved, by, environment, then, now),
        page.mark(by) if by else None,
    )


def _version(page: Page, model: str, number: int | None) -> tuple[str, str] | None:
    if number is None:
        return None
    label = called(page.services.registry.index, model, number)
    return label, page.to("m", model, label)


def _so(
    moved: Moved,
    by: Logged | None,
    environment: str,
    then: tuple[str, str] | None,
    now: tuple[str, str] | None,
) -> str:
    """What the difference means, in a sentence."""
    if now is None:
        return f"no longer in {environment}"
    if then is None:
        return f"new in {environment}"
    if by is not None and by.entry.kind == "rollback":
        return f"rolled back to {now[0]}"
    newer = (moved.after or 0) > (moved.before or 0)
    return "a newer version" if newer else "an older version"
