"""The workers of one instance: started, kept running, given up on. On one event loop's thread only."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from muster.domain.errors import DidNotStart, MusterError
from muster.domain.records import Fields
from muster.service.ports import Clock
from muster.service.values import Endpoint, Health, Instance, InstanceState, Program, Usage
from muster.targets.folders import WorkerFolders
from muster.targets.variables import Variables, variables_for
from muster.targets.worker_process import Output, WorkerProcess


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a process target waits for what, and how often it tries."""

    start_timeout_s: float = 120.0  # until a started worker must be ready
    drain_timeout_s: float = 60.0  # that requests have to end when their version leaves
    stop_timeout_s: float = 10.0  # between asking a worker to end and killing it
    attempts: int = 5  # starts in a row that may fail before it counts as failed
    first_backoff_s: float = 0.2  # after the second failure in a row; then doubled
    last_backoff_s: float = 10.0
    again_s: float = 30.0  # after it was given up, until what gets the traffic is tried once more
    stable_s: float = 30.0  # a worker that was ready for so long begins a new row
    probe_s: float = 5.0  # between two questions whether a worker lives, and for one answer
    silent_s: float = (
        30.0  # a worker that gives no answer for so long is killed; or its `timeout_s`, if longer
    )


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
        self.patient = False  # try again even before it was ever ready: traffic waits for it
        self._around = around
        self._changed = changed
        self._workers: dict[int, WorkerProcess] = {}  # those running, by replica
        self._ready: tuple[WorkerProcess, ...] = ()
        self._attempts = itertools.count(1)
        self._output = Output()
        self._variables = Variables({}, ())
        self._reason = ""
        self._failed = False
        self._restarts = 0
        self._ready_since: datetime | None = None
        self._runtime: str | None = None
        self._signature: Fields | None = None
        self._tasks = [
            asyncio.create_task(self._keep(replica), name=f"{instance.model_id} {replica}")
            for replica in range(instance.config.replicas)
        ]

    @property
    def health(self) -> Health:
        if self.complete and self._ready:
            return "ready"
        return "failed" if self._failed else "starting"

    @property
    def endpoint(self) -> Endpoint:
        """Where to send requests now."""
        instance = self.instance
        sockets = tuple(worker.socket for worker in self._ready)
        return Endpoint(self.key, instance.number, instance.model_id, instance.config.timeout_s, sockets)

    def state(self, active: bool, usage: Usage) -> InstanceState:
        """May be called on any thread."""
        ready = self._ready
        return InstanceState(
            number=self.instance.number,
            config=self.instance.config,
            health=self.health,
            active=active,
            reason=self._variables.redact(self._reason),
            output=self._variables.redact(self._output.text()),
            process=ready[0].pid if ready else None,
            ready_since=self._ready_since if ready else None,
            restarts=self._restarts,
            requests=usage.requests,
            errors=usage.errors,
            latency_ms=usage.latency_ms,
            runtime=self._runtime,
            signature=self._signature,
            in_flight=usage.in_flight,
        )

    async def stop(self) -> None:
        """End every worker; the pool is of no use afterwards."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(
            *(worker.stop(self._around.timing.stop_timeout_s) for worker in self._workers.values())
        )

    async def _keep(self, replica: int) -> None:
        """Keep one worker running, until it has failed too often; if it gets the traffic, even then."""
        timing, loop = self._around.timing, asyncio.get_running_loop()
        failures = 0
        while True:
            try:
                worker = await self._start(replica)
            except (MusterError, OSError) as error:
                self._reason = str(error)
            else:
                since = loop.time()
                hung = await self._watch(worker)
                self._ready = tuple(other for other in self._ready if other is not worker)
                self._reason = hung or worker.how_it_ended()
                if loop.time() - since >= timing.stable_s:
                    failures = 0
            self._workers.pop(replica, None)
            failures += 1
            if failures >= (timing.attempts if self.complete or self.patient else 1):
                self._failed = True
                self._changed()
                if not self.patient:
                    return
                await asyncio.sleep(timing.again_s)  # the cause may have gone: memory, a secret's file
                self._restarts += 1
                continue
            self._restarts += 1
            self._changed()
            if failures > 1:  # the first time at once: requests are waiting
                await asyncio.sleep(min(timing.first_backoff_s * 2 ** (failures - 2), timing.last_backoff_s))

    async def _start(self, replica: int) -> WorkerProcess:
        """A worker that is ready. Raises DidNotStart, NotFound, Unavailable, OSError."""
        around, instance = self._around, self.instance
        program = await self._program()
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
        worker = WorkerProcess.start(program.command, job, folder, self._variables.all, self._output)
        self._workers[replica] = worker
        around.crash("worker-spawned")
        await worker.ready(around.timing.start_timeout_s)
        if self._signature is None:
            await self._describe(worker)
        around.crash("worker-ready")
        self._ready = (*self._ready, worker)
        if len(self._ready) == instance.config.replicas:
            self.complete, self._failed, self._reason = True, False, ""
        if len(self._ready) == 1:
            self._ready_since = around.clock()
        self._changed()
        return worker

    async def _program(self) -> Program:
        """How to start a worker; what it needs is built first, should it be gone. As `_start` raises."""

        def tell(sentence: str) -> None:
            self._output.add(f"{sentence}\n".encode())

        try:
            return await asyncio.to_thread(self._around.program_for, self.instance, tell)
        except DidNotStart as error:
            self._output.add(error.output.encode())
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
