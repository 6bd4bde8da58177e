"""A target in memory that obeys the `Target` protocol: level-driven, told what to keep by position."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from muster.domain.errors import MusterError, NoRuntime, Unavailable
from muster.service.values import Desired, Health, Instance, InstanceState

Place = tuple[str, str]


@dataclass
class MemoryTarget:
    """Runs versions without running anything.

    A version whose number is in `broken` fails for that reason, one in `slow`
    starts until it is `finished`, one in `foreign` has no runtime. `on_start` is
    called once, when the next instance is started; `listener` at every transition.
    """

    broken: dict[int, str] = field(default_factory=dict)
    slow: set[int] = field(default_factory=set)
    foreign: set[int] = field(default_factory=set)
    preparing: tuple[str, ...] = ()
    down: bool = False
    on_start: Callable[[], None] | None = None
    listener: Callable[[str, str], None] = lambda environment, model: None
    switches: list[int | None] = field(default_factory=list)
    started: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._desired: dict[Place, Desired] = {}
        self._states: dict[Place, list[tuple[Instance, InstanceState]]] = {}

    def apply(self, desired: Desired) -> None:
        place = (desired.environment, desired.model)
        wanted = [each for each in (desired.active, *desired.warm) if each is not None]
        with self._lock:
            if self.down:
                raise Unavailable("the target does not answer")
            if foreign := [each.model_id for each in wanted if each.number in self.foreign]:
                raise NoRuntime(f"no runtime serves {foreign[0]}")
            before = self._desired.get(place)
            if before is not None and desired.position < before.position:
                return
            self._desired[place] = desired
            there = self._states.get(place, [])
            fresh = [each for each in wanted if all(each != instance for instance, _ in there)]
            there = [(i, s) for i, s in there if i in wanted] + [(i, self._start(i)) for i in fresh]
            self._states[place] = [(i, replace(s, active=i == desired.active)) for i, s in there]
            now = desired.active.number if desired.active else None
            if before is None or before.active != desired.active:
                self.switches.append(now)
        self.listener(*place)
        if fresh:
            hook, self.on_start = self.on_start, None
            if hook is not None:
                hook()

    def objections(self, desired: Desired) -> tuple[MusterError, ...]:
        against: list[MusterError] = [Unavailable("the target does not answer")] if self.down else []
        wanted = [each for each in (desired.active, *desired.warm) if each is not None]
        against += [
            NoRuntime(f"no runtime serves {each.model_id}") for each in wanted if each.number in self.foreign
        ]
        return tuple(against)

    def prepare(self, instance: Instance, tell: Callable[[str], None]) -> None:
        for sentence in self.preparing:
            tell(sentence)

    def observe(self, environment: str, model: str) -> tuple[InstanceState, ...]:
        with self._lock:
            states = [state for _, state in self._states.get((environment, model), [])]
        return tuple(sorted(states, key=lambda state: not state.active))

    def running(self, environment: str, model: str) -> list[tuple[int, bool]]:
        """(number, whether it has the traffic) of all that is there, the active one first."""
        return [(state.number, state.active) for state in self.observe(environment, model)]

    def finish(self, environment: str, model: str, number: int) -> None:
        """The slow version has become ready."""
        self.slow.discard(number)
        self.become(environment, model, number, "ready")

    def become(
        self, environment: str, model: str, number: int, health: Health, reason: str = "", **more: Any
    ) -> None:
        """The version there is in that state from now on; `more` are other fields of it."""
        place = (environment, model)
        with self._lock:
            self._states[place] = [
                (i, replace(s, health=health, reason=reason, **more) if i.number == number else s)
                for i, s in self._states.get(place, [])
            ]
        self.listener(*place)

    def _start(self, instance: Instance) -> InstanceState:
        self.started.append(instance.number)
        if instance.number in self.broken:
            reason = self.broken[instance.number]
            return InstanceState(
                instance.number, instance.config, "failed", reason=reason, output=f"Traceback: {reason}"
            )
        health: Health = "starting" if instance.number in self.slow else "ready"
        return InstanceState(instance.number, instance.config, health)
