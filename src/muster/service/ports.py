"""Every seam between the use cases and what is behind them.

What the index is asked is said beside: records and the log in `lookups`, the rest
in `searching`, `board` and `spans`; files kept for later are in `keeping`. Back ends
live in `gitstore`, `index`, `artifacts`, `targets` and `serving`, and are put together
in `bootstrap`. In-memory ones pass the same contract tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from muster.domain.errors import MusterError
from muster.domain.messages import Entry
from muster.domain.records import Artifact, Fields
from muster.domain.snapshot import Snapshot
from muster.service.board import Board
from muster.service.lookups import ChangeLog, Records
from muster.service.origins import Origins
from muster.service.searching import Searches
from muster.service.spans import Spans
from muster.service.values import (
    Desired,
    Endpoint,
    Instance,
    InstanceState,
    Logged,
    LoggedCommit,
    NewCommit,
    Usage,
)

# ---------------------------------------------------------------- Git


class Publisher(Protocol):
    """Makes commits durable; the branch moves by compare-and-swap."""

    def head(self) -> str | None:
        """The branch's commit; None while the repository is empty. Never cached."""
        ...

    def begin(self, parent: str | None) -> Building:
        """Begin to build commits upon `parent`; what was begun before and not finished is given up."""
        ...

    def publish(self, expected: str | None, built: Built) -> None:
        """Make `built` durable (every byte fsynced), then move the branch from `expected` to its last.

        On return a power cut loses nothing of it. On `HeadMoved` and `OSError`
        the branch is where it was and no reader sees any of it.

        Raises:
            HeadMoved: the branch is not at `expected`.
            OSError: the disk refused before the branch moved (ENOSPC, EROFS …).
            OutcomeUnknown: moving the branch itself failed; it may have moved.
        """
        ...


class Building(Protocol):
    """Commits being built, each the parent of the next, in memory only; it may go on beside the caller."""

    def add(self, commit: NewCommit) -> None: ...

    def finish(self) -> Built:
        """All that was added.

        Raises:
            OSError: an object could not be read.
        """
        ...


class Built(Protocol):
    """Commits built in memory: `ids` are their ids, oldest first."""

    @property
    def ids(self) -> Sequence[str]: ...


class Reserve(Protocol):
    """Space on the disk, set aside for writes that must go on when it is full."""

    def hold(self) -> bool:
        """Whether the space is set aside; takes it if it is not and the disk has room."""
        ...

    def release(self) -> None:
        """Give the space back, so that the next write can use it."""
        ...


class History(Protocol):
    """Reads of what the repository said at any commit."""

    def log(self, since: str | None, until: str) -> Iterator[LoggedCommit]:
        """First-parent commits after `since` (from the root if None) up to `until`, oldest first.

        Raises:
            NotFound: a commit is missing, or `since` is not an ancestor of `until`.
        """
        ...

    def commit(self, name: str) -> LoggedCommit:
        """The commit of that id. Raises NotFound."""
        ...

    def read(self, commit: str, path: str) -> bytes | None:
        """The blob at `path` in `commit`; None if there is none.

        Raises:
            NotFound: no such commit.
        """
        ...

    def walk(self, commit: str, under: str = "") -> Iterator[tuple[str, bytes]]:
        """Every (path, blob) below the folder `under` in `commit`, in tree order; "" is the whole tree."""
        ...

    def diff(self, commit: str) -> Iterator[tuple[str, bytes | None, bytes | None]]:
        """What `commit` changed against its first parent: (path, blob before, blob after)."""
        ...

    def fsck(self) -> list[str]:
        """Everything that a strict check of all objects finds wrong, a line each."""
        ...

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `older` is `newer` or among its first-parent ancestors; False if either is missing."""
        ...


# ---------------------------------------------------------------- index


class Transaction(Snapshot, Protocol):
    """The index inside its one write transaction: what `plan` reads is what was written so far."""

    def head(self) -> str | None:
        """The commit that the index reflects; None if it is empty."""
        ...

    def last_time(self) -> datetime | None:
        """The time of the newest change."""
        ...

    def answered(self, key: str) -> tuple[str, Logged] | None:
        """The sha256 of the request that came with an idempotency key, and the change it made."""
        ...

    def savepoint(self) -> AbstractContextManager[None]:
        """What is written inside goes away if an exception leaves it."""
        ...

    def project(self, entry: Entry, edits: Mapping[str, bytes | None]) -> int:
        """Put in the rows of one change: its position is the answer. Its commit comes with `seal`."""
        ...

    def seal(self, commits: Sequence[str]) -> None:
        """The commits of all that was projected since the last `seal`, oldest first; the last is the head."""
        ...


class IndexReads(Records, ChangeLog, Searches, Board, Spans, Origins, Protocol):
    """What the index is asked. Any thread may; all see the last committed transaction."""

    def head(self) -> str | None:
        """The commit that the index reflects; None if it is empty, or was made by another schema."""
        ...

    def answered(self, key: str) -> tuple[str, Logged] | None:
        """As in `Transaction`."""
        ...

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """A consistent view for planning without writing (a dry run)."""
        ...

    def seen_by(self, models: frozenset[str]) -> IndexReads:
        """The same registry as if there were only `models`: in lists, counts, the log, everywhere."""
        ...


class Index(IndexReads, Protocol):
    """What is asked often, derived from Git; deleting it loses nothing."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin the write transaction, after another process's; commit at the end, undo on an exception.

        Raises:
            StorageFull: the disk is full.
        """
        ...

    def rebuild(
        self,
        head: str,
        log: Iterable[tuple[str, Entry]],
        tree: Iterable[tuple[str, bytes]],
    ) -> None:
        """Replace everything by what the whole log (oldest first) and the tree at `head` say, atomically."""
        ...

    def differences(self, other: Index) -> list[str]:
        """In which rows this index and `other` differ, a sentence a table; empty if they say the same."""
        ...


# ---------------------------------------------------------------- artifacts


class ArtifactStore(Protocol):
    """Bytes by their sha256. What was put is durable, and never changes until it is removed."""

    def bringing(self) -> AbstractContextManager[None]:
        """What this thread puts in here stays until the end of it: record meanwhile what uses it.

        Nobody removes anything that is put at the same time, by any process.
        """
        ...

    def put(self, chunks: Iterable[bytes], expected: str | None = None) -> Artifact:
        """Store the chunks; fsynced on return. The answer's path is empty.

        Nothing stays behind if it fails.

        Raises:
            Invalid: the sha256 of the bytes is not `expected`.
            StorageFull: the disk is full or at its reserve.
        """
        ...

    def open(self, sha256: str) -> BinaryIO:
        """The bytes, seekable. Raises NotFound."""
        ...

    def path(self, sha256: str) -> Path:
        """A local file with the bytes, never to be written to. Raises NotFound."""
        ...

    def size(self, sha256: str) -> int | None:
        """Its size in bytes, None if it is not there."""
        ...

    def verify(self, sha256: str) -> bool:
        """Read it all again: whether it is there and hashes to its name."""
        ...

    def digests(self) -> Iterator[str]:
        """The sha256 of everything stored, in no order."""
        ...

    def remove(self, sha256: str, used: Callable[[], bool]) -> bool:
        """Take the bytes away for good, unless `used` says so; whether they are gone, durably.

        `used` is asked while nobody is bringing the same bytes. Who reads them already goes on.

        Raises:
            Unavailable: the disk refused.
        """
        ...


# ---------------------------------------------------------------- targets


class Target(Protocol):
    """Somewhere a model version can run.

    Driven by level, not by edge: `apply` is told the whole desired state of one
    model in one environment, may be told it again at any time, and must arrive
    at the same place.
    """

    def apply(self, desired: Desired) -> None:
        """Start moving towards `desired`; return within 30 s, ready or not.

        Raises:
            NoRuntime: `desired` can never work here; a person must change it.
            Unavailable: the target did not answer; the caller tries again.
        """
        ...

    def objections(self, desired: Desired) -> tuple[MusterError, ...]:
        """All that is known to keep `desired` from working here, without starting anything; () if nothing is.

        Whether the files of its versions are there and intact is for the caller to look.
        """
        ...

    def prepare(self, instance: Instance, tell: Callable[[str], None]) -> None:
        """Make ready what `instance` needs before it can be started; `apply` would do it, too, unseen.

        May take minutes; `tell` is given a sentence now and then.

        Raises:
            DidNotStart: it cannot be made ready; its output says why.
            Unavailable: the target did not answer, or stops.
        """
        ...

    def observe(self, environment: str, model: str) -> tuple[InstanceState, ...]:
        """What is there now, the active one first; () if nothing is."""
        ...


class Inspector(Protocol):
    """Reads what a set of files says about itself."""

    def signature(self, files: Sequence[Artifact]) -> Fields | None:
        """`{"inputs": [{name, dtype, shape}], "outputs": […]}` of the model among them; None without one.

        Only of formats that run no code. A dimension of any size is None. What cannot be read gives None.
        """
        ...


# ---------------------------------------------------------------- serving


class Routes(Protocol):
    """Where the traffic goes: a target writes, the gateway reads. Any thread may call."""

    def switch(self, environment: str, model: str, endpoint: Endpoint | None) -> None:
        """From now on every request not yet sent goes to `endpoint`; None: nothing is deployed there."""
        ...

    def usage(self, key: str, socket: str | None = None) -> Usage:
        """What went through the endpoint with that key so far, or through one socket of it."""
        ...

    def forget(self, key: str) -> None:
        """The endpoint is gone; drop what was counted for it."""
        ...


class Listener(Protocol):
    """Told of every transition of what runs where."""

    def __call__(self, environment: str, model: str) -> None: ...


Clock = Callable[[], datetime]
Lock = Callable[[], AbstractContextManager[None]]
