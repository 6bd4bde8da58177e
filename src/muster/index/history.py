"""The change log: filtered, by commit, by time, and what held at a position of it."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, Text, bindparam, func, literal_column, select

from muster.domain.messages import rfc3339
from muster.domain.views import Times
from muster.index.database import Reads, Row, limited, sql
from muster.index.entries import TOUCHES_MODEL, answer, logged, microseconds, moment
from muster.index.pages import a_page, paged
from muster.index.statements import ANSWERED
from muster.index.tables import changes, models, moves, placements, places, touches, versions
from muster.service.values import ChangeFilter, Logged, Placed

_MIN_PREFIX = 7

_position = bindparam("position", type_=Integer())

_BY_COMMIT = sql(select(changes).where(changes.c.commit_id == bindparam("commit", type_=Text())))
_BY_PREFIX = sql(
    limited(
        select(changes).where(
            changes.c.commit_id >= bindparam("low"), changes.c.commit_id < bindparam("high")
        ),
        2,
    )
)
_AFTER = sql(limited(select(changes).where(changes.c.position > _position).order_by(changes.c.position)))
_NEWEST = sql(limited(select(changes).order_by(changes.c.position.desc()), 1))
_AT = sql(
    limited(
        select(changes)
        .where(changes.c.time_us <= bindparam("time", type_=Integer()))
        .order_by(changes.c.time_us.desc(), changes.c.position.desc()),
        1,
    )
)
_FIRST_SINCE = sql(
    limited(
        select(changes.c.position)
        .where(changes.c.time_us >= bindparam("time", type_=Integer()))
        .order_by(changes.c.time_us, changes.c.position),
        1,
    )
)

_registered = changes.alias("registered")
_REGISTERED = sql(
    select(_registered.c.time_us)
    .join(versions, versions.c.sequence == _registered.c.position)
    .where(
        versions.c.model == bindparam("model", type_=Text()),
        versions.c.number == bindparam("number", type_=Integer()),
        versions.c.sequence <= _position,
    )
)
_TOUCHES = limited(
    select(changes.c.time_us, changes.c.auth)
    .join(touches, touches.c.position == changes.c.position)
    .where(
        touches.c.model == bindparam("model", type_=Text()),
        touches.c.number == bindparam("number", type_=Integer()),
        touches.c.position <= _position,
    )
    .order_by(touches.c.position.desc()),
    1,
)
_LAST_TOUCH = sql(_TOUCHES.where(touches.c.record))
_LAST_OF_KIND = sql(_TOUCHES.where(touches.c.own, touches.c.kind == bindparam("kind")))
_LAST_PLACING = sql(
    limited(
        select(changes)
        .join(placements, placements.c.position == changes.c.position)
        .where(
            placements.c.environment == bindparam("environment", type_=Text()),
            placements.c.model == bindparam("model", type_=Text()),
        )
        .order_by(placements.c.position.desc()),
        1,
    )
)

_RENAMED = sql(
    limited(
        select(changes.c.position, changes.c.model)
        .where(changes.c.renamed == bindparam("model", type_=Text()), changes.c.position > _position)
        .order_by(changes.c.position),
        1,
    )
)
_OF_MODEL = select(changes.c.time_us, changes.c.kind, changes.c.position, changes.c.renamed).where(
    changes.c.model == bindparam("model", type_=Text()),
    changes.c.kind.concat(literal_column("''")).in_(
        [literal_column(f"'{kind}'") for kind in sorted(TOUCHES_MODEL)]
    ),
)
_MODEL_TOUCHED = sql(
    limited(_OF_MODEL.where(changes.c.position <= _position).order_by(changes.c.position.desc()), 1)
)
_MODEL_FIRST = sql(limited(_OF_MODEL.where(changes.c.position > _position).order_by(changes.c.position), 1))
_MODEL_CREATED = sql(
    select(changes.c.time_us)
    .join(models, models.c.created == changes.c.position)
    .where(models.c.name == bindparam("model", type_=Text()), models.c.created <= _position)
)
_MODEL_DELETED = sql(
    select(func.max(changes.c.position)).where(
        changes.c.model == bindparam("model", type_=Text()),
        changes.c.kind.concat(literal_column("''")) == literal_column("'delete-model'"),
        changes.c.position <= _position,
    )
)
_MODEL_RENAMED = sql(
    select(func.max(changes.c.position)).where(
        changes.c.renamed == bindparam("model", type_=Text()), changes.c.position <= _position
    )
)


@dataclass(frozen=True, slots=True)
class Shape:
    """What distinguishes one statement from another: the filters by name, the most selective first.

    With `moved` it finds those that move the model at once with others, else those of it alone.
    """

    plain: tuple[str, ...]
    number: bool
    moved: bool = False


def shape_of(wanted: ChangeFilter) -> Shape:
    """The shape of the statements for that filter; with kinds it is that of one kind's."""
    given = {
        "model": wanted.model is not None,
        "environment": wanted.environment is not None,
        "actor": wanted.actor is not None,
        "kind": bool(wanted.kinds),
    }
    return Shape(tuple(name for name in given if given[name]), wanted.number is not None)


def shapes_of(wanted: ChangeFilter) -> tuple[Shape, ...]:
    """The shapes of all the statements that together find what the filter wants, no change twice."""
    shape = shape_of(wanted)
    if wanted.model is None or shape.number:
        return (shape,)
    return shape, replace(shape, moved=True)


def values_of(wanted: ChangeFilter, low: int, before: int) -> dict[str, object]:
    """What `matching` binds, for the positions [low, before); the kind is not among it."""
    return {
        "model": wanted.model,
        "number": wanted.number,
        "environment": wanted.environment,
        "actor": wanted.actor,
        "low": low,
        "before": before,
    }


def matching(
    found: Select[Any], shape: Shape, *, joined: bool = True
) -> tuple[Select[Any], ColumnElement[int]]:
    """`found` with the filters of `shape`, and the column of the position.

    Only the first filter may use its index. Without `joined` a number is looked
    for in `touches` alone.
    """
    position: ColumnElement[int] = changes.c.position
    if shape.number:
        position = touches.c.position
        if joined:
            found = found.join(touches, touches.c.position == changes.c.position)
        found = found.where(
            touches.c.model == bindparam("model", type_=Text()),
            touches.c.number == bindparam("number", type_=Integer()),
        )
    elif shape.moved:
        position = moves.c.position
        found = found.join(moves, moves.c.position == changes.c.position)
        found = found.where(moves.c.model == bindparam("model", type_=Text()))
    for at, name in enumerate(shape.plain):
        if (shape.number or shape.moved) and name == "model":
            continue
        plain: ColumnElement[Any] = changes.c[name]
        if shape.number or shape.moved or at > 0:
            plain = plain.concat(literal_column("''"))  # not for the index
        found = found.where(plain == bindparam(name, type_=Text()))
    return found.where(
        position >= bindparam("low", type_=Integer()), position < bindparam("before", type_=Integer())
    ), position


@lru_cache(maxsize=64)
def _changes(shape: Shape) -> str:
    """Newest first, between positions `low` and `before`."""
    found, position = matching(select(changes), shape)
    return sql(limited(found.order_by(position.desc())))


@lru_cache(maxsize=8)
def _placed(environment: bool, model: bool, *, count: bool = False) -> str:
    earlier = placements.alias("earlier")
    # Not its maximum: in a join SQLite would look at all of them for that.
    newest = limited(
        select(earlier.c.position)
        .where(
            earlier.c.environment == places.c.environment,
            earlier.c.model == places.c.model,
            earlier.c.position <= _position,
        )
        .order_by(earlier.c.position.desc()),
        1,
    ).scalar_subquery()
    there = places.join(
        placements,
        (placements.c.environment == places.c.environment)
        & (placements.c.model == places.c.model)
        & (placements.c.position == newest),
    )
    found: Select[Any] = select(func.count()).select_from(there)
    if not count:
        found = select(placements.c.environment, placements.c.model, placements.c.number, changes)
        found = found.select_from(there.join(changes, changes.c.position == placements.c.position))
    found = found.where(placements.c.number.is_not(None))
    if environment:
        found = found.where(places.c.environment == bindparam("environment", type_=Text()))
    if model:
        found = found.where(places.c.model == bindparam("model", type_=Text()))
    return sql(found if count else a_page(found, places.c.environment, places.c.model))


class LogReads(Reads):
    """The part of `Index` that reads the change log."""

    def changes(self, wanted: ChangeFilter, *, before: int | None = None, limit: int) -> list[Logged]:
        """Newest first, from below position `before`. A number without its model finds nothing."""
        bounds = self.bounds(wanted, before)
        if bounds is None or (wanted.number is not None and wanted.model is None):
            return []
        values = values_of(wanted, *bounds) | {"limit": limit}
        # One statement a kind, each in the order of its index: sorting all rows
        # of several kinds would read most of the log.
        kinds: list[str | None] = [*dict.fromkeys(wanted.kinds)] or [None]
        found = [
            self._readers.all(_changes(shape), values | {"kind": kind})
            for shape in shapes_of(wanted)
            for kind in kinds
        ]
        rows = found[0] if len(found) == 1 else list(heapq.merge(*found, key=_place, reverse=True))[:limit]
        return [logged(row) for row in rows]

    def bounds(self, wanted: ChangeFilter, before: int | None) -> tuple[int, int] | None:
        """The positions [from, below) that the filter's times and `before` leave; None if none."""
        low = 0
        high = 2**62 if before is None else before
        if wanted.since is not None:
            row = self._readers.one(_FIRST_SINCE, {"time": microseconds(wanted.since)})
            if row is None:
                return None
            low = row[0]
        if wanted.until is not None:
            last = self.at(wanted.until)
            if last is None:
                return None
            high = min(high, last.position + 1)
        return low, high

    def change(self, commit: str) -> Logged | None:
        """By its commit id or an unambiguous prefix of at least 7 digits."""
        commit = commit.lower()
        row = self._readers.one(_BY_COMMIT, {"commit": commit})
        if row is None and len(commit) >= _MIN_PREFIX:
            rows = self._readers.all(_BY_PREFIX, {"low": commit, "high": f"{commit}g"})
            row = rows[0] if len(rows) == 1 else None
        return logged(row) if row else None

    def changes_after(self, position: int, limit: int) -> list[Logged]:
        """Oldest first, for followers of the log."""
        return [logged(row) for row in self._readers.all(_AFTER, {"position": position, "limit": limit})]

    def at(self, time: datetime) -> Logged | None:
        """The newest change at or before `time`."""
        row = self._readers.one(_AT, {"time": microseconds(time)})
        return logged(row) if row else None

    def newest(self) -> Logged | None:
        """The newest change; None if there is none."""
        row = self._readers.one(_NEWEST)
        return logged(row) if row else None

    def placed_at(
        self,
        position: int,
        environment: str | None = None,
        model: str | None = None,
        *,
        after: tuple[str, str] | None = None,
        limit: int | None = None,
    ) -> list[Placed]:
        """What was declared at that position, by environment and model beyond `after`."""
        rows = self._readers.all(
            _placed(environment is not None, model is not None),
            paged(environment, model, after, limit) | {"position": position},
        )
        return [Placed(row[0], row[1], row[2], logged(row[3:])) for row in rows]

    def count_placed_at(self, position: int, environment: str | None = None, model: str | None = None) -> int:
        """How much was declared at that position."""
        row = self._readers.one(
            _placed(environment is not None, model is not None, count=True),
            {"position": position, "environment": environment, "model": model},
        )
        return row[0] if row else 0

    def times_at(self, position: int, model: str, number: int) -> Times | None:
        """The times of a version as they were at that position; None if it was not registered yet."""
        values: dict[str, object] = {
            "model": self._named_now(model, position),
            "number": number,
            "position": position,
        }
        registered = self._readers.one(_REGISTERED, values)
        touched = self._readers.one(_LAST_TOUCH, values)
        if registered is None or touched is None:
            return None
        deploy, rollback = (
            self._readers.one(_LAST_OF_KIND, values | {"kind": kind}) for kind in ("deploy", "rollback")
        )
        return Times(
            _shown(registered),
            _shown(touched),
            last_deployed=_shown(deploy) if deploy else None,
            last_rollback=_shown(rollback) if rollback else None,
            by_import=touched[1] == "import",
        )

    def _named_now(self, model: str, position: int) -> str:
        """The name that the model which was called so at a position has now."""
        while (row := self._readers.one(_RENAMED, {"model": model, "position": position})) is not None:
            position, model = row
        return model

    def model_times_at(self, position: int, model: str) -> Times | None:
        """When the model was created and last updated, as of that position; None if it was not there."""
        values: dict[str, object] = {"model": model, "position": position}
        touched = self._readers.one(_MODEL_TOUCHED, values)
        (renamed,) = self._readers.one(_MODEL_RENAMED, values) or (None,)
        if touched is None or touched[1] == "delete-model" or (renamed or 0) > touched[2]:
            return None
        now = self._named_now(model, position)
        created = self._readers.one(_MODEL_CREATED, values | {"model": now})
        if created is None:
            # It was deleted since: what counts is its first change after an earlier end.
            (gone,) = self._readers.one(_MODEL_DELETED, values) or (None,)
            ended = max(gone or 0, renamed or 0)
            created = self._readers.one(_MODEL_FIRST, values | {"position": ended})
            if created is not None and created[3] is not None:  # it came by another name
                earlier = self.model_times_at(created[2] - 1, created[3])
                return earlier and Times(earlier.created_at, _shown(touched))
        return Times(_shown(created or touched), _shown(touched))

    def last_placing(self, environment: str, model: str) -> Logged | None:
        """The newest change that declared anything for the model there, be it nothing."""
        row = self._readers.one(_LAST_PLACING, {"environment": environment, "model": model})
        return logged(row) if row else None

    def answered(self, key: str) -> tuple[str, Logged] | None:
        """The sha256 of the request that came with an idempotency key, and the change it made."""
        row = self._readers.one(ANSWERED, {"key": key})
        return answer(row) if row else None


def _place(row: Row) -> int:
    position: int = row[0]
    return position


def _shown(row: Row) -> str:
    return rfc3339(moment(row[0]))
