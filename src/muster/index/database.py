"""SQLite as the index uses it: connections, statements, and its errors as ours.

Statements are SQLAlchemy's, so that another database is another dialect; they
are compiled once to SQL and run on the driver's own cursor, which costs a third
of what `Connection.execute` does for a point read.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVarTuple

from sqlalchemy import Integer, Select, Table, bindparam, delete, insert, literal_column
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.sql import ClauseElement

from muster.domain.errors import MusterError, StorageFull, Unavailable
from muster.index import tables
from muster.index.texts import TEXTS

BUSY_TIMEOUT_S = 30.0
_IDLE_READERS = 16  # kept open; more are opened when more threads read at once
# Pages in the write-ahead log before they go into the file: most were written
# several times by then. 16 MiB take a few dozen milliseconds.
_CHECKPOINT_PAGES = 4000
_STATEMENTS = 512  # prepared statements that a connection keeps

_NAMED = sqlite.dialect(paramstyle="named")
_BY_PLACE = sqlite.dialect(paramstyle="qmark")

Values = Mapping[str, object] | Sequence[object]
Row = tuple[Any, ...]
Columns = TypeVarTuple("Columns")


def sql(clause: ClauseElement) -> str:
    """`clause` as SQL with named parameters; it may hold no values, only `bindparam`s."""
    compiled = clause.compile(dialect=_NAMED)
    if bound := {k: v for k, v in compiled.params.items() if v is not None}:
        raise ValueError(f"values bound in a statement that is built once: {bound}")
    return str(compiled)


def limited(found: Select[*Columns], rows: int | None = None) -> Select[*Columns]:
    """`found` cut to its first `rows`, or to as many as the parameter `limit` says."""
    limit = bindparam("limit", type_=Integer()) if rows is None else literal_column(str(rows), Integer())
    # Without an offset SQLAlchemy would bind a zero for SQLite.
    return found.limit(limit).offset(literal_column("0", Integer()))


def inserting(table: Table, fields: Sequence[str]) -> str:
    """An INSERT into `table` of rows that are tuples of `fields`, which must be all its columns."""
    if set(fields) != set(table.c.keys()):
        raise ValueError(f"{table.name} has other columns than {fields}")
    values = dict.fromkeys(fields)
    return str(insert(table).values(values).compile(dialect=_BY_PLACE))


def deleting(table: Table, fields: Sequence[str]) -> str:
    """A DELETE from `table` of the rows that equal tuples of `fields`."""
    where = [table.c[field] == bindparam(field) for field in fields]
    return str(delete(table).where(*where).compile(dialect=_BY_PLACE))


def translated(error: sqlite3.Error) -> MusterError:
    """What an error of SQLite means to the one who called."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    match primary:
        case sqlite3.SQLITE_FULL:
            return StorageFull("the disk is full: the index could not be written")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return Unavailable(f"the index cannot be written, its file or folder is read-only ({error})")
        case sqlite3.SQLITE_CANTOPEN:
            return Unavailable(
                f"the index cannot be opened: look at the folder's existence and permissions ({error})"
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return Unavailable(
                f"another process has been writing the index for {BUSY_TIMEOUT_S:.0f} s; try again"
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return Unavailable(
                "the index is damaged; nothing is lost: start again after deleting index.db, it is built anew"
            )
    return Unavailable(f"the index failed: {error}")


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is no (whole) database."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    )


def is_sound(connection: sqlite3.Connection) -> bool:
    """Whether all of the file is as SQLite wrote it; reads all of it."""
    try:
        found: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        if is_damage(error):
            return False
        raise
    return found == "ok"


@contextmanager
def translating() -> Iterator[None]:
    """SQLite's errors inside come out as Muster's."""
    try:
        yield
    except sqlite3.Error as error:
        raise translated(error) from error


def connect(path: Path, *, cache_mib: int) -> sqlite3.Connection:
    """A connection in autocommit mode, which any thread may use (one at a time)."""
    connection = sqlite3.connect(
        path,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS,
    )
    connection.create_function("folded", 1, str.lower, deterministic=True)  # LOWER knows ASCII only
    try:
        for pragma in (
            "journal_mode = WAL",
            "synchronous = NORMAL",
            f"cache_size = -{cache_mib * 1024}",
            f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
            "journal_size_limit = 67108864",
            "secure_delete = OFF",
        ):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def rollback(connection: sqlite3.Connection) -> None:
    """Undo the transaction, if SQLite has not done so by itself."""
    if connection.in_transaction:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


# ------------------------------------------------------------ schema


def schema_number(connection: sqlite3.Connection) -> int:
    """The number of the schema in the file; 0 if it is empty."""
    number: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return number


def create_tables(connection: sqlite3.Connection) -> None:
    """Drop whatever is there, and make the tables, empty, without indexes."""
    dropped = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        " ORDER BY sql NOT LIKE 'CREATE VIRTUAL%'"
    ).fetchall()
    for (name,) in dropped:
        connection.execute(f'DROP TABLE IF EXISTS "{name}"')
    for table in tables.metadata.sorted_tables:
        connection.execute(str(CreateTable(table).compile(dialect=_BY_PLACE)))
    for text in TEXTS:
        connection.execute(text.create)
    connection.execute("INSERT INTO meta (id, head) VALUES (1, NULL)")
    connection.execute(f"PRAGMA user_version = {tables.SCHEMA}")


def create_indexes(connection: sqlite3.Connection, of: Iterable[Table]) -> None:
    """The indexes of those tables: made after a rebuild has filled them, which is faster."""
    for table in sorted(of, key=lambda table: table.name):
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            connection.execute(str(CreateIndex(index).compile(dialect=_BY_PLACE)))


def ensure_schema(connection: sqlite3.Connection) -> None:
    """Inside a write transaction: empty tables of our schema, unless they are there."""
    if schema_number(connection) != tables.SCHEMA:
        create_tables(connection)
        create_indexes(connection, tables.metadata.sorted_tables)


# ------------------------------------------------------------ readers


class Readers:
    """Connections for reading. Each read outside `pinned` sees the last committed transaction."""

    def __init__(self, path: Path, prepare: Callable[[sqlite3.Connection], None] | None = None) -> None:
        """Each connection is given to `prepare`, which hides what is not to be seen, before it is used."""
        self._path = path
        self._prepare = prepare
        self.whole = prepare is None
        self._free: deque[sqlite3.Connection] = deque()
        self._closed = False

    def _take(self) -> sqlite3.Connection:
        try:
            return self._free.pop()
        except IndexError:
            if self._closed:
                raise Unavailable("the index is closed") from None
            with translating():
                connection = connect(self._path, cache_mib=4)
                if self._prepare is not None:
                    self._prepare(connection)
                connection.execute("PRAGMA query_only = ON")
                return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if self._closed or len(self._free) >= _IDLE_READERS:
            connection.close()
        else:
            self._free.append(connection)

    def one(self, statement: str, values: Values = ()) -> Row | None:
        """The first row, None if there is none."""
        connection = self._take()
        try:
            row: Row | None = connection.execute(statement, values).fetchone()
            return row
        except sqlite3.Error as error:
            raise translated(error) from error
        finally:
            self._give_back(connection)

    def all(self, statement: str, values: Values = ()) -> list[Row]:
        """All rows."""
        connection = self._take()
        try:
            return connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise translated(error) from error
        finally:
            self._give_back(connection)

    @contextmanager
    def pinned(self) -> Iterator[sqlite3.Connection]:
        """A connection whose reads all see the same moment."""
        connection = self._take()
        try:
            with translating():
                connection.execute("BEGIN")
                # WAL pins the moment at the first read, not at BEGIN.
                connection.execute("SELECT head FROM meta").fetchone()
            yield connection
        finally:
            rollback(connection)
            self._give_back(connection)

    def close(self) -> None:
        """Close those not in use now; the others close when they come back."""
        self._closed = True
        while self._free:
            with suppress(IndexError):
                self._free.pop().close()


class Reads:
    """The base of what answers questions from the readers' connections."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
