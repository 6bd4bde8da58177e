"""Everything that stands against a change, where `plan` stops at the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import partial
from typing import Any, Final

from muster.domain import changes as c
from muster.domain.errors import MusterError
from muster.domain.placing import check_final, check_guard, environment_of
from muster.domain.plan import live_model, live_version, plan
from muster.domain.snapshot import Plan, Snapshot

_UNCONDITIONAL: Final[dict[str, Any]] = {"expected": None, "guarded": False, "empty": True}


def objections(change: c.Change, before: Snapshot) -> tuple[MusterError, ...]:
    """All that is known to stand against `change` upon `before`; () if `plan` makes a plan of it.

    The first is what `plan` raises.
    """
    against: dict[tuple[str, str], MusterError] = {}
    for check in _checks(change, before):
        try:
            check()
        except MusterError as objection:
            against.setdefault((objection.code, objection.message), objection)
        else:
            if not against:  # `plan` itself, which comes first
                break
    return tuple(against.values())


def unconditional(change: c.Change, before: Snapshot) -> Plan:
    """The plan of `change` whatever touched its record last, and though it may leave nothing in service.

    Raises as `plan`.
    """
    conditions = {
        each.name: _UNCONDITIONAL[each.name] for each in fields(change) if each.name in _UNCONDITIONAL
    }
    return plan(replace(change, **conditions), before)


def _checks(change: c.Change, before: Snapshot) -> Iterator[Callable[[], object]]:
    """Each raises what it finds. What a placing names is looked for piece by piece."""
    yield partial(plan, change, before)
    yield partial(unconditional, change, before)
    if not isinstance(change, (c.Deploy, c.RollBack, c.Undeploy)):
        return
    yield partial(environment_of, before, change.environment)
    match change:
        case c.Deploy(model, number):
            yield lambda: check_final(live_version(before, model, number))
            yield partial(check_guard, before, change)
        case c.RollBack(model, number, _, to):
            yield partial(live_version, before, model, number)
            if to is not None:
                yield lambda: check_final(live_version(before, model, to))
            yield partial(check_guard, before, change)
        case c.Undeploy(model):
            yield partial(live_model, before, model)
