"""The index in an SQLite file, as the port `Index` wants it."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from muster.domain.errors import Unavailable
from muster.domain.messages import Entry
from muster.domain.snapshot import Snapshot
from muster.index import database
from muster.index.board import BoardReads
from muster.index.compare import differences
from muster.index.counting import LogCounts
from muster.index.database import BUSY_TIMEOUT_S, Readers, translating
from muster.index.documents import DocumentReads
from muster.index.origins import OriginReads
from muster.index.project import SqlTransaction
from muster.index.reads import RecordReads
from muster.index.rebuild import rebuild
from muster.index.reported import ReportReads
from muster.index.search import VersionLists
from muster.index.searching import SearchReads
from muster.index.sight import blind
from muster.index.snapshot import SqlSnapshot
from muster.index.spans import SpanReads
from muster.service.ports import Index, Transaction


class SqlReads(
    RecordReads,
    DocumentReads,
    VersionLists,
    SearchReads,
    ReportReads,
    LogCounts,
    BoardReads,
    SpanReads,
    OriginReads,
):
    """All reads, in the file `path`."""

    def __init__(self, path: Path, readers: Readers) -> None:
        super().__init__(readers)
        self.path = path

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """A consistent view for planning without writing (a dry run)."""
        with self._readers.pinned() as connection:
            yield SqlSnapshot(connection)

    def seen_by(self, models: frozenset[str]) -> SqlReads:
        """The same registry as if there were only `models`: in lists, counts, the log, everywhere.

        Its connections close with the last reference to it.
        """
        return SqlReads(self.path, Readers(self.path, partial(blind, models=models)))


class SqlIndex(SqlReads):
    """The index in the file `path`; without one, in a temporary file that `close` removes.

    Several objects, in one process or many, may share a file: nothing is kept in
    memory from one transaction to the next but counts, which are checked. A file that is no database, or cut
    off, is removed: the index is then empty, to be built anew. So is one of
    another schema number. With `checked` damage anywhere in the file counts, which
    takes reading all of it.

    Raises:
        Unavailable: the file cannot be opened or written.
        StorageFull: the disk is full.
    """

    def __init__(self, path: Path | None, *, checked: bool = False) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="muster-index-") if path is None else None
        where = Path(self._temporary.name) / "index.db" if self._temporary else path or Path()
        self._writing = threading.Lock()
        self._closed = False
        with translating():
            self._writer = _opened(where, checked=checked)
        super().__init__(where, Readers(where))

    def close(self) -> None:
        """Close the file; reads and writes are Unavailable from then on."""
        self._readers.close()
        with self._writing:
            self._closed = True
            self._writer.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Begin the write transaction (waiting for another's); commit at the end, undo on an exception.

        Raises:
            StorageFull: the disk is full.
            Unavailable: another process did not end its transaction in 30 s.
        """
        with self._begun() as connection:
            transaction = SqlTransaction(connection)
            yield transaction
            if not transaction.sealed:
                raise ValueError("a transaction ends with changes that have no commit")

    def rebuild(
        self,
        head: str,
        log: Iterable[tuple[str, Entry]],
        tree: Iterable[tuple[str, bytes]],
    ) -> None:
        """Replace everything by what the whole log (oldest first) and the tree at `head` say, atomically.

        `tree` is in the order of Git (paths by their bytes).

        Raises:
            ValueError: log, tree and head do not fit each other.
        """
        with self._begun() as connection, translating():
            rebuild(connection, self.path.parent, head, log, tree)

    def differences(self, other: Index) -> list[str]:
        """In which rows this index and `other` differ, a sentence a table; empty if they say the same.

        Writers wait meanwhile.
        """
        if not isinstance(other, SqlIndex):
            raise TypeError("only two indexes of one kind can be compared row by row")
        with self._begun() as ours, other._begun() as theirs, translating():
            return differences(ours, theirs)

    @contextmanager
    def _begun(self) -> Iterator[sqlite3.Connection]:
        """The writer's connection in a transaction."""
        # The lock is for threads of this process: SQLite's own wait is a poll.
        if not self._writing.acquire(timeout=BUSY_TIMEOUT_S):
            raise Unavailable(f"the index has been written for {BUSY_TIMEOUT_S:.0f} s; try again")
        connection = self._writer
        try:
            if self._closed:
                raise Unavailable("the index is closed")
            with translating():
                connection.execute("BEGIN IMMEDIATE")
                database.ensure_schema(connection)
            yield connection
            with translating():
                if not connection.in_transaction:
                    raise Unavailable("the index undid the transaction after an earlier error; try again")
                connection.execute("COMMIT")
        finally:
            try:
                if not self._closed:
                    database.rollback(connection)
            finally:
                self._writing.release()


def _opened(path: Path, *, checked: bool) -> sqlite3.Connection:
    """A connection to a sound file with tables of our schema."""
    try:
        connection = _prepared(path)
        if not checked or database.is_sound(connection):
            return connection
        connection.close()
    except sqlite3.Error as error:
        if not database.is_damage(error):
            raise
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return _prepared(path)


def _prepared(path: Path) -> sqlite3.Connection:
    connection = database.connect(path, cache_mib=32)
    try:
        connection.execute("BEGIN IMMEDIATE")
        database.ensure_schema(connection)
        connection.execute("SELECT head FROM meta").fetchone()
        connection.execute("COMMIT")
    except BaseException:
        database.rollback(connection)
        connection.close()
        raise
    return connection
