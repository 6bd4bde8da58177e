"""What one model has in one environment: its pools, and which of them gets the traffic."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from muster.service.ports import Routes
from muster.service.values import Desired, Endpoint, Instance, InstanceState
from muster.targets.pool import Pool, Surroundings

_POLL_S = 0.02


class Place:
    """Moves towards the last `Desired` it was given. On one event loop's thread, but for `observe`."""

    def __init__(
        self,
        environment: str,
        model: str,
        around: Surroundings,
        routes: Routes,
        next_key: Callable[[], str],
        on_transition: Callable[[str, str], None],
    ) -> None:
        self._environment, self._model = environment, model
        self._around = around
        self._routes = routes
        self._next_key = next_key
        self._on_transition = on_transition
        self._desired = Desired(environment, model, position=-1)
        self._pools: tuple[Pool, ...] = ()
        self._leaving: dict[Pool, asyncio.Task[None]] = {}  # those that finish their requests
        self._ending: set[asyncio.Task[None]] = set()  # of those past that
        self._traffic: Pool | None = None
        self._routed: Endpoint | None = None
        self._shown: tuple[object, ...] = ()

    def arrange(self, desired: Desired) -> None:
        """Take over `desired`, unless a newer one was given before."""
        if desired.position < self._desired.position:
            return
        self._desired = desired
        kept = tuple(pool for pool in self._pools if not self._tried_in_vain(pool))
        for pool in set(self._pools) - set(kept):
            self._leave(pool)
        self._pools = kept
        for instance in self._wanted():
            if self._pool(instance) is None:
                self._pools += (self._come_back(instance) or self._new(instance),)
        self._settle()

    def observe(self) -> tuple[InstanceState, ...]:
        """May be called on any thread."""
        traffic, active = self._traffic, self._desired.active
        states = [pool.state(pool is traffic, self._routes) for pool in self._pools]
        states += [replace(pool.state(False, self._routes), leaving=True) for pool in tuple(self._leaving)]
        if active is not None and not active.files:
            states.append(InstanceState(active.number, active.config, "recorded", active=True))
        return tuple(sorted(states, key=lambda state: not state.active))

    async def close(self) -> None:
        """Stop every worker."""
        self._route(None)
        for task in self._leaving.values():
            task.cancel()
        pools, self._pools, self._traffic = [*self._pools, *self._leaving], (), None
        self._leaving.clear()
        await asyncio.gather(*(pool.stop() for pool in pools), *self._ending)

    def _wanted(self) -> list[Instance]:
        instances = [*filter(None, [self._desired.active]), *self._desired.warm]
        return [instance for instance in instances if instance.files]

    def _pool(self, instance: Instance | None) -> Pool | None:
        return next((pool for pool in self._pools if pool.instance == instance), None)

    def _new(self, instance: Instance) -> Pool:
        return Pool(self._next_key(), instance, self._desired.position, self._around, self._settle)

    def _come_back(self, instance: Instance) -> Pool | None:
        """One that was to leave and still finishes its requests, as if it had never been told to."""
        for pool, task in self._leaving.items():
            if pool.instance == instance and pool.health != "failed":
                task.cancel()
                del self._leaving[pool]
                pool.position = self._desired.position
                return pool
        return None

    def _tried_in_vain(self, pool: Pool) -> bool:
        """Whether a newer commit asks again for what failed under an older one."""
        return pool.health == "failed" and pool.position < self._desired.position

    def _settle(self) -> None:
        """Send the traffic where it belongs, and let go of what is not wanted."""
        active = self._pool(self._desired.active)
        if active is not None:
            active.persist()
        before = self._traffic
        # The version that serves goes on until the new one is ready. If none
        # serves, requests wait for the new one.
        if active is None or active.health == "ready" or before not in self._pools:
            self._traffic = active
        self._route(self._traffic.endpoint if self._traffic else None)
        if self._traffic is not before:
            self._around.crash("switched")
        wanted = self._wanted()
        gone = [pool for pool in self._pools if pool.instance not in wanted and pool is not self._traffic]
        self._pools = tuple(pool for pool in self._pools if pool not in gone)
        for pool in gone:
            self._leave(pool)
        shown = tuple((pool.key, pool.health, pool is self._traffic) for pool in self._pools)
        if shown != self._shown:
            self._shown = shown
            self._on_transition(self._environment, self._model)

    def _route(self, endpoint: Endpoint | None) -> None:
        if endpoint != self._routed:
            self._routed = endpoint
            self._routes.switch(self._environment, self._model, endpoint)

    def _leave(self, pool: Pool) -> None:
        self._leaving[pool] = asyncio.create_task(self._drain(pool))

    async def _drain(self, pool: Pool) -> None:
        """Stop the workers once their requests have ended, or their time is up."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._around.timing.drain_timeout_s
        while self._routes.usage(pool.key).in_flight and loop.time() < deadline:
            await asyncio.sleep(_POLL_S)
        # From here on there is no way back.
        del self._leaving[pool]
        ending = asyncio.current_task()
        assert ending is not None
        self._ending.add(ending)
        self._around.crash("drained")
        await pool.stop()
        self._around.folders.remove(pool.key)
        self._routes.forget(pool.key)
        self._ending.discard(ending)
