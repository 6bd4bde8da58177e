"""The outbox in a SQLite file that only its owner may read, for it holds secrets.

The file is made with the first webhook. Webhooks are fsynced; what becomes of
deliveries is safe from a killed process, and a power cut at worst sends some again.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from muster.domain.errors import Conflict, StorageFull, Taken, Unavailable
from muster.outbox import tables
from muster.outbox.tables import attempt_of, delivery_of, hook_of, hook_row, maybe, stamp
from muster.service.hooks import MAX_HOOKS, Attempt, Delivery, Hook, State

KEPT: Final = {"delivered": 1_000, "failed": 10_000}  # deliveries of a webhook that ended, the newest
_BUSY_S: Final = 10.0

_Sql = Callable[..., sqlite3.Cursor]


class SqliteOutbox:
    """The port `Outbox`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    def close(self) -> None:
        """Close the file, for good."""
        with self._lock:
            self._closed = True
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    # ------------------------------------------------------------ webhooks

    def hooks(self) -> list[Hook]:
        return [hook_of(row) for row in self._read("SELECT * FROM hooks ORDER BY name")]

    def hook(self, name: str) -> Hook | None:
        rows = self._read("SELECT * FROM hooks WHERE name = ?", name)
        return hook_of(rows[0]) if rows else None

    def add(self, hook: Hook, request: tuple[str, str] | None) -> None:
        with self._writing(durable=True, create=True) as sql:
            if sql("SELECT 1 FROM hooks WHERE name = ?", hook.name).fetchone():
                raise Taken("webhook", hook.name)
            if sql("SELECT count(*) FROM hooks").fetchone()[0] >= MAX_HOOKS:
                raise Conflict(f"there are {MAX_HOOKS} webhooks already; remove one")
            sql(
                "INSERT INTO hooks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                *hook_row(hook),
                *(request or (None, None)),
            )

    def answered(self, key: str) -> tuple[str, Hook] | None:
        found = self._read("SELECT * FROM hooks WHERE request_key = ?", key)
        return (found[0]["request_digest"], hook_of(found[0])) if found else None

    def change(self, hook: Hook) -> None:
        with self._writing(durable=True) as sql:
            before = sql("SELECT disabled FROM hooks WHERE id = ?", hook.id).fetchone()
            sql(
                "UPDATE hooks SET url = ?, secret = ?, wanted = ?, description = ?, updated = ?, "
                "disabled = ?, why = ? WHERE id = ?",
                *(hook.url, hook.secret, tables.wanted_text(hook.wanted), hook.description),
                *(stamp(hook.updated), maybe(hook.disabled), hook.why, hook.id),
            )
            if before is not None and before[0] is not None and hook.disabled is None:
                sql("UPDATE hooks SET failures = 0, failing_since = NULL WHERE id = ?", hook.id)
                _hurry(sql, hook.id, hook.updated)

    def remove(self, hook: str) -> None:
        with self._writing(durable=True) as sql:
            sql("DELETE FROM hooks WHERE id = ?", hook)

    # ------------------------------------------------------------ on their way

    def feed(self, hook: str, position: int, deliveries: Sequence[Delivery]) -> None:
        with self._writing() as sql:
            if not sql("UPDATE hooks SET position = ? WHERE id = ?", position, hook).rowcount:
                return  # it was removed just now
            for each in deliveries:
                sql(
                    "INSERT OR IGNORE INTO deliveries (id, hook, position, commit_id, kind, created, state, "
                    "due, tries) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
                    *(each.id, hook, each.position, each.commit, each.kind, stamp(each.created)),
                    *(each.state, maybe(each.due)),
                )
            if deliveries:
                _prune(sql, hook)

    def waiting(self, hook: str) -> tuple[int, datetime | None]:
        rows = self._read(
            "SELECT count(*), min(due) FROM deliveries WHERE hook = ? AND state = 'pending'", hook
        )
        return (rows[0][0], tables.time_or_none(rows[0][1])) if rows else (0, None)

    def due(self, hook: str, now: datetime, limit: int) -> list[Delivery]:
        rows = self._read(
            "SELECT * FROM deliveries WHERE hook = ? AND state = 'pending' AND due <= ? "
            "ORDER BY sequence LIMIT ?",
            *(hook, stamp(now), limit),
        )
        return [delivery_of(row) for row in rows]

    def attempted(self, delivery: Delivery, attempt: Attempt, state: State, due: datetime | None) -> None:
        with self._writing() as sql:
            changed = sql(
                "UPDATE deliveries SET tries = tries + 1, state = CASE state WHEN 'delivered' THEN state "
                "ELSE ? END, due = CASE state WHEN 'delivered' THEN NULL ELSE ? END WHERE sequence = ?",
                *(state, maybe(due), delivery.sequence),
            )
            if not changed.rowcount:
                return  # its webhook was removed just now
            sql(
                "INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?)",
                *(delivery.sequence, stamp(attempt.at), attempt.status, attempt.response, attempt.error),
                attempt.seconds,
            )
            if attempt.success:
                sql(
                    "UPDATE hooks SET delivered = delivered + 1, failures = 0, failing_since = NULL "
                    "WHERE id = ?",
                    delivery.hook,
                )
            else:
                sql(
                    "UPDATE hooks SET failed = failed + 1, failures = failures + 1, "
                    "failing_since = coalesce(failing_since, ?) WHERE id = ?",
                    *(stamp(attempt.at), delivery.hook),
                )

    def disable(self, hook: str, at: datetime, why: str) -> None:
        with self._writing(durable=True) as sql:
            sql(
                "UPDATE hooks SET disabled = ?, why = ?, updated = ? WHERE id = ? AND disabled IS NULL",
                *(stamp(at), why, stamp(at), hook),
            )

    def hurry(self, hook: str, now: datetime) -> None:
        with self._writing() as sql:
            _hurry(sql, hook, now)

    def recover(self, hook: str, now: datetime) -> int:
        with self._writing() as sql:
            return sql(
                "UPDATE deliveries SET state = 'pending', due = ?, tries = 0 "
                "WHERE hook = ? AND state = 'failed'",
                *(stamp(now), hook),
            ).rowcount

    # ------------------------------------------------------------ to look at

    def deliveries(self, hook: str, state: State | None, *, before: int | None, limit: int) -> list[Delivery]:
        rows = self._read(
            "SELECT * FROM deliveries WHERE hook = ? AND (? IS NULL OR state = ?) "
            "AND (? IS NULL OR sequence < ?) ORDER BY sequence DESC LIMIT ?",
            *(hook, state, state, before, before, limit),
        )
        return [self._whole(row) for row in rows]

    def count_deliveries(self, hook: str, state: State | None) -> int:
        rows = self._read(
            "SELECT count(*) FROM deliveries WHERE hook = ? AND (? IS NULL OR state = ?)", hook, state, state
        )
        return int(rows[0][0]) if rows else 0

    def delivery(self, hook: str, id_: str) -> Delivery | None:
        rows = self._read("SELECT * FROM deliveries WHERE hook = ? AND id = ?", hook, id_)
        return self._whole(rows[0]) if rows else None

    def _whole(self, row: sqlite3.Row) -> Delivery:
        attempts = self._read(
            "SELECT * FROM attempts WHERE delivery = ? ORDER BY rowid",
            row[0],
        )
        return delivery_of(row, [attempt_of(each) for each in attempts])

    # ------------------------------------------------------------ the file

    def _read(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        """The rows; none while there is no file."""
        with self._lock, _said(self._path):
            connection = self._opened(create=False)
            return connection.execute(statement, values).fetchall() if connection else []

    @contextmanager
    def _writing(self, *, durable: bool = False, create: bool = False) -> Iterator[_Sql]:
        """A transaction: all of it or, if anything is raised, nothing."""
        with self._lock, _said(self._path):
            connection = self._opened(create=create)
            if connection is None:
                raise Unavailable(f"{self._path} is not there any more")
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield lambda statement, *values: connection.execute(statement, values)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _opened(self, *, create: bool) -> sqlite3.Connection | None:
        if self._closed:
            raise Unavailable("the registry is closed")
        if self._connection is None and (create or self._path.exists()):
            # Made with mode 600; SQLite gives its files beside the same mode.
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            self._connection = _connected(self._path)
        return self._connection


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("BEGIN IMMEDIATE")  # two processes may be making it
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found == 0:
        for statement in tables.SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {tables.VERSION}")
    connection.execute("COMMIT")
    if found > tables.VERSION:
        connection.close()
        raise Unavailable(f"{path} was written by a newer Muster (its format is {found})")
    return connection


@contextmanager
def _said(path: Path) -> Iterator[None]:
    """SQLite's errors in our words."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        raise (StorageFull if full else Unavailable)(f"{path} cannot be used: {error}") from error


def _hurry(sql: _Sql, hook: str, now: datetime) -> None:
    sql(
        "UPDATE deliveries SET due = ? WHERE hook = ? AND state = 'pending' AND due > ?",
        *(stamp(now), hook, stamp(now)),
    )


def _prune(sql: _Sql, hook: str) -> None:
    """Forget what ended long ago."""
    for state, kept in KEPT.items():
        sql(
            "DELETE FROM deliveries WHERE hook = ? AND state = ? AND sequence <= (SELECT sequence FROM "
            "deliveries WHERE hook = ? AND state = ? ORDER BY sequence DESC LIMIT 1 OFFSET ?)",
            *(hook, state, hook, state, kept),
        )
