"""What is submitted to the committer and what comes back; and how a batch of it arrives."""

from __future__ import annotations

import queue
import re
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from muster.domain.changes import Actor, Change
from muster.domain.errors import Invalid, KeyReused
from muster.service.values import Logged

MAX_BATCH: Final = 64
LINGER_S: Final = 0.004  # for one more; five times that for all of them


@dataclass(frozen=True, slots=True)
class Request:
    """An idempotency key and the sha256 of the request that it came with."""

    key: str
    digest: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\x21-\x7e]{1,128}", self.key):
            raise Invalid.one("Idempotency-Key", self.key, "must be 1 to 128 visible ASCII characters")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a change that was not refused.

    `logged` is its row in the change log; None if everything was so already and
    no commit was needed. `repeated` says that an earlier request with the same
    idempotency key made it. `model` and `number` are what it was about.
    """

    logged: Logged | None
    model: str | None
    number: int | None
    repeated: bool = False

    @property
    def commit(self) -> str | None:
        """The commit that it is; None if none was needed."""
        return self.logged.commit if self.logged else None


@dataclass(frozen=True, slots=True)
class Submission:
    """A change on its way, and where its outcome is awaited."""

    change: Change
    actor: Actor
    reason: str
    request: Request | None
    outcome: Future[Recorded]


def repeated(request: Request, digest: str, logged: Logged) -> Recorded:
    """The outcome of a request whose key was seen before with `digest`, and made `logged`.

    Raises:
        KeyReused: it was another request.
    """
    if digest != request.digest:
        raise KeyReused(f"the idempotency key {request.key!r} came before, with another request")
    return Recorded(logged, logged.entry.model, logged.entry.number, repeated=True)


Waiting = queue.SimpleQueue[Submission | None]
"""What is submitted and not taken yet; None is the end."""


class Arriving:
    """The submissions of one batch, as they come; the same ones again when it is gone through again.

    Beside what is queued it waits a moment for those who were answered just now:
    half as many batches cost a third less time, and one writer alone never waits.
    The first are planned meanwhile.
    """

    def __init__(self, waiting: Waiting, first: Submission, writers: int) -> None:
        self.taken: list[Submission] = []
        self.last = False
        self._queue = waiting
        self._writers = writers
        self._until = time.monotonic() + 5 * LINGER_S
        self._begun = False
        self._takes(first)

    def __iter__(self) -> Iterator[Submission]:
        yield from self.taken
        if self._begun:
            return
        self._begun = True
        while (arrived := self._arrived()) is not None:
            if self._takes(arrived):
                yield arrived

    def _takes(self, submission: Submission) -> bool:
        # From here on nobody can give the change up: what is written is also answered.
        if running := submission.outcome.set_running_or_notify_cancel():
            self.taken.append(submission)
        return running

    def _arrived(self) -> Submission | None:
        """The next one; None if the batch is whole."""
        if len(self.taken) == MAX_BATCH:
            return None
        left = min(self._until - time.monotonic(), LINGER_S)
        wait = len(self.taken) < self._writers and left > 0
        try:
            found = self._queue.get(timeout=left) if wait else self._queue.get_nowait()
        except queue.Empty:
            return None
        self.last = found is None
        return found
