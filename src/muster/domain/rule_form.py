"""An environment's rules from plain values, with every problem named at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeVar

from muster.domain import access, evidence_rules, names, parse
from muster.domain.errors import Invalid
from muster.domain.parse import Form
from muster.domain.records import STAGES
from muster.domain.rules import NO_RULES, Approvals, Calendar, EnvironmentRules, Freeze, Soak

MAX_SUBJECTS: Final = 100
MAX_FREEZES: Final = 50
MAX_APPROVALS: Final = 20
MAX_HOURS: Final = 24 * 366
# MLflow's words for what are stages here, too.
_ALSO: Final = {"none": "development"}

T = TypeVar("T")


def rules(calendar: Calendar, old: EnvironmentRules = NO_RULES) -> Callable[[object, str], EnvironmentRules]:
    """A parser for `old` with what is said: what is not said stays, and null takes a rule away."""

    def parsed(value: object, field: str) -> EnvironmentRules:
        form = Form(value, field)

        def take(name: str, parser: Callable[[object, str], T], before: T, none: T) -> T:
            return form.take(name, parser, none if form.has(name) else before)

        subjects = parse.sequence(access.subject, MAX_SUBJECTS)
        made = EnvironmentRules(
            deploy=take("deploy", subjects, old.deploy, ()),
            rollback=take("rollback", subjects, old.rollback, ()),
            approvals=take("approvals", _approvals, old.approvals, ()),
            evidence=take("evidence", parse.sequence(_demand, MAX_SUBJECTS), old.evidence, ()),
            reason=take("reason", parse.boolean, old.reason, False),
            soak=take("soak", _soak, old.soak, None),
            freeze=take("freeze", _freezes(calendar), old.freeze, ()),
            stages=take("stages", parse.sequence(_stage, len(STAGES)), old.stages, ()),
            aliases=take("aliases", parse.sequence(names.alias_name, MAX_SUBJECTS), old.aliases, ()),
            public=take("public", parse.boolean, old.public, False),
        )
        form.close()
        return made

    return parsed


def _demand(value: object, field: str) -> str:
    """What evidence is demanded, as the judge of evidence writes it."""
    return str(evidence_rules.rule(value, field))


def _stage(value: object, field: str) -> str:
    """One of our stages, or MLflow's word for one, in any case."""
    word = value.lower() if isinstance(value, str) else ""
    stage = _ALSO.get(word, word)
    if stage not in STAGES:
        raise Invalid.one(field, value, f"must be one of {', '.join(STAGES)}")
    return stage


def _approval(value: object, field: str) -> Approvals:
    form = Form(value, field)
    made = Approvals(form.need("from", access.team_name, ""), form.need("count", parse.integer(1, 20), 1))
    form.close()
    return made


def _approvals(value: object, field: str) -> tuple[Approvals, ...]:
    found = parse.sequence(_approval, MAX_APPROVALS)(value, field)
    for at, each in enumerate(found):
        if each.team in {other.team for other in found[:at]}:
            raise Invalid.one(f"{field}[{at}].from", each.team, "must not be named twice")
    return found


def _hours(value: object, field: str) -> float:
    hours = parse.number(value, field)
    if not 0 < hours <= MAX_HOURS:
        raise Invalid.one(field, value, f"must be more than 0 and at most {MAX_HOURS:,} hours")
    return hours


def _soak(value: object, field: str) -> Soak:
    form = Form(value, field)
    made = Soak(form.need("environment", names.environment_name, ""), form.need("hours", _hours, 1.0))
    form.close()
    return made


# ------------------------------------------------------------ freezes


def _local(value: object, field: str) -> str:
    """A local time, as in 2026-12-20T18:00 or 20261220T180000; a day is its midnight."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        time = None
    if time is None:
        raise Invalid.one(field, value, "must be a time, as in 2026-12-20T18:00")
    if time.tzinfo is not None:
        raise Invalid.one(field, value, "must be without an offset; timezone says where that is the time")
    return time.isoformat(timespec="seconds")


def _duration(value: object, field: str) -> str:
    text = parse.text(value, field, 100)
    if not re.fullmatch(
        r"P(\d{1,4}W|(?=\d|T\d)(\d{1,4}D)?(T(?=\d)(\d{1,4}H)?(\d{1,4}M)?(\d{1,4}S)?)?)", text
    ):
        raise Invalid.one(field, value, "must be a duration as of RFC 5545, as P14D, PT62H or P1DT12H")
    return text


def _rule(value: object, field: str) -> str:
    """A recurrence rule, with or without the name of its property before it."""
    return parse.text(value, field, 500).upper().removeprefix("RRULE:")


def _freezes(calendar: Calendar) -> Callable[[object, str], tuple[Freeze, ...]]:
    def freeze(value: object, field: str) -> Freeze:
        form = Form(value, field)
        made = Freeze(
            form.need("name", parse.name, ""),
            form.need("dtstart", _local, ""),
            form.take("duration", _duration, ""),
            form.take("dtend", _local, ""),
            form.take("rrule", _rule, ""),
            form.take("timezone", parse.name, "UTC"),
        )
        if form.has("duration") == form.has("dtend"):
            form.wrong("duration", made.duration or made.end, "must be there, or else dtend; not both")
        form.close()
        calendar.check(made, field)
        return made

    def parsed(value: object, field: str) -> tuple[Freeze, ...]:
        found = parse.sequence(freeze, MAX_FREEZES)(value, field)
        for at, each in enumerate(found):
            if each.name in {other.name for other in found[:at]}:
                raise Invalid.one(f"{field}[{at}].name", each.name, "must not be given twice")
        return found

    return parsed
