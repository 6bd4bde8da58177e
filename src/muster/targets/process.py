"""The embedded target: each version in worker processes of its own on this machine."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from muster.domain.errors import MusterError, NoRuntime, Unavailable
from muster.service.ports import Clock, Listener, Routes
from muster.service.values import Desired, Instance, InstanceState, Program
from muster.targets.folders import WorkerFolders
from muster.targets.place import Place
from muster.targets.pool import Surroundings, Timing
from muster.targets.variables import unresolved

# Where a kill may strike between two steps of the target's, as the torture test names them.
CRASH_POINTS: Final = ("worker-spawned", "worker-ready", "switched", "drained")
_CLOSED: Final = "This server is stopping"

Tell = Callable[[str], None]


def _now() -> datetime:
    return datetime.now(UTC)


def _no_crash(point: str) -> None:
    """What happens at a named crash point outside of the crash tests."""


class ProcessTarget:
    """Implements `Target`. Close it, and no worker stays; if it is killed, none stays either.

    Everything happens on one thread that lives as long as this object, because
    the kernel ends a worker when the thread that spawned it ends.

    `artifact` gives the local file with a sha256; `runtime_for` names the runtime
    for an instance or raises NoRuntime; `program_for` says how its workers are
    started, and may take minutes to make that possible; `environ` is the server's environment;
    `on_transition` is called on a thread of its own, one call at a time, after
    every change of what runs where. `crash` is called with the name of each of
    `CRASH_POINTS` between two steps.
    """

    def __init__(
        self,
        *,
        artifact: Callable[[str], Path],
        run_dir: Path,
        routes: Routes,
        runtime_for: Callable[[Instance], str],
        program_for: Callable[[Instance, Tell], Program],
        on_transition: Listener,
        environ: Mapping[str, str],
        timing: Timing | None = None,
        clock: Clock = _now,
        crash: Callable[[str], None] = _no_crash,
    ) -> None:
        self._routes = routes
        self._runtime_for = runtime_for
        self._program_for = program_for
        self._on_transition = on_transition
        self._folders = WorkerFolders(run_dir / "workers", artifact)
        self._around = Surroundings(program_for, self._folders, environ, timing or Timing(), clock, crash)
        self._keys = itertools.count(1)
        self._places: dict[tuple[str, str], Place] = {}
        self._closed = False
        self._announcing = ThreadPoolExecutor(1, "muster-transitions")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="muster-target", daemon=True)
        self._thread.start()

    def apply(self, desired: Desired) -> None:
        """Returns when the traffic goes where it can go at once: to a warm version it has switched.

        Raises:
            NoRuntime: nothing was changed.
            Unavailable: the target is closed.
        """
        for instance in (*filter(None, [desired.active]), *desired.warm):
            if instance.files:
                self._runtime_for(instance)
        if self._closed:
            raise Unavailable(_CLOSED)
        asyncio.run_coroutine_threadsafe(self._arrange(desired), self._loop).result(timeout=30)

    def objections(self, desired: Desired) -> tuple[MusterError, ...]:
        against: list[MusterError] = [Unavailable(_CLOSED)] if self._closed else []
        for instance in (*filter(None, [desired.active]), *desired.warm):
            if instance.files:
                try:
                    self._runtime_for(instance)
                except NoRuntime as objection:
                    against.append(objection)
                against += unresolved(instance.config, self._around.environ)
        return tuple(against)

    def prepare(self, instance: Instance, tell: Tell) -> None:
        self._runtime_for(instance)
        self._program_for(instance, tell)

    def observe(self, environment: str, model: str) -> tuple[InstanceState, ...]:
        place = self._places.get((environment, model))
        return place.observe() if place else ()

    def close(self) -> None:
        """Stop every worker, and wait until all have ended. Doing it twice does no harm."""
        if self._closed:
            return
        self._closed = True
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._announcing.shutdown()
        self._folders.close()

    async def _arrange(self, desired: Desired) -> None:
        at = (desired.environment, desired.model)
        if at not in self._places:
            self._places[at] = Place(*at, self._around, self._routes, self._next_key, self._announce)
        self._places[at].arrange(desired)

    async def _close(self) -> None:
        await asyncio.gather(*(place.close() for place in self._places.values()))

    def _next_key(self) -> str:
        return str(next(self._keys))

    def _announce(self, environment: str, model: str) -> None:
        # Not here: the listener may well call `apply`, which waits for this thread.
        self._announcing.submit(self._on_transition, environment, model)
