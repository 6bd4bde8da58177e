"""An environment's rules as the fields of a form: read, and checked by the domain's own parser."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from muster.domain import rule_form
from muster.domain.errors import Invalid, MusterError, Problem, shown
from muster.domain.rules import NO_RULES, Calendar, EnvironmentRules, Freeze
from muster.http.pages.access_forms import listed
from muster.http.pages.configuring import number
from muster.http.pages.forms import Posted

_FREEZE: Final = ("name", "dtstart", "duration", "dtend", "rrule", "timezone")
_SPARE: Final = 2  # rows that are empty, for more
# Where in the rules a problem is → the field of the form that it stands beside.
_PLACES: Final = (
    (re.compile(r"rules\.approvals\[(\d+)\].*"), "approval_{}"),
    (re.compile(r"rules\.freeze\[(\d+)\].*"), "freeze_{}"),
    (re.compile(r"rules\.(\w+).*"), "{}"),
)


@dataclass(frozen=True, slots=True)
class Typed:
    """The rules as they stand in the form; rows without anything in them are spare."""

    deploy: str
    rollback: str
    approvals: Sequence[tuple[str, str]]
    evidence: str
    reason: bool
    soak_environment: str
    soak_hours: str
    freeze: Sequence[tuple[str, ...]]
    stages: Sequence[str]
    aliases: str
    public: bool

    def parsed(self, calendar: Calendar) -> EnvironmentRules:
        """Raises Invalid with every problem, by the names of the form's fields."""
        soak = None
        if self.soak_environment or self.soak_hours:
            soak = {"environment": self.soak_environment, "hours": number(self.soak_hours)}
        body = {
            "deploy": listed(self.deploy),
            "rollback": listed(self.rollback),
            "approvals": [{"from": team, "count": number(count or "1")} for team, count in self.approvals],
            "evidence": [each.strip() for each in self.evidence.split("\n") if each.strip()],
            "reason": self.reason,
            "soak": soak,
            "freeze": [
                {name: text for name, text in zip(_FREEZE, row, strict=True) if text} for row in self.freeze
            ],
            "stages": list(self.stages),
            "aliases": listed(self.aliases),
            "public": self.public,
        }
        try:
            return rule_form.rules(calendar, NO_RULES)(body, "rules")
        except Invalid as invalid:
            raise Invalid([_beside(each) for each in invalid.problems]) from None

    def approval_rows(self) -> list[tuple[str, str]]:
        """Rows for the form, spare ones after those that say something."""
        return [*self.approvals, *[("", "")] * _SPARE]

    def freeze_rows(self) -> list[tuple[str, ...]]:
        """The same for times at which nothing changes."""
        return [*self.freeze, ("",) * len(_FREEZE)]


def typed(posted: Posted) -> Typed:
    """What was posted; rows in which nothing stands are left out."""
    teams, counts = posted.all("approval_team"), posted.all("approval_count")
    columns = [[each.strip() for each in posted.all(f"freeze_{name}")] for name in _FREEZE]
    return Typed(
        deploy=posted.text("deploy"),
        rollback=posted.text("rollback"),
        approvals=[
            (team.strip(), count.strip()) for team, count in zip(teams, counts, strict=False) if team.strip()
        ],
        evidence=posted.text("evidence"),
        reason=posted.text("needs_reason") == "yes",
        soak_environment=posted.text("soak_environment").strip(),
        soak_hours=posted.text("soak_hours").strip(),
        freeze=[row for row in zip(*columns, strict=False) if any(row[:5])],
        stages=posted.all("stages"),
        aliases=posted.text("aliases"),
        public=posted.text("public") == "yes",
    )


def written(rules: EnvironmentRules) -> Typed:
    """The rules as the form shows them."""
    return Typed(
        deploy=" ".join(rules.deploy),
        rollback=" ".join(rules.rollback),
        approvals=[(each.team, str(each.count)) for each in rules.approvals],
        evidence="\n".join(rules.evidence),
        reason=rules.reason,
        soak_environment=rules.soak.environment if rules.soak else "",
        soak_hours=f"{rules.soak.hours:g}" if rules.soak else "",
        freeze=[_row(each) for each in rules.freeze],
        stages=rules.stages,
        aliases=" ".join(rules.aliases),
        public=rules.public,
    )


def by_field(refused: MusterError | None) -> dict[str, Problem]:
    """What was wrong, the first of it beside each field."""
    found: dict[str, Problem] = {}
    for each in refused.problems if isinstance(refused, Invalid) else ():
        found.setdefault(each.field, each)
    return found


def _row(freeze: Freeze) -> tuple[str, ...]:
    return (freeze.name, freeze.start, freeze.duration, freeze.end, freeze.rule, freeze.timezone)


def _beside(problem: Problem) -> Problem:
    """The problem by the field that it stands beside; which part of it is wrong goes into its words."""
    for pattern, name in _PLACES:
        if found := pattern.fullmatch(problem.field):
            part = problem.field.rpartition("].")[2] if "]." in problem.field else ""
            rule = f"{part} {problem.rule}" if part else problem.rule
            if "[" in problem.field and not part:
                rule = f"{problem.value} {problem.rule}"
            return Problem(name.format(found[1]), problem.value, rule)
    return Problem(problem.field, shown(problem.value), problem.rule)
