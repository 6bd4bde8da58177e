"""What an environment's rules name: it has to be there, and stays as long as they name it."""

from __future__ import annotations

from collections.abc import Iterator

from muster.domain import access
from muster.domain.errors import Conflict, Invalid, Problem, shown
from muster.domain.records import Environment
from muster.domain.rules import EnvironmentRules
from muster.domain.snapshot import Snapshot


def check_named(environment: Environment, before: Snapshot) -> None:
    """Refuse rules that name a team, an account or an environment that is not there.

    Accounts are looked for only where access is controlled: without it nobody has one.

    Raises:
        Invalid: with all of them.
    """
    problems = [Problem(f"rules.{at}", shown(name), rule) for at, name, rule in _missing(environment, before)]
    if problems:
        raise Invalid(problems)


def _missing(environment: Environment, before: Snapshot) -> Iterator[tuple[str, str, str]]:
    rules = environment.rules
    controlled = access.controlled(before)
    for field, subjects in (("deploy", rules.deploy), ("rollback", rules.rollback)):
        for at, subject in enumerate(subjects):
            if subject.startswith(access.TEAM):
                if access.team(before, subject.removeprefix(access.TEAM)) is None:
                    yield f"{field}[{at}]", subject, "must name a team that is there"
            elif controlled and access.account(before, subject) is None:
                yield f"{field}[{at}]", subject, "must name an account that is there"
    for at, approvals in enumerate(rules.approvals):
        if access.team(before, approvals.team) is None:
            yield f"approvals[{at}].from", approvals.team, "must name a team that is there"
    if rules.soak is not None:
        name = rules.soak.environment
        if name == environment.name:
            yield "soak.environment", name, "must name another environment"
        elif before.environment(name) is None:
            yield "soak.environment", name, "must name an environment that is there"


def _teams(rules: EnvironmentRules) -> set[str]:
    subjects = (*rules.deploy, *rules.rollback)
    named = {each.removeprefix(access.TEAM) for each in subjects if each.startswith(access.TEAM)}
    return named | {each.team for each in rules.approvals}


def check_team_unnamed(name: str, before: Snapshot) -> None:
    """Refuse that a team goes which some environment's rules name. Raises Conflict."""
    _check(f"team {name}", [each.name for each in before.every_environment() if name in _teams(each.rules)])


def check_environment_unnamed(name: str, before: Snapshot) -> None:
    """Refuse that an environment goes in which another's versions have to soak. Raises Conflict."""
    soaking = [each for each in before.every_environment() if each.rules.soak is not None]
    named = [each.name for each in soaking if each.rules.soak and each.rules.soak.environment == name]
    _check(f"environment {name}", named)


def _check(what: str, named_by: list[str]) -> None:
    if named_by:
        raise Conflict(f"{what} is named in the rules of {', '.join(named_by)}; change these first")
