"""The mirror: another Git remote that has the history, too, as soon as it can."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from muster.domain.errors import Conflict, MusterError
from muster.domain.messages import rfc3339
from muster.domain.records import Json
from muster.service.ports import Clock, Index, Publisher

INTERVAL_S: Final = 1.0
"""Between two looks whether there is something to push: what came meanwhile goes at once."""
LONGEST_PAUSE_S: Final = 300.0

log = logging.getLogger(__name__)


class Remote(Protocol):
    """Where the mirror is. Both raise Unavailable if it does not answer."""

    @property
    def where(self) -> str:
        """Its address, for people; no secret is in it."""
        ...

    def head(self) -> str | None:
        """The commit that it has; None if it has none yet."""
        ...

    def push(self, commit: str) -> None:
        """Bring it up to `commit`.

        Raises:
            Conflict: it has commits that are not before `commit`; it stays as it is.
        """
        ...

    def stop(self) -> None:
        """End a push that is under way."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """What a mirror was last seen to have, and when."""

    commit: str
    time: datetime


class Memory(Protocol):
    """Remembers what the mirror has, over restarts."""

    def recall(self) -> Held | None: ...

    def keep(self, held: Held) -> None: ...


@dataclass(frozen=True, slots=True)
class MirrorState:
    """How far the mirror is: `lag` in changes, `lag_s` since the oldest of these was recorded.

    `failed` says why the last try did not succeed, "" if it did; `diverged` that it never
    will before a person has looked. `failures` are all since the process began.
    """

    where: str
    held: Held | None
    lag: int
    lag_s: float
    failed: str
    diverged: bool
    failures: int
    next_try: datetime | None

    def view(self) -> dict[str, Json]:
        """As JSON."""
        return {
            "where": self.where,
            "commit": self.held and self.held.commit,
            "seen": self.held and rfc3339(self.held.time),
            "lag": self.lag,
            "lag_s": round(self.lag_s, 3),
            "failed": self.failed,
            "diverged": self.diverged,
            "failures": self.failures,
            "next_try": self.next_try and rfc3339(self.next_try),
        }


class Mirror:
    """Pushes what is new, in a thread of its own, also what other processes write to the same home.

    After a failure the pause doubles, up to five minutes. Commits of others in the
    mirror are never overwritten: a person has to say which are right.
    """

    def __init__(
        self,
        remote: Remote,
        publisher: Publisher,
        index: Index,
        memory: Memory,
        clock: Clock,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._remote = remote
        self._publisher = publisher
        self._index = index
        self._memory = memory
        self._clock = clock
        self._interval_s = interval_s
        self._held = memory.recall()
        self._seen = False  # whether this process has seen what the mirror has
        self._failed = ""
        self._diverged = False
        self._row = 0  # of failures
        self._failures = 0
        self._next_try: datetime | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="muster-mirror", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End at once; a push that is under way is given up."""
        self._ending.set()
        self._remote.stop()
        self._thread.join()

    def state(self) -> MirrorState:
        """How far the mirror is, by what was last seen of it."""
        newest = self._index.newest()
        there = self._index.change(self._held.commit) if self._held else None
        position = there.position if there else 0
        waiting = self._index.changes_after(position, 1)
        since = waiting[0].entry.time if waiting else None
        return MirrorState(
            where=self._remote.where,
            held=self._held,
            lag=(newest.position if newest else 0) - position,
            lag_s=max(0.0, (self._clock() - since).total_seconds()) if since else 0.0,
            failed=self._failed,
            diverged=self._diverged,
            failures=self._failures,
            next_try=self._next_try,
        )

    def _run(self) -> None:
        pause_s = self._interval_s
        while not self._ending.wait(pause_s):
            pause_s = self.round()

    def round(self) -> float:
        """Push if there is something to push, and say in how many seconds to look again.

        What goes wrong is in the state and in the log.
        """
        try:
            self._bring()
        except (MusterError, OSError) as error:
            self._row += 1
            self._failures += 1
            pause_s = min(self._interval_s * 2.0 ** min(self._row, 20), LONGEST_PAUSE_S)
            self._next_try = self._clock() + timedelta(seconds=pause_s)
            self._failed = str(error)
            self._diverged = isinstance(error, Conflict)
            if not self._ending.is_set():  # else it is given up because the server ends
                log.warning("the mirror is behind, and is tried again in %g s: %s", pause_s, error)
            return pause_s
        if self._failed:
            log.info("the mirror is up to date again")
        self._failed, self._diverged, self._row, self._next_try = "", False, 0, None
        return self._interval_s

    def _bring(self) -> None:
        head = self._publisher.head()
        if head is None or (self._seen and self._held and self._held.commit == head):
            return
        if not self._seen and self._remote.head() == head:
            self._saw(head)
            return
        self._remote.push(head)
        self._saw(head)

    def _saw(self, commit: str) -> None:
        self._held = Held(commit, self._clock())
        self._seen = True
        self._memory.keep(self._held)


Mirrored = Callable[[], MirrorState | None]
"""How far the mirror is; None if there is none."""
