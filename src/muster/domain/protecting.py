"""The judge of environments' rules: who, why, after how long, and not during a freeze.

    in      a version or a configuration comes in: the right to deploy, a reason, soak, freeze
    back    a version comes back that was deployed there: the right to roll back, a reason
    out     a version goes out: the right to deploy or to roll back, a reason, freeze

Approvals and evidence have judges of their own. What is done with the role break-glass waits
for nothing here: its own judge asks for the role, and for a reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from muster.domain import access
from muster.domain.access import Right
from muster.domain.acts import Act
from muster.domain.changes import Actor
from muster.domain.errors import Objection
from muster.domain.judging import Case, Verdict
from muster.domain.messages import rfc3339
from muster.domain.records import Environment
from muster.domain.rules import Calendar, Soak
from muster.domain.snapshot import DECLARED, Snapshot, Trace

_TENTH: Final = timedelta(minutes=6)
READY: Final = "ready"


@dataclass(frozen=True, slots=True)
class EnvironmentJudge:
    """Says what environments' rules have against a change. Muster itself is asked nothing."""

    calendar: Calendar

    def __call__(self, case: Case, before: Snapshot) -> Verdict:
        if case.actor.internal or case.change.break_glass:  # `break_glass` judges who may
            return Verdict()
        done = case.acts(before)
        found = [each for act in done for each in self._against(act, case, before)]
        # A change that does two things there is told once what stands against both.
        return Verdict(tuple(dict.fromkeys(found)))

    def _against(self, act: Act, case: Case, before: Snapshot) -> Iterator[Objection]:
        rules, name = act.environment.rules, act.environment.name
        yield from _who(act, case.actor, before)
        if rules.reason and not case.reason.strip():
            yield Objection(
                f"{name}: reason", f"{act.said} takes a reason, and none is given", "say why it is done"
            )
        if act.way == "in" and rules.soak is not None:
            yield from _soaked(act, rules.soak, case.time, before)
        if act.way != "back":
            yield from self._frozen(act, case.time)

    def _frozen(self, act: Act, now: datetime) -> Iterator[Objection]:
        for freeze in act.environment.rules.freeze:
            until = self.calendar.frozen_until(freeze, now)
            if until is not None:
                name = act.environment.name
                yield Objection(
                    f"{name}: freeze",
                    f"{name} is frozen until {until.isoformat()} ({freeze.name}, {freeze.timezone})",
                    f"wait until then; rolling back is not stopped; {_rule_makers(name)} can end the freeze",
                )


# ------------------------------------------------------------ who


def _who(act: Act, actor: Actor, before: Snapshot) -> Iterator[Objection]:
    rules, name = act.environment.rules, act.environment.name
    ways = {"in": (("deploy", rules.deploy),), "back": (("roll back", rules.rollback),)}.get(
        act.way, (("deploy", rules.deploy), ("roll back", rules.rollback))
    )
    if any(_is_allowed(before, actor, subjects, act) for _, subjects in ways):
        return
    what = " or ".join(word for word, _ in ways)
    subjects = tuple(dict.fromkeys(each for _, listed in ways for each in listed))
    role = any(not listed for _, listed in ways)
    who = [*subjects, *(["whoever is deployer there"] if role else [])]
    yield Objection(
        f"{name}: {ways[0][0].replace(' ', '')}",
        f"{act.said} takes the right to {what} in {name}, which {actor.name} does not have",
        f"{_either(who)} can do it; {_rule_makers(name)} can change who may",
    )


def _is_allowed(before: Snapshot, actor: Actor, subjects: Sequence[str], act: Act) -> bool:
    if subjects:
        return access.is_among(before, actor.name, subjects)
    if not access.controlled(before):
        return True
    held = max(
        access.right_on(before, actor, act.model), access.right_in(before, actor, act.environment.name)
    )
    return held >= Right.DEPLOY


def _rule_makers(environment: str) -> str:
    return f"a maintainer of {environment}"


def _either(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


# ------------------------------------------------------------ soak


def time_run(traces: Iterable[Trace], number: int, now: datetime, *, observed: bool) -> timedelta:
    """For how long, all in all, the version was declared; with `observed` only while it was seen ready."""
    total, since = timedelta(0), None
    declared = ready = False
    for trace in traces:
        if trace.state == DECLARED:
            declared = trace.number == number
        else:
            ready = trace.state == READY and trace.number == number
        runs = declared and (ready or not observed)
        if runs and since is None:
            since = trace.time
        elif not runs and since is not None:
            total, since = total + (trace.time - since), None
    return total if since is None else total + (now - since)


def _soaked(act: Act, soak: Soak, now: datetime, before: Snapshot) -> Iterator[Objection]:
    there = before.environment(soak.environment)
    wanted = timedelta(hours=soak.hours)
    ran = timedelta(0)
    if there is not None:
        observed = _is_run(before, there, act.model, act.number)
        ran = time_run(before.traces(there.name, act.model), act.number, now, observed=observed)
    if ran >= wanted:
        return
    name, missing = act.environment.name, wanted - ran
    deployment = before.deployment(soak.environment, act.model)
    if deployment is not None and deployment.version == act.number:
        then = f"if it stays there, it has at {rfc3339(now + missing)}"
    else:
        then = f"deploy it to {soak.environment} first"
    yield Objection(
        f"{name}: soak",
        f"{name} takes what has run in {soak.environment} for {soak.hours:g} hours, "
        f"and {act.what} has for {_hours(ran, down=True)}: {_hours(missing)} are missing",
        f"{then}; {_rule_makers(name)} can change the rule",
    )


def _is_run(before: Snapshot, environment: Environment, model: str, number: int) -> bool:
    """Whether it is Muster that runs the version there, so that it is seen."""
    version = before.version(model, number)
    return version is not None and bool(version.files) and environment.target != "external"


def _hours(time: timedelta, *, down: bool = False) -> str:
    """`time` to a tenth of an hour, rounded `down` or up: nobody is told of less that is missing."""
    tenths = time // _TENTH if down else -(-time // _TENTH)
    return f"{tenths / 10:,g} hours"
