"""The tables of the outbox, and rows to values and back. Times are whole microseconds since 1970."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from sqlite3 import Row
from typing import Any, Final

from muster.service.hooks import Attempt, Delivery, Hook, Wanted

VERSION: Final = 1

SCHEMA: Final = """
CREATE TABLE hooks (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    url TEXT NOT NULL,
    secret TEXT NOT NULL,
    wanted TEXT NOT NULL,
    description TEXT NOT NULL,
    created INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated INTEGER NOT NULL,
    position INTEGER NOT NULL,
    disabled INTEGER,
    why TEXT NOT NULL,
    failures INTEGER NOT NULL,
    failing_since INTEGER,
    delivered INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    request_key TEXT UNIQUE,
    request_digest TEXT
) STRICT;
CREATE TABLE deliveries (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    hook TEXT NOT NULL REFERENCES hooks ON DELETE CASCADE,
    position INTEGER NOT NULL,
    commit_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    created INTEGER NOT NULL,
    state TEXT NOT NULL,
    due INTEGER,
    tries INTEGER NOT NULL
) STRICT;
CREATE INDEX by_state ON deliveries (hook, state, sequence);
CREATE INDEX by_due ON deliveries (hook, due) WHERE state = 'pending';
CREATE TABLE attempts (
    delivery INTEGER NOT NULL REFERENCES deliveries ON DELETE CASCADE,
    at INTEGER NOT NULL,
    status INTEGER,
    response TEXT NOT NULL,
    error TEXT NOT NULL,
    seconds REAL NOT NULL
) STRICT;
CREATE INDEX by_delivery ON attempts (delivery);
"""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def stamp(time: datetime) -> int:
    """`time` as it is kept."""
    return (time - _EPOCH) // _MICROSECOND


def maybe(time: datetime | None) -> int | None:
    """The same, if there is one."""
    return None if time is None else stamp(time)


def _time(kept: int) -> datetime:
    return _EPOCH + timedelta(microseconds=kept)


def time_or_none(kept: int | None) -> datetime | None:
    """The reverse of `maybe`."""
    return None if kept is None else _time(kept)


def wanted_text(wanted: Wanted) -> str:
    """A filter as it is kept."""
    return json.dumps([wanted.kinds, wanted.models, wanted.environments])


def hook_row(hook: Hook) -> tuple[Any, ...]:
    """The columns of `hooks` but the last two, in their order."""
    return (
        hook.id,
        hook.name,
        hook.url,
        hook.secret,
        wanted_text(hook.wanted),
        hook.description,
        stamp(hook.created),
        hook.created_by,
        stamp(hook.updated),
        hook.position,
        maybe(hook.disabled),
        hook.why,
        hook.failures,
        maybe(hook.failing_since),
        hook.delivered,
        hook.failed,
    )


def hook_of(row: Row) -> Hook:
    """The reverse of `hook_row`."""
    kinds, models, environments = json.loads(row["wanted"])
    return Hook(
        id=row["id"],
        name=row["name"],
        url=row["url"],
        secret=row["secret"],
        wanted=Wanted(tuple(kinds), tuple(models), tuple(environments)),
        description=row["description"],
        created=_time(row["created"]),
        created_by=row["created_by"],
        updated=_time(row["updated"]),
        position=row["position"],
        disabled=time_or_none(row["disabled"]),
        why=row["why"],
        failures=row["failures"],
        failing_since=time_or_none(row["failing_since"]),
        delivered=row["delivered"],
        failed=row["failed"],
    )


def delivery_of(row: Row, attempts: Sequence[Attempt] = ()) -> Delivery:
    """What a row of `deliveries` holds."""
    return Delivery(
        sequence=row["sequence"],
        id=row["id"],
        hook=row["hook"],
        position=row["position"],
        commit=row["commit_id"],
        kind=row["kind"],
        created=_time(row["created"]),
        state=row["state"],
        due=time_or_none(row["due"]),
        tries=row["tries"],
        attempts=tuple(attempts),
    )


def attempt_of(row: Row) -> Attempt:
    """What a row of `attempts` holds."""
    return Attempt(_time(row["at"]), row["status"], row["response"], row["error"], row["seconds"])
