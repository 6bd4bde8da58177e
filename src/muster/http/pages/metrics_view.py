"""A version's metrics beside another's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from muster.domain.metrics import better


@dataclass(frozen=True, slots=True)
class Compared:
    """A metric of both; `change` and `it_is` are empty where one has none. `bar` is a shape for the picture.

    `left` and `width` place the bar, in per cent of a picture whose middle is no change.
    """

    name: str
    ours: float | None
    theirs: float | None
    change: str = ""
    it_is: str = ""
    bar: str = ""
    left: str = "50%"
    width: str = "0%"


def compared(ours: Mapping[str, float], theirs: Mapping[str, float]) -> list[Compared]:
    """Every metric of either, by name. The longest bar is the largest change in proportion."""
    both = [name for name in ours if name in theirs]
    shares = {name: _share(ours[name], theirs[name]) for name in both}
    most = max((abs(share) for share in shares.values()), default=0.0) or 1.0
    return [
        _compared(name, ours[name], theirs[name], shares[name] / most)
        if name in shares
        else Compared(name, ours.get(name), theirs.get(name))
        for name in sorted(ours.keys() | theirs.keys())
    ]


def _share(ours: float, theirs: float) -> float:
    return (ours - theirs) / (abs(theirs) or abs(ours) or 1.0)


def _compared(name: str, ours: float, theirs: float, share: float) -> Compared:
    # With the digits that were given: 0.977 − 0.968 is 0.009 and not 0.00900000000000001.
    difference = Decimal(repr(ours)) - Decimal(repr(theirs))
    sign = "+" if difference > 0 else "\N{MINUS SIGN}" if difference < 0 else ""
    it_is, bar = _verdict(name, share)
    width = abs(share) * 50
    left = 50.0 if share > 0 else 50 - width
    return Compared(
        name, ours, theirs, f"{sign}{abs(difference):f}", it_is, bar, f"{left:.0f}%", f"{width:.0f}%"
    )


def _verdict(name: str, share: float) -> tuple[str, str]:
    """In a word, and as the stylesheet colours it; a metric that nobody knows is only higher or lower."""
    if share == 0:
        return "same", ""
    direction = "higher" if share > 0 else "lower"
    known = better(name)
    if known is None:
        return direction, ""
    return ("better", "up") if direction == known else ("worse", "down")
