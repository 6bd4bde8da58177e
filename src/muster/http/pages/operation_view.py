"""What the page of an operation shows: how far it has come, and what its worker says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from muster.domain.changes import Deploy, RollBack
from muster.domain.errors import DidNotStart, MusterError
from muster.http.pages.foresight_view import settings
from muster.http.pages.labels import called
from muster.http.pages.page import Mark, Page
from muster.http.pages.progress_view import Step, steps
from muster.http.pages.times import When
from muster.service.operations import Operation
from muster.service.values import ChangeFilter, InstanceState, Logged

_LOG: Final = 400  # lines of output
# Lines of a worker's output that say what went wrong.
_TELLING: Final = re.compile(
    r"\b\w*(Error|Exception|Fail)\b|\bFAIL\b|fatal|cannot|could not|not found|killed|exit(ed)? [cw1-9]",
)
# What to do, by what went wrong.
_REMEDY: Final = {
    "no_runtime": "Choose a runtime that reads its files, or register the version with files that one reads.",
    "did_not_start": "Put right what the output names, register it as a new version, and deploy that.",
    "stale": "Somebody changed the deployment meanwhile. Look at what is there now, then decide again.",
    "denied": "A rule forbids it: ask those who keep it.",
    "unavailable": "Try again in a moment.",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a worker's output; `tells` if it explains what went wrong."""

    text: str
    tells: bool


@dataclass(frozen=True, slots=True)
class OperationView:
    """All of it. `state` is the shape that goes with it: `starting`, `ready` or `failed`.

    `label` is the version that comes up, "" if none does; `before` is what answered until
    then. `is_live` says that there is more to come.
    """

    id: str
    model: str
    environment: str
    what: str
    word: str
    shape: str
    is_live: bool
    began: When
    by: str
    reason: str
    label: str
    before: str
    steps: list[Step]
    sentence: str
    told: str
    remedy: str
    code: str
    log: list[Line]
    mark: Mark | None
    config: list[tuple[str, str]]
    version: int | None


def operation_view(page: Page, operation_id: str) -> OperationView:
    """The operation as it is now. Raises NotFound, also after a restart."""
    operation = page.services.deployer.operations.get(operation_id)
    with operation.changed:
        ended, error, events = operation.ended, operation.error, tuple(operation.events)
    index = page.services.registry.index
    number = _number(page, operation)
    states = page.services.observer.states(operation.environment, operation.model)
    found = page.services.registry.deployment(operation.environment, operation.model)
    before = _before(operation, found[0].version if found else None)
    label = called(index, operation.model, number) if number else ""
    was = called(index, operation.model, before) if before else ""
    draining = sum(s.in_flight for s in states if s.number == before and not s.active)
    leaves = any(s.leaving for s in states)
    is_live = not ended or (error is None and (draining > 0 or leaves))
    how_far = steps(events, error, number, was, draining=draining, leaves=leaves, ended=ended)
    config = operation.change.config if isinstance(operation.change, Deploy) else None
    logged = _logged(page, operation, error)
    return OperationView(
        id=operation.id,
        model=operation.model,
        environment=operation.environment,
        what=operation.what,
        word=_word(ended, error),
        shape="failed" if error else "ready" if ended else "starting",
        is_live=is_live,
        began=page.when(events[0].time),
        by=operation.actor.name if operation.actor else "",
        reason=operation.reason,
        label=label,
        before=was,
        steps=how_far,
        sentence=_sentence(operation, label, was, states, before, error=error, ended=ended),
        told=str(error)
        if isinstance(error, MusterError)
        else "Something went wrong in the server; its log says what."
        if error
        else "",
        remedy=_remedy(error),
        code=error.code if isinstance(error, MusterError) else "internal" if error else "",
        log=_lines(error, states, number),
        mark=page.mark(logged) if logged else None,
        config=list(settings(config).items()) if config else [],
        version=number,
    )


def _number(page: Page, operation: Operation) -> int | None:
    """The version that comes up."""
    match operation.change:
        case Deploy(_, number):
            return number
        case RollBack(to=to) if to is not None:
            return to
        case RollBack(model, number, environment):
            logged = operation.recorded.logged if operation.recorded else None
            if logged is not None:
                return int(logged.entry.deployed) if logged.entry.deployed not in (None, "none") else None
            found = page.services.registry.deployment(environment, model)
            back = found[0].earlier if found and found[0].version == number else ()
            return back[0].version if back else None
    return None


def _before(operation: Operation, now: int | None) -> int | None:
    """The version that answered when it began."""
    logged = operation.recorded.logged if operation.recorded else None
    if isinstance(operation.change, RollBack):
        return operation.change.number
    if logged is None:
        return now
    if operation.kind == "undeploy":
        return logged.entry.number
    return logged.entry.also[0] if logged.entry.also else None


def _word(ended: bool, error: Exception | None) -> str:
    if isinstance(error, DidNotStart):
        return "Did not start"
    if error is not None:
        return "Refused" if isinstance(error, MusterError) else "Broke off"
    return "Done" if ended else "Under way"


def _logged(page: Page, operation: Operation, error: Exception | None) -> Logged | None:
    """The change that it made; one that failed left a note of that."""
    if operation.recorded is not None:
        return operation.recorded.logged
    if not isinstance(error, DidNotStart):
        return None
    wanted = ChangeFilter(
        model=operation.model,
        environment=operation.environment,
        kinds=("deploy-failed",),
        since=operation.events[0].time,
    )
    return next(iter(page.services.registry.index.changes(wanted, limit=1)), None)


# ------------------------------------------------------------ in words


def _sentence(
    operation: Operation,
    label: str,
    was: str,
    states: Sequence[InstanceState],
    before: int | None,
    *,
    error: Exception | None,
    ended: bool,
) -> str:
    """How it stands, and what was not touched."""
    where = operation.environment
    if error is not None:
        return (
            f"Traffic was never touched: {where} still has {was}."
            if was
            else f"Nothing was touched: {where} still has nothing of it."
        )
    if not ended:
        old = next((s for s in states if s.number == before and s.active), None)
        if old is not None:
            served = f"{old.requests:,} requests, {old.errors:,} errors"
            return f"{was} still answers: {served}. You may leave this page."
        return "You may leave this page: it goes on without you."
    if not label:
        return f"Nothing of {operation.model} answers in {where} now."
    active = next((s for s in states if s.active and s.health == "ready"), None)
    if active is None:
        return f"{label} is declared in {where}; nothing of it runs here."
    warm = next((s for s in states if not s.active and not s.leaving and s.number == before), None)
    kept = f" {was} stands by, warm, to roll back to." if warm is not None and was else ""
    return f"{label} answers in {where}.{kept}"


def _remedy(error: Exception | None) -> str:
    if not isinstance(error, MusterError):
        return ""
    kinds = (kind.code for kind in type(error).__mro__ if issubclass(kind, MusterError))
    return next((_REMEDY[code] for code in kinds if code in _REMEDY), "")


def _lines(error: Exception | None, states: Sequence[InstanceState], number: int | None) -> list[Line]:
    """What the worker of the version that comes up has written last."""
    if isinstance(error, DidNotStart):
        text = error.output
    else:
        text = next((s.output for s in states if s.number == number and not s.leaving), "")
    failed = error is not None
    return [Line(line, failed and bool(_TELLING.search(line))) for line in text.splitlines()[-_LOG:]]
