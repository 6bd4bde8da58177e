"""Freeze windows: as another implementation of RFC 5545 reckons them, and what is refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
import recurring_ical_events
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from muster.calendars import FreezeCalendar
from muster.domain.errors import Invalid
from muster.domain.rule_form import rules
from muster.domain.rules import Freeze

CALENDAR = FreezeCalendar()
MOMENT = timedelta(microseconds=1)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia")


def a_freeze(
    start: str, duration: str = "PT8H", *, rule: str = "", zone: str = "UTC", end: str = ""
) -> Freeze:
    return Freeze("freeze", start, "" if end else duration, end, rule, zone)


def frozen_at(freeze: Freeze, time: str) -> str | None:
    until = CALENDAR.frozen_until(freeze, datetime.fromisoformat(time))
    return until.isoformat() if until else None


# ------------------------------------------------------------ examples

WEEKENDS = a_freeze("2026-01-02T18:00:00", "PT62H", rule="FREQ=WEEKLY;BYDAY=FR", zone="Europe/Berlin")
LAST_DAYS = a_freeze("2026-01-30T00:00:00", "P3D", rule="FREQ=MONTHLY;BYDAY=-1FR")
NIGHT = a_freeze("2026-03-27T22:00:00", rule="FREQ=DAILY;COUNT=4", zone="Europe/Berlin")
DAYS = a_freeze("2026-03-28T12:00:00", "P1D", rule="FREQ=DAILY", zone="Europe/Berlin")
SAME_LENGTH = a_freeze("2026-03-28T12:00:00", end="2026-03-29T12:00:00", zone="Europe/Berlin")
EXAMPLES = [
    (WEEKENDS, "2026-07-03T15:59:59Z", None),
    (WEEKENDS, "2026-07-03T16:00:00Z", "2026-07-06T08:00:00+02:00"),
    (WEEKENDS, "2026-07-06T06:00:00Z", None),
    (WEEKENDS, "2025-12-27T12:00:00Z", None),
    (LAST_DAYS, "2026-02-28T00:00:00Z", "2026-03-02T00:00:00+00:00"),
    (LAST_DAYS, "2026-02-21T00:00:00Z", None),
    # Eight hours are eight hours, also in the night in which the clock leaves one out.
    (NIGHT, "2026-03-29T01:00:00Z", "2026-03-29T07:00:00+02:00"),
    (NIGHT, "2026-03-31T01:00:00Z", "2026-03-31T06:00:00+02:00"),
    (NIGHT, "2026-04-01T01:00:00Z", None),
    # A day ends at the same time of the clock; what lasts from one time to another, lasts as long.
    (
        a_freeze("2026-03-28T12:00:00", "P1D", zone="Europe/Berlin"),
        "2026-03-29T09:59:00Z",
        "2026-03-29T12:00:00+02:00",
    ),
    (SAME_LENGTH, "2026-03-29T09:59:00Z", "2026-03-29T12:00:00+02:00"),
    # 02:30 is left out that day, and is an hour later then.
    (
        a_freeze("2026-03-29T02:30:00", "PT1H", zone="Europe/Berlin"),
        "2026-03-29T01:30:00Z",
        "2026-03-29T04:30:00+02:00",
    ),
    (a_freeze("2026-03-29T02:30:00", "PT1H", zone="Europe/Berlin"), "2026-03-29T01:29:00Z", None),
    # One of two that overlap ends later.
    (
        a_freeze("2026-01-01T00:00:00", "P2D", rule="FREQ=DAILY;COUNT=2"),
        "2026-01-02T06:00:00Z",
        "2026-01-04T00:00:00+00:00",
    ),
    (
        a_freeze("2024-02-29T00:00:00", "P1D", rule="FREQ=YEARLY"),
        "2028-02-29T12:00:00Z",
        "2028-03-01T00:00:00+00:00",
    ),
    (a_freeze("2024-02-29T00:00:00", "P1D", rule="FREQ=YEARLY"), "2027-02-28T12:00:00Z", None),
]


@pytest.mark.parametrize(("freeze", "time", "until"), EXAMPLES)
def test_a_window_holds_from_its_first_moment_to_its_end(
    freeze: Freeze, time: str, until: str | None
) -> None:
    assert frozen_at(freeze, time) == until


# ------------------------------------------------------------ against another implementation

_rules = st.one_of(
    st.just(""),
    st.builds("FREQ=DAILY;INTERVAL={}".format, st.integers(1, 5)),
    st.builds("FREQ=WEEKLY;INTERVAL={};COUNT={}".format, st.integers(1, 3), st.integers(1, 60)),
    st.builds("FREQ=MONTHLY;INTERVAL={}".format, st.integers(1, 3)),
    st.just("FREQ=YEARLY"),
    st.just("FREQ=DAILY;UNTIL=20270601T120000Z"),
    st.just("FREQ=MONTHLY;BYDAY={day}"),
    st.just("FREQ=WEEKLY;BYDAY={day},SA"),
    st.just("FREQ=YEARLY;BYMONTH={month};BYMONTHDAY={monthday}"),
)
_lengths = st.one_of(
    st.builds("PT{}H".format, st.integers(1, 90)),
    st.builds("P{}D".format, st.integers(1, 20)),
    st.builds("P{}DT{}H{}M".format, st.integers(0, 3), st.integers(1, 30), st.integers(0, 59)),
)


MINUTES_A_YEAR = 365 * 24 * 60
_minutes = st.integers(0, 2 * MINUTES_A_YEAR).map(lambda minutes: timedelta(minutes=minutes))


@st.composite
def freezes(draw: st.DrawFn) -> Freeze:
    """Windows whose rule names the day of their first."""
    start = datetime.fromisoformat("2025-01-01") + draw(_minutes)
    day = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")[start.weekday()]
    rule = draw(_rules).format(day=day, month=start.month, monthday=start.day)
    return Freeze(
        "freeze", start.isoformat(), draw(_lengths), rule=rule, timezone=draw(st.sampled_from(ZONES))
    )


def windows(freeze: Freeze, around: datetime) -> list[tuple[datetime, datetime]]:
    """The occurrences about that time, as `recurring_ical_events` has them, in UTC."""
    start = datetime.fromisoformat(freeze.start)
    lines = [
        "BEGIN:VCALENDAR",
        "BEGIN:VEVENT",
        "UID:1",
        f"DTSTART;TZID={freeze.timezone}:{start:%Y%m%dT%H%M%S}",
        f"DURATION:{freeze.duration}",
        *([f"RRULE:{freeze.rule}"] if freeze.rule else []),
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    calendar = Calendar.from_ical("\r\n".join(lines))
    found = recurring_ical_events.of(calendar).between(
        around - timedelta(days=40), around + timedelta(days=40)
    )
    return [(each.start.astimezone(UTC), each.end.astimezone(UTC)) for each in found]


@settings(max_examples=200, deadline=None)
@given(freezes(), _minutes)
def test_windows_are_those_of_another_implementation(freeze: Freeze, later: timedelta) -> None:
    CALENDAR.check(freeze, "freeze")
    time = datetime(2025, 6, 1, tzinfo=UTC) + later
    there = windows(freeze, time)
    edges = {edge for window in there for edge in window if abs(edge - time) < timedelta(days=15)}
    moments = [time, *(each for edge in sorted(edges)[:8] for each in (edge - MOMENT, edge))]
    for now in moments:
        ends = [end for start, end in there if start <= now < end]
        until = CALENDAR.frozen_until(freeze, now)
        assert (until and until.astimezone(UTC)) == (max(ends) if ends else None), now


# ------------------------------------------------------------ what is refused

ONE = {"name": "x", "dtstart": "2026-01-02T18:00", "duration": "PT8H"}
WRONG = [
    ({"timezone": "Europe/Nowhere"}, "timezone"),
    ({"timezone": "../../etc/passwd"}, "timezone"),
    ({"dtstart": "tomorrow"}, "dtstart"),
    ({"dtstart": "2026-01-02T18:00Z"}, "dtstart"),
    ({"dtstart": "1066-10-14"}, "dtstart"),
    ({"duration": "8 hours"}, "duration"),
    ({"duration": "P"}, "duration"),
    ({"duration": "PT"}, "duration"),
    ({"duration": "PT0S"}, "duration"),
    ({"duration": "P400D"}, "duration"),
    ({"duration": None}, "duration"),
    ({"dtend": "2026-01-03"}, "duration"),
    ({"duration": None, "dtend": "2026-01-01"}, "dtend"),
    ({"duration": None, "dtend": "9999-12-31T23:59"}, "dtend"),
    ({"name": ""}, "name"),
    ({"color": "red"}, "color"),
    ({"rrule": "every friday"}, "rrule"),
    ({"rrule": "BYDAY=FR"}, "rrule"),
    ({"rrule": "FREQ=HOURLY"}, "rrule"),
    ({"rrule": "FREQ=SECONDLY"}, "rrule"),
    ({"rrule": "FREQ=DAILY;BYHOUR=1"}, "rrule"),
    ({"rrule": "FREQ=DAILY;INTERVAL=0"}, "rrule"),
    ({"rrule": "FREQ=DAILY;COUNT=0"}, "rrule"),
    ({"rrule": "FREQ=DAILY;COUNT=2;UNTIL=20270101T000000Z"}, "rrule"),
    ({"rrule": "FREQ=DAILY;UNTIL=20270101"}, "rrule"),
    ({"rrule": "FREQ=DAILY;UNTIL=20271301T000000Z"}, "rrule"),
    ({"rrule": "FREQ=DAILY;UNTIL=20250101T000000Z"}, "rrule"),
    ({"rrule": "FREQ=WEEKLY;BYDAY=MO"}, "rrule"),
    ({"rrule": "FREQ=WEEKLY;BYDAY=2FR"}, "rrule"),
    ({"rrule": "FREQ=MONTHLY;BYDAY=0FR"}, "rrule"),
    ({"rrule": "FREQ=WEEKLY;BYMONTHDAY=1"}, "rrule"),
    ({"rrule": "FREQ=YEARLY;BYMONTH=13"}, "rrule"),
    ({"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "rrule"),
    ({"rrule": "FREQ=DAILY;FREQ=DAILY"}, "rrule"),
    ({"rrule": "FREQ=DAILY\nEXDATE:20260101T000000Z"}, "rrule"),
    ({"rrule": "FREQ=WEEKLY;WKST=XX"}, "rrule"),
    ({"rrule": "FREQ=YEARLY;BYWEEKNO=1"}, "rrule"),
]


@pytest.mark.parametrize(("said", "field"), WRONG, ids=[str(said) for said, _ in WRONG])
def test_what_cannot_be_reckoned_with_is_refused_by_field(said: dict[str, object], field: str) -> None:
    body = {key: value for key, value in {**ONE, **said}.items() if value is not None}
    with pytest.raises(Invalid) as refused:
        rules(CALENDAR)({"freeze": [body]}, "rules")
    assert {each.field for each in refused.value.problems} == {f"rules.freeze[0].{field}"}


def test_a_window_is_kept_in_one_form() -> None:
    said = {
        "name": "x",
        "dtstart": "20260102T180000",
        "duration": "PT62H",
        "rrule": "RRULE:freq=weekly;byday=fr",
    }
    (kept,) = rules(CALENDAR)({"freeze": [said]}, "rules").freeze
    assert kept == Freeze("x", "2026-01-02T18:00:00", "PT62H", "", "FREQ=WEEKLY;BYDAY=FR", "UTC")


def test_a_record_that_cannot_be_reckoned_with_says_so_instead_of_letting_pass() -> None:
    lost = a_freeze("2026-01-02T18:00:00", zone="Atlantis/Capital")
    with pytest.raises(Invalid, match=re.escape("freeze 'freeze'.timezone: must be a time zone of IANA")):
        CALENDAR.frozen_until(lost, datetime(2026, 1, 3, tzinfo=UTC))
