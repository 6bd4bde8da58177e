"""Searches with typed conditions: one statement for each shape of question, values only as parameters.

A model search is driven by its first `=` on a tag, since `model_tags` holds the
models of one value in the order of their names, or else by the names; whatever
else is asked for is checked row by row, so that a page is full after a few rows
however many models there are. Versions likewise, by `tags`, `sources` or model.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Text,
    and_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    true,
)

from muster.domain.messages import rfc3339
from muster.domain.records import STAGES
from muster.index.database import Reads, Row, limited, sql
from muster.index.entries import moment
from muster.index.rows import model_of
from muster.index.tables import aliases, changes, model_tags, models, sources, tags, versions
from muster.service.searching import Compared, Condition, Hit, Listed, Order, Page, Tagged

_SEPARATOR = "/"  # no alias holds one
_MILLISECONDS = 23  # characters of an RFC 3339 time up to them

# A condition without its operands: kind, field or nothing, operator, how many operands.
Shape = tuple[str, str, str, int]

_created = changes.alias("created")
_updated = changes.alias("updated")


def _newest(stage: str) -> tuple[FromClause, ColumnElement[bool]]:
    """The version of a model with the highest number of a stage, to be joined to `models`."""
    inner, shown = versions.alias(f"inner_{stage}"), versions.alias(f"newest_{stage}")
    wanted = select(inner.c.sequence).where(
        inner.c.live, inner.c.model == models.c.name, inner.c.stage == literal_column(f"'{stage}'")
    )
    newest = limited(wanted.order_by(inner.c.number.desc()), 1).scalar_subquery()
    return shown, shown.c.sequence == newest


_NEWEST = [_newest(stage) for stage in STAGES]
_DOCUMENTS = [shown.c.document for shown, _ in _NEWEST]
_ALIASES = (
    select(func.group_concat(aliases.c.alias, literal_column(f"'{_SEPARATOR}'")))
    .where(aliases.c.model == versions.c.model, aliases.c.number == versions.c.number)
    .scalar_subquery()
)

_MODEL_KEYS: dict[str, ColumnElement[Any]] = {
    "name": models.c.name,
    "last_updated": _updated.c.time_us.op("/")(literal_column("1000", Integer())),
}


def _to_milliseconds(column: ColumnElement[str]) -> ColumnElement[str]:
    return func.substr(column, literal_column("1"), literal_column(str(_MILLISECONDS)))


_VERSION_KEYS: dict[str, ColumnElement[Any]] = {
    "name": versions.c.model,
    "number": versions.c.number,
    "created_at": _to_milliseconds(versions.c.created_at),
    "last_updated": _to_milliseconds(versions.c.last_updated),
}


def _said(column: ColumnElement[str]) -> ColumnElement[str]:
    """What a version says of its source; "" if it says nothing."""
    found = select(column).where(sources.c.sequence == versions.c.sequence).scalar_subquery()
    return func.coalesce(found, literal_column("''", Text()))


_FIELDS: dict[str, ColumnElement[Any]] = {
    "name": versions.c.model,
    "number": versions.c.number,
    "run_id": _said(sources.c.run_id),
    "uri": _said(sources.c.uri),
}


# ------------------------------------------------------------ conditions


def _shape(condition: Condition) -> Shape:
    match condition:
        case Compared():
            count = len(condition.operand) if isinstance(condition.operand, tuple) else 1
            if (condition.field, condition.operator) == ("run_id", "=") and condition.operand:
                return "run", "", "=", 1
            return "field", condition.field, condition.operator, count
        case Tagged():
            return "tag", "", condition.operator, 1
        case _:
            return "untagged", "", "", 1


def _values(conditions: Sequence[Condition]) -> dict[str, object]:
    """The parameters of `_test`, for each condition by its place."""
    values: dict[str, object] = {}
    for at, condition in enumerate(conditions):
        match condition:
            case Compared(_, "like" | "ilike" as operator, operand) | Tagged(
                _, "like" | "ilike" as operator, operand
            ):
                values[f"value_{at}"] = pattern(str(operand), fold=operator == "ilike")
            case Compared(_, _, tuple() as operands):
                values |= {f"value_{at}_{nth}": operand for nth, operand in enumerate(operands)}
            case Compared() | Tagged():
                values[f"value_{at}"] = condition.operand
            case _:
                values[f"value_{at}"] = condition.value.lower()
        if not isinstance(condition, Compared):
            values[f"key_{at}"] = condition.key
    return values


def pattern(text: str, *, fold: bool) -> str:
    """A LIKE pattern (`%`, `_`, nothing escaped) as GLOB takes it, which has regard to case."""
    to_glob = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}
    return "".join(to_glob.get(char, char) for char in (text.lower() if fold else text))


def _test(column: ColumnElement[Any], operator: str, at: int, count: int) -> ColumnElement[bool]:
    """`column` compared with the parameters of the condition at place `at`."""
    value: ColumnElement[Any] = bindparam(f"value_{at}", type_=column.type)
    several = [bindparam(f"value_{at}_{nth}", type_=column.type) for nth in range(count)]
    match operator:
        case "like":
            return column.op("GLOB", is_comparison=True)(value)
        case "ilike":
            return func.folded(column).op("GLOB", is_comparison=True)(value)
        case "in":
            return column.in_(several)
        case "not in":
            return column.not_in(several)
        case _:
            return column.op(operator, is_comparison=True)(value)


def _conditions(
    shapes: Sequence[Shape],
    fields: dict[str, ColumnElement[Any]],
    tagged: FromClause,
    owner: tuple[ColumnElement[Any], str],
) -> tuple[FromClause | None, list[ColumnElement[bool]]]:
    """What drives the search, if a tag does, and what every row must meet.

    `owner` is the column that `tagged` points to, and the name of the one that does.
    """
    key, pointer = owner
    driver: FromClause | None = None
    found: list[ColumnElement[bool]] = []
    narrow = any(
        kind == "run" or (kind == "field" and operator in ("=", "in")) for kind, _, operator, _ in shapes
    )
    for at, (kind, field, operator, count) in enumerate(shapes):
        if kind == "field":
            found.append(_test(fields[field], operator, at, count))
            continue
        if kind == "run":
            of_run = select(sources.c.sequence).where(_test(sources.c.run_id, "=", at, 1))
            found.append(versions.c.sequence.in_(of_run))
            continue
        tag = tagged.alias(f"tag_{at}")
        of_key = tag.c.key == bindparam(f"key_{at}", type_=Text())
        if kind == "tag" and operator == "=" and driver is None and not narrow:
            driver = tag
            found += [of_key, _test(tag.c.value, "=", at, 1), tag.c[pointer] == key]
            continue
        value = func.folded(tag.c.value) if kind == "untagged" else tag.c.value
        exists = (
            select(literal_column("1"))
            .where(tag.c[pointer] == key, of_key, _test(value, operator or "=", at, 1))
            .exists()
        )
        found.append(~exists if kind == "untagged" else exists)
    return driver, found


def _beyond(keys: Sequence[ColumnElement[Any]], falling: Sequence[bool]) -> ColumnElement[bool]:
    """Rows after the one whose keys are the parameters `after_0` and so on."""
    after = [bindparam(f"after_{at}", type_=key.type) for at, key in enumerate(keys)]
    later = [
        key < value if down else key > value for key, value, down in zip(keys, after, falling, strict=True)
    ]
    same = [key == value for key, value in zip(keys, after, strict=True)]
    return or_(*(and_(*same[:at], later[at]) for at in range(len(keys))))


Statement = tuple[tuple[Shape, ...], tuple[Order, ...], bool]


def _in_order(found: Any, keys: Sequence[ColumnElement[Any]], order: Sequence[Order], beyond: bool) -> str:
    falling = [each.descending for each in order]
    if beyond:
        found = found.where(_beyond(keys, falling))
    found = found.add_columns(*keys)
    found = found.order_by(*(key.desc() if down else key for key, down in zip(keys, falling, strict=True)))
    return sql(found.limit(bindparam("limit", type_=Integer())).offset(bindparam("skip", type_=Integer())))


@lru_cache(maxsize=256)
def _models(shapes: tuple[Shape, ...], order: tuple[Order, ...], beyond: bool) -> str:
    driver, conditions = _conditions(shapes, {"name": models.c.name}, model_tags, (models.c.name, "model"))
    source: FromClause = models if driver is None else driver.join(models, driver.c.model == models.c.name)
    source = source.join(_created, _created.c.position == models.c.created)
    source = source.join(_updated, _updated.c.position == models.c.updated)
    for shown, newest in _NEWEST:
        source = source.outerjoin(shown, newest)
    found = select(models.c.record, _created.c.time_us, _updated.c.time_us, *_DOCUMENTS).select_from(source)
    keys = dict(_MODEL_KEYS)
    if driver is not None:
        keys["name"] = driver.c.model  # in whose order the rows come
    return _in_order(found.where(models.c.live, *conditions), [keys[e.field] for e in order], order, beyond)


@lru_cache(maxsize=256)
def _versions(shapes: tuple[Shape, ...], order: tuple[Order, ...], beyond: bool) -> str:
    driver, conditions = _conditions(shapes, _FIELDS, tags, (versions.c.sequence, "sequence"))
    source: FromClause = versions
    if driver is not None:
        source = driver.join(versions, driver.c.sequence == versions.c.sequence)
    found = select(versions.c.document, _ALIASES).select_from(source)
    keys = [_VERSION_KEYS[each.field] for each in order]
    return _in_order(found.where(versions.c.live == true(), *conditions), keys, order, beyond)


# ------------------------------------------------------------ answers


def _paged(page: Page) -> dict[str, object]:
    values: dict[str, object] = {"limit": page.limit, "skip": page.skip}
    return values | {f"after_{at}": value for at, value in enumerate(page.after or ())}


def _listed(row: Row) -> Listed:
    record, created, updated, *rest = row
    newest = tuple(document for document in rest[: len(STAGES)] if document is not None)
    return Listed(
        model_of(record),
        rfc3339(moment(created)),
        rfc3339(moment(updated)),
        newest,
        tuple(rest[len(STAGES) :]),
    )


def _hit(row: Row) -> Hit:
    document, named, *place = row
    return Hit(document, tuple(sorted(named.split(_SEPARATOR))) if named else (), tuple(place))


class SearchReads(Reads):
    """The part of `Index` that answers searches."""

    def listed(self, model: str) -> Listed | None:
        """The live model of that name."""
        named = Compared("name", "=", model)
        return next(iter(self.search_models([named], (Order("name"),), Page(1))), None)

    def hit(self, model: str, number: int) -> Hit | None:
        """The live version of that number."""
        conditions = [Compared("name", "=", model), Compared("number", "=", number)]
        return next(iter(self.search_versions(conditions, (Order("name"), Order("number")), Page(1))), None)

    def search_models(
        self, conditions: Sequence[Condition], order: Sequence[Order], page: Page
    ) -> list[Listed]:
        """Live models that meet all conditions; `order` ends in `name`."""
        statement = _models(tuple(map(_shape, conditions)), tuple(order), page.after is not None)
        return [_listed(row) for row in self._readers.all(statement, _values(conditions) | _paged(page))]

    def search_versions(
        self, conditions: Sequence[Condition], order: Sequence[Order], page: Page
    ) -> list[Hit]:
        """Live versions that meet all conditions; `order` holds `name` and `number`."""
        statement = _versions(tuple(map(_shape, conditions)), tuple(order), page.after is not None)
        return [_hit(row) for row in self._readers.all(statement, _values(conditions) | _paged(page))]
