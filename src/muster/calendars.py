"""Freeze windows: recurrence as RFC 5545 has it, reckoned by dateutil in the time zones of zoneinfo.

A window begins at the wall clock's time of its zone, summer and winter; a time that a
change of the clock leaves out is that much later, and of one that comes twice it is the
first. Days and weeks of a duration are days of the calendar, hours are hours; the
length from `dtstart` to `dtend` is the same for every occurrence.

Taken from RFC 5545, section 3.3.10: what a day can be told by. Not taken: times within
the day (FREQ=HOURLY, BYHOUR and the like) and weeks by number, so that no rule costs
more than a walk over its days.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rrulestr

from muster.domain.errors import Invalid, Problem, shown
from muster.domain.rules import Freeze

FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2200
LONGEST: Final = timedelta(days=366)
_EVERY: Final = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_NUMBERS: Final = {"INTERVAL": (1, 400), "COUNT": (1, 10_000)}
_LISTS: Final = {
    "BYMONTH": (1, 12),
    "BYMONTHDAY": (-31, 31),
    "BYYEARDAY": (-366, 366),
    "BYSETPOS": (-366, 366),
}
# Which days a rule can name, by how often it comes (the table of section 3.3.10).
_NOT_WITH: Final = {
    "DAILY": ("BYMONTHDAY", "BYYEARDAY", "BYSETPOS"),
    "WEEKLY": ("BYMONTHDAY", "BYYEARDAY"),
    "MONTHLY": ("BYYEARDAY",),
    "YEARLY": (),
}
_DAY: Final = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_UNTIL: Final = re.compile(r"\d{8}T\d{6}Z")
_DURATION: Final = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")


class FreezeCalendar:
    """The `Calendar` that dateutil and zoneinfo make."""

    def check(self, freeze: Freeze, field: str) -> None:
        if problems := [Problem(f"{field}.{at}", shown(value), rule) for at, value, rule in _wrong(freeze)]:
            raise Invalid(problems)

    def frozen_until(self, freeze: Freeze, time: datetime) -> datetime | None:
        self.check(freeze, f"freeze {freeze.name!r}")
        now = time.astimezone(UTC)
        ends = [
            end for start, end in _around(freeze, now) if start.astimezone(UTC) <= now < end.astimezone(UTC)
        ]
        return max(ends, key=lambda end: end.astimezone(UTC), default=None)


def _around(freeze: Freeze, now: datetime) -> list[tuple[datetime, datetime]]:
    """The occurrences that begin early enough to hold `now`, by beginning and end."""
    start, zone = _start(freeze), _zone(freeze)
    starts = [start]
    if freeze.rule:
        # A day more than the first is long: a day of the wall clock may have more than 24 hours.
        length = _instant(_end(freeze, start, zone)) - _instant(start) + timedelta(days=1)
        starts = _occurrences(freeze).between(now - length, now, inc=True)
    return [(each, _end(freeze, each, zone)) for each in starts]


@lru_cache(maxsize=256)
def _occurrences(freeze: Freeze) -> rrule:
    return rrulestr(freeze.rule, dtstart=_start(freeze), cache=True)


def _zone(freeze: Freeze) -> ZoneInfo:
    return ZoneInfo(freeze.timezone)


def _start(freeze: Freeze) -> datetime:
    return datetime.fromisoformat(freeze.start).replace(tzinfo=_zone(freeze))


def _end(freeze: Freeze, start: datetime, zone: ZoneInfo) -> datetime:
    """The end of the occurrence that begins at `start`."""
    if freeze.end:
        length = _instant(datetime.fromisoformat(freeze.end).replace(tzinfo=zone)) - _instant(_start(freeze))
        return (_instant(start) + length).astimezone(zone)
    weeks, days, hours, minutes, seconds = _parts(freeze.duration)
    later = start + timedelta(weeks=weeks, days=days)  # of the calendar: the wall clock's
    exact = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return (_instant(later) + exact).astimezone(zone)


def _instant(local: datetime) -> datetime:
    return local.astimezone(UTC)


def _parts(duration: str) -> list[int]:
    found = _DURATION.fullmatch(duration)
    return [int(each or 0) for each in found.groups()] if found else [0] * 5


# ------------------------------------------------------------ checking


@lru_cache(maxsize=256)
def _wrong(freeze: Freeze) -> tuple[tuple[str, object, str], ...]:
    """What is wrong with a freeze: the field, what it holds, and the rule."""
    found: list[tuple[str, object, str]] = []
    try:
        zone = _zone(freeze)
    except (KeyError, ValueError, OSError):  # not known; no name at all; a folder
        return (("timezone", freeze.timezone, "must be a time zone of IANA, as Europe/Berlin"),)
    start = _start(freeze)
    if not FIRST_YEAR <= start.year <= LAST_YEAR:
        return (("dtstart", freeze.start, f"must be from {FIRST_YEAR} to {LAST_YEAR}"),)
    if freeze.end and not FIRST_YEAR <= datetime.fromisoformat(freeze.end).year <= LAST_YEAR + 1:
        return (("dtend", freeze.end, f"must be from {FIRST_YEAR} to {LAST_YEAR + 1}"),)
    length = _instant(_end(freeze, start, zone)) - _instant(start)
    if not timedelta(0) < length <= LONGEST:
        field, value = ("dtend", freeze.end) if freeze.end else ("duration", freeze.duration)
        found.append((field, value, f"must come to more than nothing and to at most {LONGEST.days} days"))
    if freeze.rule:
        found += [("rrule", freeze.rule, rule) for rule in _wrong_rule(freeze, start)]
    return tuple(found)


def _wrong_rule(freeze: Freeze, start: datetime) -> list[str]:
    parts = [part.partition("=") for part in freeze.rule.split(";")]
    rule = {key: value for key, _, value in parts}
    if any(not sign for _, sign, _ in parts) or len(rule) < len(parts):
        return ["must be a recurrence rule as of RFC 5545, as FREQ=WEEKLY;BYDAY=FR, each part once"]
    every = rule.get("FREQ", "")
    if every not in _EVERY:
        return [f"must say FREQ as one of {', '.join(_EVERY)}"]
    wrong = [told for key, value in rule.items() if (told := _wrong_part(every, key, value))]
    if "COUNT" in rule and "UNTIL" in rule:
        wrong.append("must not have both COUNT and UNTIL")
    if not wrong:
        first = next(iter(_occurrences(freeze)), None)
        if first != start:
            wrong.append(
                f"must name the day of dtstart too; it begins {first.isoformat()}" if first else "never comes"
            )
    return wrong


def _wrong_part(every: str, key: str, value: str) -> str | None:
    if key in _NOT_WITH[every]:
        return f"must not have {key} with FREQ={every}"
    items = value.split(",")
    match key:
        case "FREQ":
            return None
        case "INTERVAL" | "COUNT":
            low, high = _NUMBERS[key]
            if not (value.isascii() and value.isdecimal() and len(value) < 6 and low <= int(value) <= high):
                return f"must have {key} from {low} to {high:,}"
        case "BYMONTH" | "BYMONTHDAY" | "BYYEARDAY" | "BYSETPOS":
            low, high = _LISTS[key]
            if not all(
                re.fullmatch(r"[+-]?\d{1,3}", each) and low <= int(each) <= high and int(each)
                for each in items
            ):
                return f"must have {key} of numbers from {low} to {high}, none of them 0"
        case "BYDAY":
            days = [_DAY.fullmatch(each) for each in items]
            if not all(days) or (every in ("DAILY", "WEEKLY") and any(day and day[1] for day in days)):
                return "must have BYDAY of MO, TU, WE, TH, FR, SA, SU, with numbers by month or year only"
            if any(day and day[1] and int(day[1]) == 0 for day in days):
                return "must have BYDAY without 0"
        case "WKST":
            if not re.fullmatch("MO|TU|WE|TH|FR|SA|SU", value):
                return "must have WKST as one of MO, TU, WE, TH, FR, SA, SU"
        case "UNTIL":
            if not _UNTIL.fullmatch(value) or not _is_time(value):
                return "must have UNTIL in UTC, as 20271231T235959Z"
        case _:
            return (
                f"must not have {key}: FREQ, INTERVAL, COUNT, UNTIL, BYDAY, BYMONTH, BYMONTHDAY, BYYEARDAY, "
                "BYSETPOS and WKST are taken"
            )
    return None


def _is_time(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True
