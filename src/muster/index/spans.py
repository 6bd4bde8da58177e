"""What came between two positions of the log."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import CompoundSelect, Integer, Select, Text, bindparam, func, literal_column, or_, select

from muster.index.database import Reads, limited, sql
from muster.index.entries import logged
from muster.index.tables import changes, models, moves, placements, places, versions
from muster.service.spans import Moved, Newcomer
from muster.service.values import Logged

# In a shorter span its changes are looked through, in a longer one all places of the environment.
_SHORT: Final = 1_000

_low = bindparam("low", type_=Integer())
_high = bindparam("high", type_=Integer())
_environment = bindparam("environment", type_=Text())


def _moved(there: Select[Any] | CompoundSelect[Any]) -> str:
    """Of the models in `there`, those of which something else is declared at `high` than at `low`."""
    model = there.subquery("there").c.model
    before, after = (
        limited(
            select(placements.c.number)
            .where(
                placements.c.environment == _environment,
                placements.c.model == model,
                placements.c.position <= position,
            )
            .order_by(placements.c.position.desc()),
            1,
        ).scalar_subquery()
        for position in (_low, _high)
    )
    # Once a row: flattened into its WHERE, each would be looked up twice.
    both = select(model, before.label("before"), after.label("after")).cte("both").prefix_with("MATERIALIZED")
    return sql(select(both).where(both.c.before.is_distinct_from(both.c.after)).order_by(both.c.model))


_MOVED_SHORT = _moved(
    select(changes.c.model)
    .where(
        changes.c.position > _low,
        changes.c.position <= _high,
        changes.c.environment == _environment,
        changes.c.deployed.is_not(None),
        changes.c.model.is_not(None),
    )
    .union(select(moves.c.model).where(moves.c.position > _low, moves.c.position <= _high))
)
_MOVED = _moved(select(places.c.model).where(places.c.environment == _environment))
_PLACED_BY = sql(
    limited(
        select(changes)
        .join(placements, placements.c.position == changes.c.position)
        .where(
            placements.c.environment == _environment,
            placements.c.model == bindparam("model", type_=Text()),
            placements.c.position <= bindparam("position", type_=Integer()),
        )
        .order_by(placements.c.position.desc()),
        1,
    )
)
_REGISTERED = sql(
    limited(
        select(versions.c.model, versions.c.number, versions.c.label, versions.c.live, *changes.c)
        .join(changes, changes.c.position == versions.c.sequence)
        .where(versions.c.sequence > _low, versions.c.sequence <= _high)
        .order_by(versions.c.sequence.desc())
    )
)
# Counted in the log, whose index says it all: a row of a version holds its whole record.
_COUNT_REGISTERED = sql(
    select(func.count()).where(
        changes.c.kind == literal_column("'register'"),
        changes.c.position > _low,
        changes.c.position <= _high,
    )
)
# A model that was deleted is one whose last touch was its end.
_ARRIVED = sql(
    limited(
        select(models.c.name)
        .where(
            models.c.created > _low,
            models.c.created <= _high,
            or_(models.c.live, models.c.touched > _high),
        )
        .order_by(models.c.name)
    )
)
_DEPARTED = sql(
    limited(
        select(models.c.name)
        .where(
            models.c.created <= _low,
            ~models.c.live,
            models.c.touched > _low,
            models.c.touched <= _high,
        )
        .order_by(models.c.name)
    )
)


class SpanReads(Reads):
    """The part of `Index` that compares two moments."""

    def moved(self, low: int, high: int, environment: str) -> list[Moved]:
        """All that was declared otherwise in the environment at `high` than at `low`, by model."""
        statement = _MOVED_SHORT if high - low <= _SHORT else _MOVED
        values = {"low": low, "high": high, "environment": environment}
        return [Moved(*row) for row in self._readers.all(statement, values)]

    def placed_by(self, position: int, environment: str, model: str) -> Logged | None:
        """The newest change up to that position that declared anything for the model there, be it nothing."""
        values = {"position": position, "environment": environment, "model": model}
        row = self._readers.one(_PLACED_BY, values)
        return logged(row) if row else None

    def registered(self, low: int, high: int, limit: int) -> list[Newcomer]:
        """Versions registered in the span, the latest first."""
        rows = self._readers.all(_REGISTERED, {"low": low, "high": high, "limit": limit})
        return [
            Newcomer(model, number, label, bool(live), logged(tuple(change)))
            for model, number, label, live, *change in rows
        ]

    def count_registered(self, low: int, high: int) -> int:
        """How many versions were registered in the span."""
        row = self._readers.one(_COUNT_REGISTERED, {"low": low, "high": high})
        return row[0] if row else 0

    def arrived(self, low: int, high: int, limit: int) -> list[str]:
        """Models that were there at `high` and not at `low`, by name."""
        rows = self._readers.all(_ARRIVED, {"low": low, "high": high, "limit": limit})
        return [row[0] for row in rows]

    def departed(self, low: int, high: int, limit: int) -> list[str]:
        """Models that were there at `low` and not at `high`, by name."""
        rows = self._readers.all(_DEPARTED, {"low": low, "high": high, "limit": limit})
        return [row[0] for row in rows]
