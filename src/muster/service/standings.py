"""How what runs stands to what is declared, everywhere at once, kept up by following the change log."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from muster.domain.errors import NotFound
from muster.service.observing import Observer, Status
from muster.service.ports import IndexReads
from muster.service.values import ChangeFilter, Logged

Place = tuple[str, str]  # environment and model

_STEP: Final = 1000  # changes to follow one by one; after more all is looked at anew
_ATTEMPTS: Final = 500
_PLACING: Final = frozenset({"deploy", "rollback", "undeploy"})
_RULES: Final = frozenset({"environment", "delete-environment", "init"})
_RUNNING: Final = frozenset({"ready", "in sync"})
_QUIET: Final = frozenset({"recorded", "starting"})
# What may pass by without a change being recorded at that very moment.
_PASSING: Final = frozenset({"starting", "stopped", "failed"})


@dataclass(frozen=True, slots=True)
class Look:
    """How it stands now: of every place where something is declared or runs, and what did not start.

    `failed` holds, by place, the last attempt to put something there, where that
    failed and nothing was put there since. `troubled` names the places of each
    standing that somebody should look at, `running` counts by environment what runs
    as declared.
    """

    standings: Mapping[Place, Status] = field(default_factory=dict)
    failed: Mapping[Place, Logged] = field(default_factory=dict)
    troubled: Mapping[str, tuple[Place, ...]] = field(default_factory=dict)
    running: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, standings: Mapping[Place, Status], failed: Mapping[Place, Logged]) -> Look:
        """A look at copies of both."""
        troubled: dict[str, list[Place]] = {}
        running: Counter[str] = Counter()
        for place, status in standings.items():
            if status.standing in _RUNNING:
                running[place[0]] += 1
            elif status.standing not in _QUIET:
                troubled.setdefault(status.standing, []).append(place)
        found = {word: tuple(sorted(places)) for word, places in troubled.items()}
        return cls(dict(standings), dict(failed), found, running)


class Standings:
    """Asked often, and by any thread: what did not change since is not looked at again."""

    def __init__(self, index: IndexReads, observer: Observer) -> None:
        self._index = index
        self._observer = observer
        self._lock = threading.Lock()
        self._position: int | None = None
        self._standings: dict[Place, Status] = {}
        self._failed: dict[Place, Logged] = {}
        self._passing: set[Place] = set()
        self._look = Look()

    def look(self) -> Look:
        """How it stands now."""
        with self._lock:
            new = [] if self._position is None else self._index.changes_after(self._position, _STEP)
            if self._position is None or len(new) == _STEP or any(e.entry.kind in _RULES for e in new):
                self._fill()
            elif not self._follow(new):
                return self._look
            self._passing = {at for at, found in self._standings.items() if found.standing in _PASSING}
            self._look = Look.of(self._standings, self._failed)
            return self._look

    def _fill(self) -> None:
        """Look at everything."""
        newest = self._index.newest()
        self._position = newest.position if newest else 0
        there = {environment.name: environment for environment, _ in self._index.environments()}
        self._standings = {
            (found[0].environment, found[0].model): self._observer.judged(
                there[found[0].environment], found[0].model, found
            )
            for found in self._index.deployments()
            if found[0].environment in there
        }
        for undeclared in self._observer.undeclared():
            self._standings[undeclared] = self._observer.status(*undeclared)
        self._failed = {}
        for attempt in self._index.changes(ChangeFilter(kinds=("deploy-failed",)), limit=_ATTEMPTS):
            place = _place(attempt)
            if place is None or place in self._failed or place[0] not in there:
                continue
            last = self._index.last_placing(*place)
            if (last is None or last.position < attempt.position) and self._is_live(attempt):
                self._failed[place] = attempt

    def _follow(self, new: list[Logged]) -> bool:
        """Look again at what `new` is about; whether anything may be otherwise."""
        again = set(self._passing)
        for logged in new:
            self._position = logged.position
        for one in (replace(logged, entry=entry) for logged in new for entry in logged.entry.each):
            entry, place = one.entry, _place(one)
            if entry.kind in ("delete-model", "delete"):
                again |= {each for each in self._standings if each[1] == entry.model}
                self._failed = {at: made for at, made in self._failed.items() if self._is_live(made)}
            elif place is not None:
                again.add(place)
                if entry.kind == "deploy-failed":
                    self._failed[place] = one
                elif entry.kind in _PLACING:
                    self._failed.pop(place, None)
        for place in again:
            try:
                status = self._observer.status(*place)
            except NotFound:  # the environment is gone
                status = Status("none", "")
            if status.standing == "none":
                self._standings.pop(place, None)
            else:
                self._standings[place] = status
        return bool(new or again)

    def _is_live(self, attempt: Logged) -> bool:
        """Whether the version that did not start is still there."""
        model, number = attempt.entry.model, attempt.entry.number
        return model is not None and number is not None and self._index.find_number(model, number) is not None


def _place(logged: Logged) -> Place | None:
    entry = logged.entry
    return None if entry.environment is None or entry.model is None else (entry.environment, entry.model)
