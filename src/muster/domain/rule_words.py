"""An environment's rules as sentences for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from muster.domain.access import TEAM
from muster.domain.rules import EnvironmentRules, Freeze


def sentences(rules: EnvironmentRules) -> tuple[str, ...]:
    """One for each rule; () where nothing is ruled."""
    return tuple(_sentences(rules))


def _sentences(rules: EnvironmentRules) -> Iterator[str]:
    if rules.protects:
        yield f"{_who(rules.deploy)} may deploy"
        yield f"{_who(rules.rollback)} may roll back to what was deployed there before"
    for each in rules.approvals:
        needed = "1 approval" if each.count == 1 else f"{each.count} approvals"
        yield f"{needed} of team {each.team} {'is' if each.count == 1 else 'are'} needed"
    for text in rules.evidence:
        yield f"evidence is needed: {text}"
    if rules.reason:
        yield "every change takes a reason"
    if rules.soak is not None:
        soak = rules.soak
        yield f"a version has to run in {soak.environment} for {soak.hours:g} hours first"
    for freeze in rules.freeze:
        yield f"frozen ({freeze.name}) {_when(freeze)}"
    if rules.stages:
        yield f"it counts as being there to be in stage {_listed(rules.stages, 'or')}"
    if rules.aliases:
        yield f"it counts as being there to have the alias {_listed(rules.aliases, 'or')}"
    if rules.public:
        yield "predicting takes no right"


def _who(subjects: Sequence[str]) -> str:
    named = [f"team {each.removeprefix(TEAM)}" if each.startswith(TEAM) else each for each in subjects]
    return _listed(named, "and") if named else "whoever is deployer"


def _when(freeze: Freeze) -> str:
    until = f"to {freeze.end}" if freeze.end else f"for {freeze.duration}"
    again = f", again and again ({freeze.rule})" if freeze.rule else ""
    return f"from {freeze.start} {until}{again}, {freeze.timezone}"


def _listed(words: Sequence[str], last: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
