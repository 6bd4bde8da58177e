"""Signed checkpoints of the history: made, kept apart from it, and brought to other places."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from muster.domain.checkpoints import Checkpoint, Redaction, Signed, Statement, digest_of, read
from muster.domain.codec import canonical
from muster.domain.errors import Invalid, MusterError, Unavailable
from muster.service.follow import Follower
from muster.service.ports import Clock, History, Index, Lock

log = logging.getLogger(__name__)


class Signer(Protocol):
    """The registry's own key, made when it is first needed. Both raise Unavailable."""

    def sign(self, content: bytes) -> bytes:
        """Its signature, 64 bytes."""
        ...

    @property
    def public(self) -> Public: ...


class Public(Protocol):
    """A public key; `str` of it is how people pass it on."""

    @property
    def pem(self) -> str: ...

    def valid(self, content: bytes, signature: bytes) -> bool: ...


class Kept(Protocol):
    """The file of signed statements, apart from the repository."""

    def content(self) -> bytes:
        """All of its lines. Raises Unavailable."""
        ...

    def append(self, line: bytes) -> None:
        """Add a line; durable on return. Raises Unavailable."""
        ...


class Pending(Protocol):
    """The map of a redaction that is under way, where a crash leaves it. All raise Unavailable."""

    def read(self) -> bytes | None: ...

    def write(self, line: bytes) -> None:
        """Keep it; durable on return."""
        ...

    def remove(self) -> None: ...


class Copy(Protocol):
    """A place elsewhere that has the same lines."""

    @property
    def where(self) -> str:
        """Its name, for people; no secret is in it."""
        ...

    def bring(self, content: bytes) -> None:
        """Add the lines of `content` that it lacks.

        Raises:
            Conflict: it holds something else; it stays as it is.
            Unavailable: it cannot be reached or written.
        """
        ...


@dataclass(frozen=True, slots=True)
class Copied:
    """How a copy fared when lines were last brought to it: empty if well, else why not."""

    where: str
    failed: str


class Notary:
    """Signs where the branch is. Several processes may; they take turns by the registry's lock."""

    def __init__(
        self,
        *,
        index: Index,
        history: History,
        follower: Follower,
        signer: Signer,
        kept: Kept,
        pending: Pending,
        copies: Sequence[Copy] = (),
        clock: Clock,
        lock: Lock,
    ) -> None:
        self.signer = signer
        self._index = index
        self._history = history
        self._follower = follower
        self._kept = kept
        self._pending = pending
        self._copies = copies
        self._clock = clock
        self._lock = lock
        self._copied: tuple[Copied, ...] = ()

    def content(self) -> bytes:
        """Every statement, a line each, oldest first. Raises Unavailable."""
        return self._kept.content()

    def statements(self, limit: int, before: int | None = None) -> tuple[list[Signed], int]:
        """At most `limit` statements, newest first, from below `before`; and how many there are in all."""
        lines = self._lines()
        wanted = lines if before is None else lines[: before - 1]
        return [_read(line) for line in wanted[: -limit - 1 : -1]], len(lines)

    def copied(self) -> Sequence[Copied]:
        """How each copy fared, as far as this process knows."""
        return self._copied

    def due(self, every: timedelta) -> datetime:
        """When the next checkpoint is to be looked for, so that they are `every` apart."""
        lines = self._lines()
        return _read(lines[-1]).statement.time + every if lines else self._clock()

    def checkpoint(self) -> tuple[Signed, bool]:
        """Sign where the branch is: the checkpoint, and whether it is new.

        It is not if the newest statement says the same.

        Raises:
            Unavailable: the key or the file cannot be read or written.
        """
        with self._lock():
            due = self._due()
            if isinstance(due, Checkpoint):
                signed, new = self._signed(due), True
                self._kept.append(signed.line)
            else:
                signed, new = due, False
        self.bring()
        return signed, new

    def foreseen(self) -> Checkpoint | None:
        """What `checkpoint` would sign now; None: it would find that it is there already.

        Nothing is signed: of two statements with one number one would be taken for forged.
        """
        with self._lock():
            due = self._due()
        return due if isinstance(due, Checkpoint) else None

    def _due(self) -> Checkpoint | Signed:
        """What is to be signed; or the newest statement, if it says the same. The lock is held."""
        self._follower.catch_up()
        self.settle()
        head = self._index.head()
        logged = None if head is None else self._index.change(head)
        if logged is None:
            raise Unavailable("the registry has no commit yet")
        lines = self._lines()
        last = _read(lines[-1]) if lines else None
        if last and isinstance(last.statement, Checkpoint) and last.statement.commit == logged.commit:
            return last
        # Not before any commit that is there; and nobody can write now, so before every later one.
        time = max(self._clock(), logged.entry.time)
        sequence, previous, time = self._place(lines, time)
        return Checkpoint(
            sequence=sequence,
            previous=previous,
            time=time,
            commit=logged.commit,
            tree=self._history.commit(logged.commit).tree,
            position=logged.position,
        )

    def redaction(
        self,
        *,
        actor: str,
        reason: str,
        field: str,
        first: int,
        redacted: Sequence[int],
        old: Sequence[str],
        new: Sequence[str],
    ) -> Signed:
        """The signed map of a redaction (see `Redaction`), to be kept next; the caller holds the lock."""
        sequence, previous, time = self._place(self._lines(), self._clock())
        return self._signed(
            Redaction(
                sequence, previous, time, actor, reason, field, first, tuple(redacted), tuple(old), tuple(new)
            )
        )

    def begin(self, redaction: Signed) -> None:
        """The branch is about to be moved to where the map leads; the caller holds the lock."""
        self._pending.write(redaction.line)

    def settle(self) -> None:
        """Keep the map of a redaction that was begun, if the branch has moved; else throw it away.

        The caller holds the lock, and the index is where the branch is.
        """
        line = self._pending.read()
        if line is None:
            return
        statement = _read(line).statement
        head = self._index.head()
        if (
            isinstance(statement, Redaction)
            and head is not None
            and self._history.is_ancestor(statement.new[-1], head)
            and line not in self._lines()
        ):
            self._kept.append(line)
        self._pending.remove()

    def bring(self) -> None:
        """Bring to every copy what it lacks; what fails is logged, and tried again the next time."""
        content = self._kept.content()
        copied = []
        for copy in self._copies:
            try:
                copy.bring(content)
                copied.append(Copied(copy.where, ""))
            except MusterError as error:
                log.warning("the checkpoints could not be brought to %s: %s", copy.where, error.message)
                copied.append(Copied(copy.where, error.message))
        self._copied = tuple(copied)

    def _place(self, lines: Sequence[bytes], time: datetime) -> tuple[int, str | None, datetime]:
        """Number, `previous` and time of the next statement, made at `time` or, if need be, just after."""
        if not lines:
            return 1, None, time
        last = _read(lines[-1]).statement.time
        return len(lines) + 1, digest_of(lines[-1]), max(time, last + timedelta(microseconds=1))

    def _signed(self, statement: Statement) -> Signed:
        return Signed(statement, self.signer.sign(canonical(statement.fields())))

    def _lines(self) -> list[bytes]:
        return self._kept.content().splitlines()


def _read(line: bytes) -> Signed:
    try:
        return read(line)
    except Invalid as invalid:
        raise Unavailable(
            f"the file of checkpoints was damaged: {invalid.message}; put a copy of it in its place"
        ) from invalid


class Rounds:
    """Has a checkpoint made every so often, in a thread of its own, as long as a server runs."""

    def __init__(self, notary: Notary, every: timedelta, clock: Clock) -> None:
        self._notary = notary
        self._every = every
        self._clock = clock
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="muster-notary", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Return once no checkpoint is being made any more."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        wait_s = self._left_s()
        while not self._ending.wait(wait_s):
            try:
                self._notary.checkpoint()
            except (MusterError, OSError) as error:
                log.warning("no checkpoint was made: %s", error)
            wait_s = self._every.total_seconds()

    def _left_s(self) -> float:
        """Seconds until the first one: a server that is started often makes them as often as another."""
        try:
            due = self._notary.due(self._every)
        except MusterError:
            return 0.0  # then it is said what is wrong
        return min(max(0.0, (due - self._clock()).total_seconds()), self._every.total_seconds())
