"""Deployments under way: one at a time for a model in an environment, each followed step by step."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from muster.domain.changes import Actor, Change
from muster.domain.errors import MusterError, NotFound, UnderWay
from muster.domain.messages import rfc3339
from muster.domain.records import Json
from muster.service.ports import Clock
from muster.service.submissions import Recorded

Step = Literal["checking", "preparing", "starting", "ready", "recorded", "switched", "done", "failed"]
KEPT: Final = 1000  # operations remembered after they ended


@dataclass(frozen=True, slots=True)
class Event:
    """A step of an operation: `number` counts from 1, `detail` is a sentence or empty."""

    number: int
    step: Step
    time: datetime
    detail: str = ""


@dataclass(slots=True)
class Operation:
    """A deployment, rollback or undeployment that somebody asked for: `change`, by `actor`, for `reason`.

    `model` is the first of its `models`, of which a release has several.
    `recorded` is there once it has ended well, `error` once it has failed. Read
    it with `Operations.view` or `wait`; only the deployer writes it.
    """

    id: str
    kind: str
    environment: str
    models: tuple[str, ...]
    what: str
    change: Change | None = None
    actor: Actor | None = None
    reason: str = ""
    events: list[Event] = field(default_factory=list)
    recorded: Recorded | None = None
    error: Exception | None = None
    ended: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)
    listeners: list[Callable[[], None]] = field(default_factory=list)

    @property
    def model(self) -> str:
        """The model that it is about, or the first of them."""
        return self.models[0]

    def wait(self, timeout_s: float | None = None) -> bool:
        """Block until it has ended; whether it has."""
        with self.changed:
            return self.changed.wait_for(lambda: self.ended, timeout_s)

    def result(self) -> Recorded:
        """Block until it has ended; what was recorded, or the error raised."""
        self.wait()
        if self.error is not None:
            raise self.error
        assert self.recorded is not None
        return self.recorded

    def view(self) -> dict[str, Json]:
        """It as the API shows it."""
        with self.changed:
            shown: dict[str, Json] = {
                "id": self.id,
                "kind": self.kind,
                "environment": self.environment,
                "model": self.model,
                "models": list(self.models),
                "what": self.what,
                "state": self.events[-1].step if self.events else "checking",
                "ended": self.ended,
                "events": [event_view(event) for event in self.events],
                "commit": self.recorded.commit if self.recorded else None,
            }
            if isinstance(self.error, MusterError):
                shown["error"] = {
                    "code": self.error.code,
                    "message": self.error.message,
                    **self.error.facts(),
                }
            return shown


def event_view(event: Event) -> dict[str, Json]:
    """A step as the API shows it."""
    return {"number": event.number, "step": event.step, "time": rfc3339(event.time), "detail": event.detail}


class Operations:
    """Those under way and the last that ended; safe from any thread. A restart forgets them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._all: dict[str, Operation] = {}
        self._busy: dict[tuple[str, str], Operation] = {}

    def begin(
        self,
        kind: str,
        environment: str,
        models: tuple[str, ...],
        what: str,
        change: Change | None = None,
        actor: Actor | None = None,
        reason: str = "",
    ) -> Operation:
        """Claim the models in that environment, all or none.

        Raises:
            UnderWay: another operation has it.
        """
        operation = Operation(uuid.uuid4().hex, kind, environment, models, what, change, actor, reason)
        with self._lock:
            for model in models:
                if (busy := self._busy.get((environment, model))) is not None:
                    raise UnderWay(environment, model, busy.what, busy.id)
            self._busy |= {(environment, model): operation for model in models}
            self._all[operation.id] = operation
            for old in [key for key, item in self._all.items() if item.ended][
                : max(0, len(self._all) - KEPT)
            ]:
                del self._all[old]
        self.step(operation, "checking")
        return operation

    def answered(self, kind: str, environment: str, models: tuple[str, ...], recorded: Recorded) -> Operation:
        """An operation that ended before: its request was made again."""
        operation = Operation(uuid.uuid4().hex, kind, environment, models, "as answered before")
        operation.recorded, operation.ended = recorded, True
        with self._lock:
            self._all[operation.id] = operation
        self.step(operation, "done", "as answered before")
        return operation

    def step(self, operation: Operation, step: Step, detail: str = "") -> None:
        """Note how far it has come."""
        with operation.changed:
            self._note(operation, step, detail)
        self._tell(operation)

    def end(self, operation: Operation, recorded: Recorded | None, error: Exception | None = None) -> None:
        """Let the model go; everyone who waits hears of it."""
        with self._lock:
            for model in operation.models:
                self._busy.pop((operation.environment, model), None)
        with operation.changed:
            # At once: who sees that it has ended finds the last event there.
            operation.recorded, operation.error, operation.ended = recorded, error, True
            self._note(operation, "failed" if error else "done", str(error) if error else "")
        self._tell(operation)

    def _note(self, operation: Operation, step: Step, detail: str) -> None:
        operation.events.append(Event(len(operation.events) + 1, step, self._clock(), detail))
        operation.changed.notify_all()

    def _tell(self, operation: Operation) -> None:
        with operation.changed:
            listeners = tuple(operation.listeners)
        for listener in listeners:
            listener()

    def get(self, operation_id: str) -> Operation:
        """By its id. Raises NotFound (also after a restart of the server)."""
        with self._lock:
            operation = self._all.get(operation_id)
        if operation is None:
            raise NotFound(
                "operation", f"{operation_id} (they are forgotten at a restart; the history is not)"
            )
        return operation

    def under_way(self) -> Iterator[Operation]:
        """Those that have not ended."""
        with self._lock:
            yield from tuple({each.id: each for each in self._busy.values()}.values())

    def at(self, environment: str, model: str) -> Operation | None:
        """The one that is under way for the model there."""
        with self._lock:
            return self._busy.get((environment, model))

    def busy(self, environment: str, model: str) -> bool:
        """Whether one is under way for the model there."""
        return self.at(environment, model) is not None
