"""What instances outside had reported, up to a position of the log."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import Integer, Select, Text, bindparam, exists, func, select

from muster.index.database import Reads, sql
from muster.index.entries import logged
from muster.index.tables import changes, placements
from muster.service.values import Logged

_position = bindparam("position", type_=Integer())
_environment = bindparam("environment", type_=Text())
_model = bindparam("model", type_=Text())

# As the index `changes_reported` has them: only what an instance said has one.
_said = select(changes.c.environment, changes.c.model).where(
    changes.c.instance.is_not(None), changes.c.position <= _position
)
_NEWEST = sql(
    select(changes)
    .where(
        changes.c.position.in_(
            _said.with_only_columns(func.max(changes.c.position))
            .where(changes.c.environment == _environment, changes.c.model == _model)
            .group_by(changes.c.instance)
        )
    )
    .order_by(changes.c.instance)
)


@lru_cache(maxsize=4)
def _undeclared(environment: bool, model: bool) -> str:
    said: Select[Any] = _said
    if environment:
        said = said.where(changes.c.environment == _environment)
    if model:
        said = said.where(changes.c.model == _model)
    there = said.distinct().subquery()
    earlier = placements.alias("earlier")
    newest = (
        select(func.max(earlier.c.position))
        .where(
            earlier.c.environment == there.c.environment,
            earlier.c.model == there.c.model,
            earlier.c.position <= _position,
        )
        .correlate(there)
        .scalar_subquery()
    )
    declared = (
        exists()
        .where(
            placements.c.environment == there.c.environment,
            placements.c.model == there.c.model,
            placements.c.position == newest,
            placements.c.number.is_not(None),
        )
        .correlate(there)
    )
    found = select(there.c.environment, there.c.model).where(~declared)
    return sql(found.order_by(there.c.environment, there.c.model))


class ReportReads(Reads):
    """The part of `Index` that reads what others said they run."""

    def reported_at(self, position: int, environment: str, model: str) -> list[Logged]:
        """The newest observation of each instance that reported there, up to that position."""
        values: dict[str, object] = {"position": position, "environment": environment, "model": model}
        return [logged(row) for row in self._readers.all(_NEWEST, values)]

    def undeclared_at(
        self, position: int, environment: str | None = None, model: str | None = None
    ) -> list[tuple[str, str]]:
        """Where instances had reported and nothing was declared at that position."""
        values: dict[str, object] = {"position": position, "environment": environment, "model": model}
        rows = self._readers.all(_undeclared(environment is not None, model is not None), values)
        return [(row[0], row[1]) for row in rows]
