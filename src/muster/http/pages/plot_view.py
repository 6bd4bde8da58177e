"""A metric over versions, as a picture: positions in per cent across, in pixels down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MOST: Final = 30  # versions in a plot
_TOP, _BOTTOM = 30.0, 150.0  # of the values, in pixels
_LEFT, _RIGHT = 11.0, 95.0  # of the points, in per cent
_LINES: Final = 4
_ROOM: Final = 12  # labels under the points


@dataclass(frozen=True, slots=True)
class Measured:
    """A version's value; `place` is where it runs, if anywhere, and `shape` how that is."""

    label: str
    value: float
    place: str = ""
    shape: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """`x` in per cent, `y` in pixels; `place_y` is where the word for its place stands."""

    x: str
    y: str
    label: str
    place: str
    place_y: str
    shape: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A line between two points."""

    x1: str
    y1: str
    x2: str
    y2: str


@dataclass(frozen=True, slots=True)
class Plot:
    """The whole picture; `title` says the finding."""

    title: str
    grid: list[tuple[str, str, str]]  # y of a line, y of its text, the text
    segments: list[Segment]
    points: list[Point]


def plot(metric: str, measured: Sequence[Measured]) -> Plot | None:
    """The metric over the versions, oldest first; None if there are not two to compare."""
    if len(measured) < 2:
        return None
    ticks = _ticks(min(m.value for m in measured), max(m.value for m in measured))
    low, high = ticks[0], ticks[-1]

    def y(value: float) -> float:
        return _BOTTOM - (value - low) / (high - low) * (_BOTTOM - _TOP)

    step = (_RIGHT - _LEFT) / (len(measured) - 1)
    xs = [f"{_LEFT + at * step:.1f}%" for at in range(len(measured))]
    ys = [y(each.value) for each in measured]
    every = math.ceil(len(measured) / _ROOM)
    last = len(measured) - 1
    points = [
        Point(
            x=xs[at],
            y=f"{ys[at]:.0f}",
            # The newest is always named; what stands too near before it is not.
            label=each.label if (last - at) % every == 0 else "",
            place=each.place,
            place_y=f"{ys[at] - 12 if ys[at] > (_TOP + _BOTTOM) / 2 or at % 2 else ys[at] + 22:.0f}",
            shape=each.shape,
        )
        for at, each in enumerate(measured)
    ]
    segments = [
        Segment(xs[at], f"{ys[at]:.0f}", xs[at + 1], f"{ys[at + 1]:.0f}") for at in range(len(measured) - 1)
    ]
    digits = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))
    grid = [(f"{y(tick):.0f}", f"{y(tick) - 4:.0f}", f"{tick:.{digits}f}") for tick in ticks]
    return Plot(_title(metric, measured), grid, segments, points)


def _title(metric: str, measured: Sequence[Measured]) -> str:
    told = {0, len(measured) - 1} | {at for at, each in enumerate(measured) if each.place}
    said = [
        f"{measured[at].value:g} at {measured[at].label}"
        + (f" in {measured[at].place}" if measured[at].place else "")
        for at in sorted(told)
    ]
    return f"{metric} over versions: {', '.join(said)}"


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from below `low` to above `high`, some four of them."""
    spread = (high - low) or abs(high) or 1.0
    rough = spread / (_LINES - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    start = math.floor(low / step + 1e-9)
    stop = math.ceil(high / step - 1e-9)
    return [at * step for at in range(start, max(stop, start + 1) + 1)]
