"""Everything that stands against a change, where `plan` stops at the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import partial
from typing import Any, Final

from muster.domain import changes as c
from muster.domain.errors import MusterError
from muster.domain.filing import check_listed, check_pending
from muster.domain.names import check_together
from muster.domain.placing import check_final, check_guard, environment_of
from muster.domain.plan import check_label, free_id, live_model, live_version, number_for, plan
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
    """Each raises what it finds: `plan` first, then what it may not have come to, piece by piece."""
    yield partial(plan, change, before)
    yield partial(unconditional, change, before)
    match change:
        case c.RegisterVersion():
            yield from _of_registration(change, before)
        case c.AttachFile(model, number, file):
            others = _paths(before, model, number) - {file.path}
            yield partial(check_together, [*sorted(others), file.path])
        case c.DetachFile(model, number, path):
            yield lambda: check_listed(live_version(before, model, number), path)
            yield lambda: check_pending(live_version(before, model, number))
        case c.Deploy() | c.RollBack() | c.Undeploy():
            yield partial(environment_of, before, change.environment)
            yield from _of_placing(change, before)


def _of_registration(change: c.RegisterVersion, before: Snapshot) -> Iterator[Callable[[], object]]:
    number = number_for(change, before.model(change.model))
    if change.label is not None:
        if before.labelled(change.model, change.label) is not None:
            return  # it is registered: what else there is to say of it was said then
        yield partial(check_label, change.label, number)
    yield partial(free_id, before, change, number)
    yield lambda: check_together(file.path for file in change.files)


def _of_placing(
    change: c.Deploy | c.RollBack | c.Undeploy, before: Snapshot
) -> Iterator[Callable[[], object]]:
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


def _paths(before: Snapshot, model: str, number: int) -> set[str]:
    version = before.version(model, number)
    return {file.path for file in version.files} if version else set()
