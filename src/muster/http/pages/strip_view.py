"""How much changed when: a strip of bars, with the moment that is shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from muster.http.pages.page import Page

_BARS: Final = 45
_TALL: Final = 48  # pixels of the highest bar
_FOOT: Final = 56
_DAY: Final = timedelta(days=1)
_FEWEST: Final = 3  # days
_MARGIN: Final = 12  # per cent at either end, where words would stick out if they were centred


@dataclass(frozen=True, slots=True)
class Bar:
    """A span of time, in per cent across and pixels down; `later` than the moment shown."""

    x: str
    y: int
    width: str
    height: int
    later: bool


@dataclass(frozen=True, slots=True)
class Strip:
    """The bars; `needle` is where the moment shown is, in per cent, and `words` what stands below it."""

    title: str
    bars: list[Bar]
    begin: str
    middle: str
    needle: str
    words: str
    anchor: str


def strip(page: Page) -> Strip | None:
    """The changes of about the last six weeks, or of all time if the moment shown is before those.

    None while there are too few days to show.
    """
    index = page.services.registry.index
    first = next(iter(index.changes_after(0, 1)), None)
    if first is None:
        return None
    now = datetime.now(UTC)
    begin = max(_midnight(first.entry.time), _midnight(now) - (_BARS - 1) * _DAY)
    if page.at is not None and page.now < begin:
        begin = _midnight(first.entry.time)
    days = (_midnight(now) - begin).days + 1
    if days < _FEWEST:
        return None
    step = -(-days // _BARS)
    count = -(-days // step)
    edges = [begin + at * step * _DAY for at in range(count + 1)]
    # Positions have no gaps, so that what lies between two of them is their difference.
    places = [found.position if (found := index.at(edge)) else 0 for edge in edges]
    counts = [after - before for before, after in pairwise(places)]
    most = max(counts) or 1
    share = 100 / count
    length = edges[-1] - begin
    at = 100 * ((page.now - begin) / length) if page.at else 100.0
    tall = [max(2, round(_TALL * each / most)) if each else 0 for each in counts]
    bars = [
        Bar(
            x=f"{number * share + share * 0.1:.2f}%",
            y=_FOOT - height,
            width=f"{share * 0.8:.2f}%",
            height=height,
            later=page.at is not None and edges[number] > page.now,
        )
        for number, height in enumerate(tall)
        if height
    ]
    span = "day" if step == 1 else f"{step} days"
    title = f"Changes per {span} from {_said(begin)} to today; the most in one of them is {most:,}"
    if page.at is not None:
        title += f"; the moment shown is {_said(page.now)}"
    return Strip(
        title=title,
        bars=bars,
        begin=_said(begin),
        middle=_said(begin + length / 2),
        needle=f"{at:.2f}%",
        words=f"{_said(page.now)}, {page.now:%H:%M}" if page.at else "now",
        anchor="start" if at < _MARGIN else "end" if at > 100 - _MARGIN else "middle",
    )


def _midnight(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _said(time: datetime) -> str:
    return f"{time.day} {time:%b}"
