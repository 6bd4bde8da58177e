"""The port `Credentials` on an SQLite file of mode 600.

Secrets are random and long, so that their sha256 is all that is kept and no slow hash
is needed. Looking one up costs a dict: the table is read whole, and again whenever
this or another process has written it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from muster.domain.changes import Limits
from muster.domain.errors import Unavailable
from muster.service.identities import Credential, Profile

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS credentials (
    id TEXT PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    proof TEXT NOT NULL,
    note TEXT NOT NULL,
    limits TEXT,
    created TEXT NOT NULL,
    expires TEXT,
    once INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS uses (id TEXT PRIMARY KEY, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS profiles (
    account TEXT PRIMARY KEY,
    full_name TEXT NOT NULL,
    email TEXT NOT NULL,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS profiles_by_subject
    ON profiles(issuer, subject) WHERE issuer <> '';
"""
_BUSY_S: Final = 10.0
_LOOK_S: Final = 0.1
_NOTED_S: Final = 60.0  # uses closer together than that are not written again


class CredentialFile:
    """The credentials in the file `path`, made if it is not there.

    Raises:
        Unavailable: the file cannot be opened or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[bytes, Credential] = {}
        self._version = -1
        self._look_at = 0.0  # monotonic: when to see whether another process has written
        self._noted: dict[str, datetime] = {}
        with self._translated():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_S, check_same_thread=False, isolation_level=None
            )
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def add(self, credential: Credential, digest: bytes) -> None:
        """Keep a credential, known from then on by the sha256 of its secret."""
        limits = credential.limits
        self._write(
            "INSERT INTO credentials VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                credential.id,
                digest,
                credential.account,
                credential.kind,
                credential.proof,
                credential.note,
                None if limits is None else json.dumps([limits.role, limits.models, limits.environments]),
                credential.created.isoformat(),
                credential.expires and credential.expires.isoformat(),
                credential.once,
            ),
        )

    def by_digest(self, digest: bytes) -> Credential | None:
        """The credential whose secret has that sha256, be it expired.

        What another process revoked is known here a tenth of a second later.
        """
        if time.monotonic() < self._look_at:
            return self._known.get(digest)
        with self._lock, self._translated():
            self._refresh()
            return self._known.get(digest)

    def of(self, account: str | None = None) -> Sequence[Credential]:
        """Those of an account, or all; oldest first."""
        with self._lock, self._translated():
            self._refresh()
            uses = dict(self._connection.execute("SELECT id, at FROM uses").fetchall())
            found = [
                replace(each, last_used=_time(uses.get(each.id)))
                for each in self._known.values()
                if account in (None, each.account)
            ]
        return sorted(found, key=lambda each: each.created)

    def used(self, id: str, at: datetime) -> None:  # noqa: A002  as in the port
        """Note when it was last used, once a minute at most."""
        noted = self._noted.get(id)
        if noted is not None and (at - noted).total_seconds() < _NOTED_S:
            return
        self._noted[id] = at
        self._write("INSERT OR REPLACE INTO uses VALUES (?, ?)", (id, at.isoformat()))

    def revoke(self, id: str) -> Credential | None:  # noqa: A002  as in the port
        """It is good for nothing from now on; what it was, None if there is none."""
        found = next((each for each in self.of() if each.id == id), None)
        gone = self._write("DELETE FROM credentials WHERE id = ?", (id,))
        self._write("DELETE FROM uses WHERE id = ?", (id,))
        return found if gone else None  # of several who revoke it at once, one did

    def revoke_all(self, account: str) -> int:
        """The same for all of an account; how many."""
        self._write("DELETE FROM uses WHERE id IN (SELECT id FROM credentials WHERE account = ?)", (account,))
        return self._write("DELETE FROM credentials WHERE account = ?", (account,))

    def profile(self, account: str) -> Profile | None:
        """What is known of the person behind an account."""
        row = self._one("SELECT * FROM profiles WHERE account = ?", (account,))
        return Profile(*row) if row else None

    def set_profile(self, profile: Profile) -> None:
        """Replace what is known of somebody."""
        values = (profile.account, profile.full_name, profile.email, profile.issuer, profile.subject)
        self._write("INSERT OR REPLACE INTO profiles VALUES (?, ?, ?, ?, ?)", values)

    def account_of(self, issuer: str, subject: str) -> str | None:
        """The account that somebody at a log-in service has here."""
        row = self._one("SELECT account FROM profiles WHERE issuer = ? AND subject = ?", (issuer, subject))
        return row[0] if row else None

    # ------------------------------------------------------------ the file

    def _one(self, statement: str, values: tuple[object, ...]) -> tuple[Any, ...] | None:
        with self._lock, self._translated():
            row: tuple[Any, ...] | None = self._connection.execute(statement, values).fetchone()
            return row

    def _write(self, statement: str, values: tuple[object, ...]) -> int:
        with self._lock, self._translated():
            count = self._connection.execute(statement, values).rowcount
            self._version, self._look_at = -1, 0.0
            return count

    def _refresh(self) -> None:
        """Read the table again if anybody has written to the file since."""
        self._look_at = time.monotonic() + _LOOK_S
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        if version == self._version:
            return
        rows = self._connection.execute("SELECT * FROM credentials").fetchall()
        self._known = {row[1]: _credential(row) for row in rows}
        self._version = version

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise Unavailable(f"{self._path} cannot be read or written: {error}") from error


def _credential(row: tuple[Any, ...]) -> Credential:
    id_, _, account, kind, proof, note, limits, created, expires, once = row
    role, models, environments = json.loads(limits) if limits else (None, (), ())
    return Credential(
        id=id_,
        account=account,
        kind=kind,
        proof=proof,
        note=note,
        limits=Limits(role, tuple(models), tuple(environments)) if limits else None,
        created=datetime.fromisoformat(created),
        expires=_time(expires),
        once=bool(once),
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
