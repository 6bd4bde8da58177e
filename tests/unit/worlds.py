"""A registry in memory with everything that stands behind its ports, and with faults to order."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from muster.artifacts.memory import MemoryStore
from muster.domain import changes as c
from muster.domain.judging import NO_RULES, Rules
from muster.domain.messages import Entry, parse
from muster.domain.records import Artifact, Fields
from muster.gitstore.memory import MemoryGit
from muster.index.store import SqlIndex
from muster.service.committer import Committer
from muster.service.follow import Follower
from muster.service.past import Past
from muster.service.ports import Built
from muster.service.registry import Registry
from muster.service.submissions import Recorded, Request
from muster.service.values import Logged
from tests.builders import ADA, START

PATIENCE_S: Final = 30.0  # no test takes as long; one that hangs ends


class Disk:
    """Room for so many writes; the reserve keeps one of them."""

    def __init__(self, room: int = 10**9) -> None:
        self.room = room
        self._held = False

    def take(self) -> None:
        """Use the room for one write."""
        if self.room < 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= 1

    def hold(self) -> bool:
        if not self._held and self.room >= 1:
            self.room -= 1
            self._held = True
        return self._held

    def release(self) -> None:
        self.room += self._held
        self._held = False


class Git(MemoryGit):
    """Git on that disk. `before` and `after` happen once, around the next time that the branch moves."""

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self.disk = disk
        self.before: Callable[[], None] | None = None
        self.after: Callable[[], None] | None = None

    def publish(self, expected: str | None, built: Built) -> None:
        before, self.before = self.before, None
        if before is not None:
            before()
        self.disk.take()
        super().publish(expected, built)
        after, self.after = self.after, None
        if after is not None:
            after()


class Clock:
    """A clock that goes only when it is told to."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        """Let time pass, or with negative amounts step back."""
        self.now += timedelta(**by)


class Gate:
    """The home's lock: shut, it holds up the committer, and says when one has come to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reached = threading.Event()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        self.reached.set()
        with self._lock:
            yield

    @contextmanager
    def shut(self) -> Iterator[None]:
        with self._lock:
            yield


class NoSignature:
    """An inspector that reads nothing out of files."""

    def signature(self, files: Sequence[Artifact]) -> Fields | None:
        return None


class World:
    """A registry, its committer and all behind it. Two worlds of one `git` are two processes."""

    def __init__(
        self,
        folder: Path,
        git: Git | None = None,
        index: SqlIndex | None = None,
        rules: Rules = NO_RULES,
    ) -> None:
        self.git = git or Git(Disk())
        self.index = index or SqlIndex(None)
        self.clock = Clock()
        self.gate = Gate()
        self.told: list[Logged] = []
        self.faults: dict[str, Exception] = {}  # raised at that point of a write; "told": by a listener
        self.artifacts = MemoryStore(folder)
        self.follower = Follower(self.git, self.git, self.index)
        self.committer = Committer(
            self.git,
            self.index,
            self.follower,
            clock=self.clock,
            lock=self.gate,
            reserve=self.git.disk,
            rules=rules,
            crash=self._reach,
            after=self._hear,
        )
        self.registry = Registry(
            index=self.index,
            history=self.git,
            committer=self.committer,
            artifacts=self.artifacts,
            inspector=NoSignature(),
            clock=self.clock,
            rules=rules,
        )
        self.past = Past(self.index, self.git)

    def close(self) -> None:
        self.committer.close()
        self.index.close()

    def _reach(self, point: str) -> None:
        if point in self.faults:
            raise self.faults[point]

    def _hear(self, logged: Sequence[Logged]) -> None:
        self._reach("told")
        self.told.extend(logged)

    def begin(self) -> World:
        """The first commit."""
        self.do(c.Initialize())
        return self

    def submit(self, change: c.Change, reason: str = "", request: Request | None = None) -> Future[Recorded]:
        return self.committer.submit(change, ADA, reason, request)

    def do(self, *changes: c.Change, reason: str = "", request: Request | None = None) -> Recorded:
        """Each change in a batch of its own; what became of the last."""
        for change in changes[:-1]:
            self.submit(change, reason).result(PATIENCE_S)
        return self.submit(changes[-1], reason, request).result(PATIENCE_S)

    def together(self, *changes: c.Change | tuple[c.Change, Request]) -> list[Recorded | BaseException]:
        """All changes in one batch; what became of each."""
        self.gate.reached.clear()
        with self.gate.shut():
            # While this one, which is refused, waits for the lock, the others queue up behind it.
            first = self.submit(c.Note("nothing goes by this name", 1, "x"))
            assert self.gate.reached.wait(PATIENCE_S)
            futures = [
                self.submit(item) if isinstance(item, c.Change) else self.submit(item[0], request=item[1])
                for item in changes
            ]
        first.exception(PATIENCE_S)
        return [future.exception(PATIENCE_S) or future.result() for future in futures]

    def entries(self) -> list[Entry]:
        """What Git's log says, oldest first."""
        head = self.git.head()
        return [] if head is None else [parse(logged.message) for logged in self.git.log(None, head)]

    def subjects(self) -> list[str]:
        return [entry.subject for entry in self.entries()]

    def disagreements(self) -> list[str]:
        """In what the index differs from one made anew from Git."""
        fresh = SqlIndex(None)
        try:
            Follower(self.git, self.git, fresh).catch_up()
            if fresh.head() != self.index.head():
                return [f"the index is at {self.index.head()}, the branch at {fresh.head()}"]
            return self.index.differences(fresh)
        finally:
            fresh.close()

    def put(self, model: str, label: str, content: bytes = b"weights") -> int:
        """A final version with one file; its number."""
        number = self.do(c.RegisterVersion(model, label, training_data="x", pending=True)).number
        assert number is not None
        stored = self.artifacts.put([content])
        self.do(c.AttachFile(model, number, Artifact("model.onnx", stored.size, stored.sha256)))
        self.do(c.Finalize(model, number))
        return number
