"""An environment's rules from plain values: kept as said, every problem at once, what is not said stays."""

from __future__ import annotations

from typing import Any

import pytest

from muster.calendars import FreezeCalendar
from muster.domain.errors import Invalid
from muster.domain.rule_form import rules
from muster.domain.rules import NO_RULES, Approvals, EnvironmentRules, Soak, rules_from_dict, rules_to_dict

CALENDAR = FreezeCalendar()
ALL: dict[str, Any] = {
    "deploy": ["team:ops"],
    "rollback": ["ada", "team:oncall"],
    "approvals": [{"from": "risk", "count": 2}],
    "evidence": ["auc >= 0.9 by team:validation"],
    "reason": True,
    "soak": {"environment": "staging", "hours": 24},
    "freeze": [
        {
            "name": "year end",
            "dtstart": "2026-12-20T00:00:00",
            "duration": "P14D",
            "rrule": "FREQ=YEARLY",
            "timezone": "Europe/Berlin",
        },
        {
            "name": "audit",
            "dtstart": "2027-02-01T00:00:00",
            "dtend": "2027-02-03T12:00:00",
            "timezone": "UTC",
        },
    ],
    "stages": ["production"],
    "aliases": ["champion"],
    "public": True,
}


def parsed(said: object, old: EnvironmentRules = NO_RULES) -> EnvironmentRules:
    return rules(CALENDAR, old)(said, "rules")


def test_what_is_said_is_kept_and_read_back() -> None:
    made = parsed(ALL)
    assert made.approvals == (Approvals("risk", 2),)
    assert made.soak == Soak("staging", 24)
    assert rules_to_dict(made) == ALL
    assert rules_from_dict(ALL) == made
    assert rules_to_dict(NO_RULES) == {}
    assert rules_from_dict({}) == NO_RULES


@pytest.mark.parametrize("field", ALL)
def test_what_is_not_said_stays_and_null_takes_a_rule_away(field: str) -> None:
    full = parsed(ALL)
    assert parsed({}, full) == full
    without = parsed({field: None}, full)
    assert rules_to_dict(without) == {key: value for key, value in ALL.items() if key != field}
    assert parsed({field: ALL[field]}, without) == full


def test_only_public_protects_nothing() -> None:
    assert not parsed({"public": True}).protects
    assert [field for field in ALL if field != "public" and not parsed({field: ALL[field]}).protects] == []


def test_stages_are_said_in_our_words_or_mlflows() -> None:
    assert parsed({"stages": ["Production", "None", "staging"]}).stages == (
        "production",
        "development",
        "staging",
    )


def test_every_problem_is_named_at_once() -> None:
    said = {
        "deploy": ["team:", "no spaces please"],
        "rollback": "ada",
        "approvals": [{"from": "risk", "count": 0}, {"count": 1}, {"from": "risk", "count": 1, "who": "x"}],
        "evidence": [" ", 5],
        "reason": "yes",
        "soak": {"environment": "Staging", "hours": 0},
        "freeze": [{"name": "x"}],
        "stages": ["prod"],
        "aliases": ["a/b"],
        "secret": 1,
    }
    with pytest.raises(Invalid) as refused:
        parsed(said)
    assert [each.field for each in refused.value.problems] == [
        "rules.deploy[0]",
        "rules.deploy[1]",
        "rules.rollback",
        "rules.approvals[0].count",
        "rules.approvals[1].from",
        "rules.approvals[2].who",
        "rules.evidence[0]",
        "rules.evidence[1]",
        "rules.reason",
        "rules.soak.environment",
        "rules.soak.hours",
        "rules.freeze[0].dtstart",
        "rules.freeze[0].duration",
        "rules.stages[0]",
        "rules.aliases[0]",
        "rules.secret",
    ]


@pytest.mark.parametrize(
    "said",
    [
        {"approvals": [{"from": "risk", "count": 1}, {"from": "risk", "count": 2}]},
        {"freeze": [{"name": "x", "dtstart": "2026-01-01", "duration": "P1D"}] * 2},
        {"deploy": ["ada"] * 101},
        {"soak": {"environment": "staging", "hours": 9000}},
        [],
    ],
)
def test_what_is_said_twice_or_too_much_is_refused(said: object) -> None:
    with pytest.raises(Invalid):
        parsed(said)
