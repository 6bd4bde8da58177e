"""Times as people read them: how long ago, with the exact one beside it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400


@dataclass(frozen=True, slots=True)
class When:
    """A time: for machines, exactly, and as an age (`41 min`; a date beyond a year) from the moment shown."""

    iso: str
    exact: str
    age: str
    clock: str
    day: str
    is_age: bool = True

    @property
    def short(self) -> str:
        """The day and the clock time, as few words as will do: `14 Nov, 09:30`."""
        day, month, _ = self.day.split(" ")
        return f"{day} {month[:3]}, {self.clock}"

    @property
    def ago(self) -> str:
        """The age as part of a sentence."""
        if self.age == "now":
            return "just now"
        return f"{self.age} ago" if self.is_age else self.age


def when(time: datetime, now: datetime) -> When:
    """`time` as seen at `now`."""
    time = time.astimezone(UTC)
    seconds = max(0.0, (now - time).total_seconds())
    return When(
        iso=time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        exact=f"{time:%Y-%m-%d %H:%M:%S} UTC",
        age=_age(seconds, time),
        clock=f"{time:%H:%M}",
        day=f"{time.day} {time:%B %Y}",
        is_age=seconds < _YEAR,
    )


def _age(seconds: float, time: datetime) -> str:
    if seconds < 1:
        return "now"
    if seconds < _MINUTE:
        return f"{seconds // 1:.0f} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE:.0f} min"
    if seconds < _DAY:
        return f"{seconds // _HOUR:.0f} h"
    if seconds < _YEAR:
        return f"{seconds // _DAY:.0f} d"
    return f"{time.day} {time:%b %Y}"
