"""What keeps the repository in order beside its writer: few packs, whatever is written how fast."""

from __future__ import annotations

import logging
import os
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from muster.domain.errors import Unavailable
from muster.gitstore.packing import Packing, objects_in, replaceable
from muster.gitstore.repository import Repository

PACKS: Final = 256
"""About how many there may be."""

_MERGING_NICENESS: Final = 5
_LARGE_OBJECTS: Final = 20_000


def _log(error: Exception) -> None:
    logging.getLogger(__name__).warning("a repack did not succeed, and is tried again: %s", error)


class Upkeep:
    """Keeps the packs to about `packs`, in two threads of its own.

    One gathers new packs as soon as there are a quarter of that; one merges what
    has been gathered, which may take long and goes on beside the other. `failed`
    is told of each repack that did not succeed. Nothing is lost by that; it is
    tried again after a few more changes.
    """

    def __init__(
        self,
        repository: Repository,
        failed: Callable[[Exception], None] = _log,
        packs: int = PACKS,
    ) -> None:
        self._repository = repository
        self._failed = failed
        self._written = max(2, packs // 4)  # so many make a gathering
        self._gathered = max(2, packs // 8)  # so many make a merge
        self._patience = max(1, self._written // 4)  # changes between two looks at how many packs there are
        self._wake = threading.Condition()
        self._changes = 0
        self._ending = False
        self._running: set[subprocess.Popen[bytes]] = set()
        self._old: set[str] = set()  # packs that gathering leaves alone; of `_wake`
        self._merged: set[str] = set()  # which of them the last merge has seen
        self._since: str | None = None  # where the branch was at the last gathering
        self._threads = [
            threading.Thread(target=self._gathering, name="muster-gather", daemon=True),
            threading.Thread(target=self._merging, name="muster-merge", daemon=True),
        ]

    def start(self) -> None:
        """Begin; if there are many packs already, with a merge."""
        self._old = replaceable(self._repository)
        self._since = self._repository.head()
        for thread in self._threads:
            thread.start()

    def maybe_run(self) -> None:
        """Say that something was written, which may have made a pack; never waits for a repack."""
        with self._wake:
            self._changes += 1
            if self._changes >= self._patience:
                self._wake.notify_all()

    def stop(self) -> None:
        """End at once; a repack that is under way is given up."""
        with self._wake:
            self._ending = True
            for running in self._running:
                running.terminate()
            self._wake.notify_all()
        for thread in self._threads:
            thread.join()

    # ------------------------------------------------------------ two threads

    def _gathering(self) -> None:
        while self._waited(lambda: self._changes >= self._patience):
            self._changes = 0
            if (made := self._tried(self._gather)) is not None:
                with self._wake:
                    self._old |= made
                    self._wake.notify_all()

    def _gather(self) -> set[str]:
        """Gather what was written, if it is enough; the names of the packs that may be merged now."""
        with self._wake:
            new = replaceable(self._repository) - self._old
        # Somebody else's repack made them; to gather those would take as long as a merge.
        large = {name for name in new if objects_in(self._repository, name) > _LARGE_OBJECTS}
        written = new - large
        if len(written) < self._written:
            return large
        since, self._since = self._since, self._repository.head()
        return large | Packing(self._repository, self._started).gather(written, since)

    def _merging(self) -> None:
        while self._waited(lambda: len(self._old) >= self._gathered and self._old != self._merged):
            with self._wake:
                self._merged = set(self._old)
            if (made := self._tried(self._merge)) is not None:
                with self._wake:
                    self._old = self._old - self._merged | made
                    self._merged = made

    def _merge(self) -> set[str]:
        there = self._merged & replaceable(self._repository)
        return Packing(self._repository, self._started_nicely).merge(there)

    def _waited(self, for_what: Callable[[], bool]) -> bool:
        """Wait for that; False if it all ends instead."""
        with self._wake:
            self._wake.wait_for(lambda: self._ending or for_what())
            return not self._ending

    def _tried(self, work: Callable[[], set[str]]) -> set[str] | None:
        """What it gives; None if it failed, which has been told."""
        try:
            return work()
        except (OSError, Unavailable) as error:
            if not self._ending:
                self._failed(error)
            return None

    def _started(self, running: subprocess.Popen[bytes]) -> None:
        with self._wake:
            self._running = {each for each in self._running if each.returncode is None} | {running}
            if self._ending:
                running.terminate()

    def _started_nicely(self, running: subprocess.Popen[bytes]) -> None:
        with suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, running.pid, _MERGING_NICENESS)
        self._started(running)
