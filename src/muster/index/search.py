"""Lists of versions: one statement for each shape of question, built when first asked.

Filters that need another table are subqueries of sequences. Of the plain ones
only the most selective may use its index: without statistics SQLite is as likely
to walk every version of a stage as the ten of a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Text,
    bindparam,
    column,
    func,
    literal_column,
    select,
    table,
    tuple_,
)

from muster.domain.errors import Invalid
from muster.index.database import Reads, limited, sql
from muster.index.reads import FOUND
from muster.index.rows import version_of
from muster.index.tables import changes, deployments, metrics, tags, versions
from muster.service.values import Found, VersionFilter

_SELECTIVE_FIRST = ("model", "owner", "stage", "kind")
_ORDERS: dict[str, tuple[ColumnElement[Any], ...]] = {
    "sequence": (versions.c.sequence,),
    "name": (versions.c.model, versions.c.number),
    "number": (versions.c.number, versions.c.sequence),
    "created_at": (versions.c.created_at, versions.c.sequence),
    "last_updated": (versions.c.last_updated, versions.c.sequence),
}
_METRIC = "metric:"
_TRIGRAM = 3

_AFTER_ROW = {
    order: sql(select(*columns).where(versions.c.sequence == bindparam("after", type_=Integer())))
    for order, columns in _ORDERS.items()
}
_RECORD = sql(select(versions.c.record).where(versions.c.sequence == bindparam("after", type_=Integer())))
_text = table("versions_text", column("rowid", Integer), column("folded", Text))


@dataclass(frozen=True, slots=True)
class _Shape:
    """What distinguishes one statement from another."""

    plain: tuple[str, ...]
    tag_count: int
    text: str  # "", "scan" for what is too short for a trigram, "match"
    environment: bool


def _shape(wanted: VersionFilter) -> _Shape:
    text = ""
    if wanted.text:
        text = "match" if len(wanted.text.casefold()) >= _TRIGRAM else "scan"
    return _Shape(
        tuple(name for name in _SELECTIVE_FIRST if getattr(wanted, name) is not None),
        len(wanted.tags),
        text,
        wanted.environment is not None,
    )


def _values(wanted: VersionFilter, shape: _Shape) -> dict[str, object]:
    values: dict[str, object] = {name: getattr(wanted, name) for name in shape.plain}
    values["environment"] = wanted.environment
    for at, (key, value) in enumerate(wanted.tags.items()):
        values |= {f"key_{at}": key, f"value_{at}": value}
    if wanted.text:
        text = wanted.text.casefold()
        values["text"] = '"' + text.replace('"', '""') + '"' if shape.text == "match" else text
    return values


def _conditions(shape: _Shape) -> list[ColumnElement[bool]]:
    """Which versions match: the parameters are those of `_values`."""
    sequence = versions.c.sequence
    found: list[ColumnElement[bool]] = [versions.c.live]
    for at in range(shape.tag_count):
        tagged = select(tags.c.sequence).where(
            tags.c.key == bindparam(f"key_{at}"), tags.c.value == bindparam(f"value_{at}")
        )
        found.append(sequence.in_(tagged))
    if shape.text == "match":
        matches = column("versions_text", Text).op("MATCH")(bindparam("text"))
        found.append(sequence.in_(select(_text.c.rowid).where(matches)))
    elif shape.text:
        found.append(func.instr(versions.c.folded, bindparam("text")) > literal_column("0"))
    if shape.environment:
        inner = versions.alias("deployed")
        deployed = (
            select(inner.c.sequence)
            .join(
                deployments, (deployments.c.model == inner.c.model) & (deployments.c.number == inner.c.number)
            )
            .where(deployments.c.environment == bindparam("environment"))
        )
        found.append(sequence.in_(deployed))
    driven = shape.tag_count > 0 or shape.text == "match" or shape.environment
    for at, name in enumerate(shape.plain):
        plain: ColumnElement[Any] = versions.c[name]
        if driven or at > 0:
            plain = plain.concat(literal_column("''"))  # not for the index
        found.append(plain == bindparam(name, type_=Text()))
    return found


@lru_cache(maxsize=512)
def _count(shape: _Shape) -> str:
    return sql(select(func.count()).select_from(versions).where(*_conditions(shape)))


@lru_cache(maxsize=64)
def _model_ids(shape: _Shape) -> str:
    return sql(
        limited(
            select(versions.c.sequence, versions.c.model_id)
            .where(*_conditions(shape), versions.c.sequence > bindparam("after_0", type_=Integer()))
            .order_by(versions.c.sequence)
        )
    )


def _paged(
    found: Select[*tuple[Any, ...]],
    columns: tuple[ColumnElement[Any], ...],
    *,
    beyond: bool,
    descending: bool,
) -> str:
    """`found` in the order of `columns`, from beyond the values `after_0` and so on."""
    if beyond:
        here = tuple_(*columns)
        there = tuple_(*(bindparam(f"after_{at}", type_=c.type) for at, c in enumerate(columns)))
        found = found.where(here < there if descending else here > there)
    found = found.order_by(*(c.desc() if descending else c for c in columns))
    return sql(limited(found))


def _found(shape: _Shape) -> Select[*tuple[Any, ...]]:
    joined = select(*FOUND).join(changes, changes.c.position == versions.c.touched)
    return joined.where(*_conditions(shape))


@lru_cache(maxsize=512)
def _list(shape: _Shape, order: str, *, beyond: bool, descending: bool) -> str:
    return _paged(_found(shape), _ORDERS[order], beyond=beyond, descending=descending)


@lru_cache(maxsize=512)
def _measured(shape: _Shape, *, beyond: bool, descending: bool) -> str:
    """Versions that have the metric, by its value."""
    found = _found(shape).join(metrics, metrics.c.sequence == versions.c.sequence)
    found = found.where(metrics.c.key == bindparam("metric"))
    columns = (metrics.c.value, metrics.c.sequence)
    return _paged(found, columns, beyond=beyond, descending=descending)


@lru_cache(maxsize=512)
def _unmeasured(shape: _Shape, *, beyond: bool, descending: bool) -> str:
    """Versions without the metric, in the order of registration."""
    measured = select(metrics.c.sequence).where(
        metrics.c.key == bindparam("metric"), metrics.c.sequence == versions.c.sequence
    )
    found = _found(shape).where(~measured.exists())
    return _paged(found, _ORDERS["sequence"], beyond=beyond, descending=descending)


class VersionLists(Reads):
    """The part of `Index` that lists versions."""

    def versions(
        self,
        wanted: VersionFilter,
        *,
        after: int = 0,
        limit: int,
        descending: bool = False,
        order: str = "sequence",
    ) -> list[Found]:
        """At most `limit` live versions beyond the one with sequence `after`, in that order.

        Orders: `sequence`, `name`, `number`, `created_at`, `last_updated` and
        `metric:<name>`, where versions without that metric come last.

        Raises:
            Invalid: there is no such order.
        """
        shape = _shape(wanted)
        values = _values(wanted, shape) | {"limit": limit}
        if order.startswith(_METRIC) and order != _METRIC:
            return self._by_metric(shape, values, order.removeprefix(_METRIC), after, limit, descending)
        if order not in _ORDERS:
            names = ", ".join((*_ORDERS, f"{_METRIC}NAME"))
            raise Invalid.one("order", order, f"must be one of {names}")
        if after:
            row = self._readers.one(_AFTER_ROW[order], {"after": after})
            if row is None:
                if order != "sequence":
                    return []
                row = (after,)
            values |= {f"after_{at}": value for at, value in enumerate(row)}
        statement = _list(shape, order, beyond=after > 0, descending=descending)
        return [Found(*row) for row in self._readers.all(statement, values)]

    def _by_metric(
        self,
        shape: _Shape,
        values: dict[str, object],
        metric: str,
        after: int,
        limit: int,
        descending: bool,
    ) -> list[Found]:
        values["metric"] = metric
        value: float | None = None
        if after:
            row = self._readers.one(_RECORD, {"after": after})
            value = version_of(row[0]).metrics.get(metric) if row else None
        rows = []
        if not after or value is not None:
            statement = _measured(shape, beyond=after > 0, descending=descending)
            rows = self._readers.all(statement, values | {"after_0": value, "after_1": after})
            after = 0
        if len(rows) < limit:
            statement = _unmeasured(shape, beyond=after > 0, descending=descending)
            rest = values | {"after_0": after, "limit": limit - len(rows)}
            rows += self._readers.all(statement, rest)
        return [Found(*row) for row in rows]

    def count_versions(self, wanted: VersionFilter) -> int:
        """How many live versions match."""
        shape = _shape(wanted)
        row = self._readers.one(_count(shape), _values(wanted, shape))
        return row[0] if row else 0

    def model_ids(self, wanted: VersionFilter, *, after: int = 0, limit: int) -> list[tuple[int, str]]:
        """(sequence, model id) of live versions in the order of registration."""
        shape = _shape(wanted)
        values = _values(wanted, shape) | {"after_0": after, "limit": limit}
        return [(row[0], row[1]) for row in self._readers.all(_model_ids(shape), values)]
