"""The workers of one instance: started, kept running, given up on. On one event loop's thread only."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from muster.domain.errors import DidNotStart, MusterError
from muster.domain.records import Fields
from muster.service.ports import Clock, Routes
from muster.service.values import Endpoint, Health, Instance, InstanceState, Program
from muster.targets.folders import WorkerFolders
from muster.targets.replica import Replica
from muster.targets.variables import Variables, variables_for
from muster.targets.worker_process import Output, WorkerProcess


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a process target waits for what, and how often it tries."""

    start_timeout_s: float = 120.0  # until a started worker must be ready
    drain_timeout_s: float = 60.0  # that requests have to end when their version leaves
    stop_timeout_s: float = 10.0  # between asking a worker to end and killing it
    attempts: int = 5  # starts in a row that may fail before it counts as failed
    first_backoff_s: float = 0.2  # after the second failure in a row; doubled after each that follows
    last_backoff_s: float = 30.0  # and never longer
    stable_s: float = 30.0  # a worker that was ready for so long begins a new row
    probe_s: float = 5.0  # between two questions whether a worker lives, and for one answer
    silent_s: float = (
        30.0  # a worker that gives no answer for so long is killed; or its `timeout_s`, if longer
    )

    def pause_s(self, failures: int) -> float:
        """Seconds until a worker is started again that failed so often in a row.

        None after the first time: requests are waiting. The cause of many may
        pass, as of memory that is short: the longer it lasts, the less is tried.
        """
        if failures < 2:
            return 0.0
        # The exponent is bounded: it may go on for years.
        return min(self.first_backoff_s * 2.0 ** min(failures - 2, 30), self.last_backoff_s)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every pool of a target needs."""

    program_for: Callable[[Instance, Callable[[str], None]], Program]
    folders: WorkerFolders
    environ: Mapping[str, str]
    timing: Timing
    clock: Clock
    crash: Callable[[str], None]


class Pool:
    """The workers of one instance. `changed` is called after every change of its state."""

    def __init__(
        self, key: str, instance: Instance, position: int, around: Surroundings, changed: Callable[[], None]
    ) -> None:
        self.key = key
        self.instance = instance
        self.position = position
        self.complete = False  # every replica was ready at the same time
        self._patient = False
        self._around = around
        self._changed = changed
        self._attempts = itertools.count(1)
        self._output = Output()
        self._replicas = [Replica(number + 1, self._output) for number in range(instance.config.replicas)]
        self._variables = Variables({}, ())
        self._ready_since: datetime | None = None
        self._runtime: str | None = None
        self._signature: Fields | None = None
        self._tasks = [self._kept(replica) for replica in self._replicas]

    def _kept(self, replica: Replica) -> asyncio.Task[None]:
        return asyncio.create_task(self._keep(replica), name=f"{self.instance.model_id} {replica.number}")

    def persist(self) -> None:
        """Never give up on a worker from now on, nor on one given up before: traffic waits for them."""
        self._patient = True
        self._tasks = [
            self._kept(replica) if task.done() else task
            for replica, task in zip(self._replicas, self._tasks, strict=True)
        ]

    @property
    def health(self) -> Health:
        if self.complete and self._ready():
            return "ready"
        return "failed" if any(replica.failed for replica in self._replicas) else "starting"

    @property
    def endpoint(self) -> Endpoint:
        """Where to send requests now."""
        instance = self.instance
        sockets = tuple(worker.socket for worker in self._ready())
        return Endpoint(self.key, instance.number, instance.model_id, instance.config.timeout_s, sockets)

    def _ready(self) -> list[WorkerProcess]:
        return [worker for replica in self._replicas if (worker := replica.ready) is not None]

    def state(self, active: bool, routes: Routes) -> InstanceState:
        """May be called on any thread."""
        ready, usage = self._ready(), routes.usage(self.key)
        # What is failed tells more than what only starts.
        worst = sorted(self._replicas, key=lambda replica: not replica.failed)
        coming = [replica.next_start for replica in self._replicas if replica.next_start is not None]
        return InstanceState(
            number=self.instance.number,
            config=self.instance.config,
            health=self.health,
            active=active,
            reason=self._variables.redact(next((each.reason for each in worst if each.reason), "")),
            output=self._variables.redact(self._output.text()),
            process=ready[0].pid if ready else None,
            ready_since=self._ready_since if ready else None,
            restarts=sum(replica.restarts for replica in self._replicas),
            requests=usage.requests,
            errors=usage.errors,
            latency_ms=usage.latency_ms,
            runtime=self._runtime,
            signature=self._signature,
            in_flight=usage.in_flight,
            next_start=min(coming) if coming and not ready else None,
            workers=tuple(each.state(self.key, routes, self._variables.redact) for each in self._replicas),
        )

    async def stop(self) -> None:
        """End every worker; the pool is of no use afterwards."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        workers = [replica.worker for replica in self._replicas if replica.worker is not None]
        await asyncio.gather(*(worker.stop(self._around.timing.stop_timeout_s) for worker in workers))

    async def _keep(self, replica: Replica) -> None:
        """Keep one worker running, until it has failed too often; if it gets the traffic, even then."""
        timing, loop = self._around.timing, asyncio.get_running_loop()
        failures = 0
        while True:
            try:
                worker = await self._start(replica)
            except (MusterError, OSError) as error:
                why = str(error)
                if replica.worker is not None:
                    await replica.worker.stop(0)  # it came up, but not as it should
            else:
                since = loop.time()
                hung = await self._watch(worker)
                why = hung or worker.how_it_ended()
                if loop.time() - since >= timing.stable_s:
                    failures = 0
            failures += 1
            failed = failures >= (timing.attempts if self.complete or self._patient else 1)
            replica.has_ended(why, failed=failed)
            self._changed()  # by which the traffic may come to wait for this pool
            if failed and not self._patient:
                return
            pause_s = timing.pause_s(failures)
            replica.next_start = self._around.clock() + timedelta(seconds=pause_s)
            await asyncio.sleep(pause_s)
            replica.starts_again()

    async def _start(self, replica: Replica) -> WorkerProcess:
        """A worker that is ready. Raises DidNotStart, NotFound, Unavailable, OSError."""
        around, instance = self._around, self.instance
        program = await self._program(replica.output)
        self._variables = variables_for(instance.config, around.environ, program)
        folder = around.folders.make(self.key, instance.files)
        job = {
            "socket": around.folders.socket(self.key, next(self._attempts)),
            "folder": str(folder),
            "files": [file.path for file in instance.files],
            "model": instance.model,
            "model_id": instance.model_id,
            "number": instance.number,
            "runtime": instance.config.runtime,
            "threads": instance.config.threads,
            "timeout_s": instance.config.timeout_s,
            "allow_pickle": instance.allow_pickle,
            "lock": program.lock,
            "parent": os.getpid(),
        }
        worker = WorkerProcess.start(program.command, job, folder, self._variables.all, replica.output)
        replica.worker = worker
        around.crash("worker-spawned")
        await worker.ready(around.timing.start_timeout_s)
        if self._signature is None:
            await self._describe(worker)
        around.crash("worker-ready")
        now = around.clock()
        replica.is_ready(now)
        ready = len(self._ready())
        self.complete = self.complete or ready == instance.config.replicas
        if ready == 1:
            self._ready_since = now
        self._changed()
        return worker

    async def _program(self, output: Output) -> Program:
        """How to start a worker; what it needs is built first, should it be gone. As `_start` raises."""

        def tell(sentence: str) -> None:
            output.add(f"{sentence}\n".encode())

        try:
            return await asyncio.to_thread(self._around.program_for, self.instance, tell)
        except DidNotStart as error:
            output.add(error.output.encode())
            raise

    async def _watch(self, worker: WorkerProcess) -> str:
        """Until it has ended. One that hangs is killed: why is then the answer, else ''."""
        timing, loop = self._around.timing, asyncio.get_running_loop()
        # A request may take `timeout_s`, and hold the interpreter's lock all the while.
        patience_s = max(timing.silent_s, self.instance.config.timeout_s)
        answered = loop.time()
        while True:
            await asyncio.wait([worker.ended], timeout=timing.probe_s)
            if worker.ended.done():
                return ""
            if await worker.lives(timing.probe_s):
                answered = loop.time()
            elif loop.time() - answered >= patience_s and not worker.ended.done():
                await worker.stop(0)
                return f"The worker hung: no sign of life for {patience_s:g} s, so it was killed"

    async def _describe(self, worker: WorkerProcess) -> None:
        """Take over what the worker says of its model. Raises DidNotStart, OSError."""
        status, body = await worker.get(f"/v2/models/{quote(self.instance.model, safe='')}")
        if status != 200:
            raise DidNotStart(
                f"The worker does not describe its model (status {status})", self._output.text()
            )
        metadata = json.loads(body)
        self._runtime = metadata.get("parameters", {}).get("runtime")
        self._signature = {
            side: [_field(tensor) for tensor in metadata[side]] for side in ("inputs", "outputs")
        }


def _field(tensor: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": tensor["name"],
        "dtype": tensor["datatype"],
        "shape": [None if size < 0 else size for size in tensor["shape"]],
    }
