"""A place for one worker in a pool: who works there now, and how it went before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from muster.service.ports import Routes
from muster.service.values import Health, WorkerState
from muster.targets.worker_process import Output, WorkerProcess


class Replica:
    """Written on the event loop's thread; `state` may be called on any."""

    def __init__(self, number: int, output: Output) -> None:
        """`number` counts from 1; what its workers write goes to `output`, too."""
        self.number = number
        self.output = Output(within=output)
        self.worker: WorkerProcess | None = None  # from its start to its end
        self.ready_since: datetime | None = None
        self.restarts = 0
        self.failed = False  # too often in a row, until one is ready again
        self.reason = ""
        self.next_start: datetime | None = None  # None too where it was given up

    @property
    def ready(self) -> WorkerProcess | None:
        """The worker, if it is ready."""
        return self.worker if self.ready_since is not None else None

    @property
    def health(self) -> Health:
        if self.ready_since is not None:
            return "ready"
        return "failed" if self.failed else "starting"

    def is_ready(self, since: datetime) -> None:
        """Its worker takes requests from now on."""
        self.ready_since, self.failed, self.reason = since, False, ""

    def has_ended(self, why: str, *, failed: bool) -> None:
        """Its worker is gone, or none could be started."""
        self.worker, self.ready_since = None, None
        self.reason, self.failed = why, failed

    def starts_again(self) -> None:
        """Another worker is to come."""
        self.restarts += 1
        self.next_start = None

    def state(self, key: str, routes: Routes, redact: Callable[[str], str]) -> WorkerState:
        """What is to be seen of it; `key` is the pool's."""
        worker = self.worker
        usage = routes.usage(key, worker.socket if worker else "")
        return WorkerState(
            replica=self.number,
            health=self.health,
            process=worker.pid if worker else None,
            ready_since=self.ready_since,
            restarts=self.restarts,
            next_start=self.next_start,
            reason=redact(self.reason),
            output=redact(self.output.text()),
            requests=usage.requests,
            errors=usage.errors,
            latency_ms=usage.latency_ms,
        )
