"""Searches with typed conditions: one statement for each shape of question, values only as parameters.

A model search is driven by its first `=` on a tag, since `model_tags` holds the
models of one value in the order of their names, or else by the names; whatever
else is asked for is checked row by row, so that a page is full after a few rows
however many models there are. Versions likewise, by `tags`, `sources` or model.
A part of a name that few models have is looked up in the text index first; one that
many have fills a page soon without it. What is shown of a row is read once the page
is known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Subquery,
    Text,
    and_,
    bindparam,
    column,
    func,
    literal_column,
    or_,
    select,
    table,
    true,
)

from muster.domain.messages import rfc3339
from muster.domain.records import STAGES
from muster.domain.views import model_created_at
from muster.index.database import Reads, Row, limited, sql
from muster.index.entries import moment
from muster.index.rows import model_of
from muster.index.tables import aliases, changes, model_tags, models, sources, tags, versions
from muster.service.searching import Compared, Condition, Hit, Listed, Order, Page, Tagged

_FEW = 1_000  # models that hold a part of a name: then they are sorted, not searched for in order
_TRIGRAM = 3
_PART = 6  # characters of a name that are looked up
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

_MODEL_KEYS: dict[str, ColumnElement[Any]] = {"name": models.c.name, "last_updated": models.c.updated}


def _to_milliseconds(column: ColumnElement[str]) -> ColumnElement[str]:
    return func.substr(column, literal_column("1"), literal_column(str(_MILLISECONDS)))


_VERSION_KEYS: dict[str, ColumnElement[Any]] = {
    "name": versions.c.model,
    "number": versions.c.number,
    "created_at": _to_milliseconds(versions.c.created_at),
    "last_updated": _to_milliseconds(versions.c.last_updated),
}


_text = table("models_text", column("rowid", Integer), column("folded", Text))
_COUNT = sql(
    select(func.count()).select_from(
        select(_text.c.rowid)
        .where(column("models_text", Text).op("MATCH")(bindparam("text", type_=Text())))
        .limit(literal_column(str(_FEW)))
        .offset(literal_column("0"))
        .subquery()
    )
)


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


def _part(condition: Condition) -> str | None:
    """A part that a name must hold to fit a pattern, folded, if the text index is the way to find it.

    It is not for a beginning with regard to case, which is a range of names. Of a
    long part the end is enough: names differ there, and each trigram costs.
    """
    match condition:
        case Compared("name", "like" | "ilike" as operator, str(written)):
            part = max(re.split("[%_]", written), key=len).casefold()[-_PART:]
            ranged = operator == "like" and written[:1] not in ("", "%", "_")
            return part if len(part) >= _TRIGRAM and not ranged else None
    return None


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
        if (part := _part(condition)) is not None:
            values[f"text_{at}"] = _phrase(part)
    return values


def _phrase(part: str) -> str:
    return '"' + part.replace('"', '""') + '"'


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
        kind in ("run", "text") or (kind == "field" and operator in ("=", "in"))
        for kind, _, operator, _ in shapes
    )
    for at, (kind, field, operator, count) in enumerate(shapes):
        if kind in ("field", "text"):
            found.append(_test(fields[field], operator, at, count))
            if kind == "text":
                found.append(_holds_text(fields[field], at))
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


def _holds_text(name: ColumnElement[str], at: int) -> ColumnElement[bool]:
    """Whether the text index finds the part of the name that the pattern at place `at` asks for."""
    matches = column("models_text", Text).op("MATCH")(bindparam(f"text_{at}", type_=Text()))
    holding = models.c.created.in_(select(_text.c.rowid).where(matches))
    return holding if name is models.c.name else name.in_(select(models.c.name).where(holding))


def _beyond(keys: Sequence[ColumnElement[Any]], falling: Sequence[bool]) -> ColumnElement[bool]:
    """Rows after the one whose keys are the parameters `after_0` and so on."""
    after = [bindparam(f"after_{at}", type_=key.type) for at, key in enumerate(keys)]
    later = [
        key < value if down else key > value for key, value, down in zip(keys, after, falling, strict=True)
    ]
    same = [key == value for key, value in zip(keys, after, strict=True)]
    return or_(*(and_(*same[:at], later[at]) for at in range(len(keys))))


def _page(
    found: Any, keys: Sequence[ColumnElement[Any]], order: Sequence[Order], *, beyond: bool
) -> tuple[Subquery, list[ColumnElement[Any]], list[ColumnElement[Any]]]:
    """The rows of a page, the columns of their keys, and what puts them in order."""
    falling = [each.descending for each in order]
    if beyond:
        found = found.where(_beyond(keys, falling))
    found = found.add_columns(*(key.label(f"key_{at}") for at, key in enumerate(keys)))
    found = found.order_by(*(key.desc() if down else key for key, down in zip(keys, falling, strict=True)))
    found = found.limit(bindparam("limit", type_=Integer())).offset(bindparam("skip", type_=Integer()))
    page = found.subquery("page")
    places = [page.c[f"key_{at}"] for at in range(len(keys))]
    in_order = [place.desc() if down else place for place, down in zip(places, falling, strict=True)]
    return page, places, in_order


@lru_cache(maxsize=256)
def _models(shapes: tuple[Shape, ...], order: tuple[Order, ...], *, beyond: bool) -> str:
    driver, conditions = _conditions(shapes, {"name": models.c.name}, model_tags, (models.c.name, "model"))
    source: FromClause = models if driver is None else driver.join(models, driver.c.model == models.c.name)
    keys = dict(_MODEL_KEYS)
    if driver is not None:
        keys["name"] = driver.c.model  # in whose order the rows come
    found = select(models.c.name).select_from(source).where(models.c.live, *conditions)
    page, places, in_order = _page(found, [keys[each.field] for each in order], order, beyond=beyond)
    shown: FromClause = page.join(models, models.c.name == page.c.name)
    shown = shown.join(_created, _created.c.position == models.c.created)
    shown = shown.join(_updated, _updated.c.position == models.c.updated)
    for version, newest in _NEWEST:
        shown = shown.outerjoin(version, newest)
    fields = (models.c.record, _created.c.time_us, _updated.c.time_us, *_DOCUMENTS)
    return sql(select(*fields, *places).select_from(shown).order_by(*in_order))


@lru_cache(maxsize=256)
def _versions(shapes: tuple[Shape, ...], order: tuple[Order, ...], *, beyond: bool) -> str:
    driver, conditions = _conditions(shapes, _FIELDS, tags, (versions.c.sequence, "sequence"))
    source: FromClause = versions
    if driver is not None:
        source = driver.join(versions, driver.c.sequence == versions.c.sequence)
    found = select(versions.c.sequence).select_from(source).where(versions.c.live == true(), *conditions)
    keys = [_VERSION_KEYS[each.field] for each in order]
    page, places, in_order = _page(found, keys, order, beyond=beyond)
    shown = page.join(versions, versions.c.sequence == page.c.sequence)
    return sql(select(versions.c.document, _ALIASES, *places).select_from(shown).order_by(*in_order))


# ------------------------------------------------------------ answers


def _paged(page: Page) -> dict[str, object]:
    values: dict[str, object] = {"limit": page.limit, "skip": page.skip}
    return values | {f"after_{at}": value for at, value in enumerate(page.after or ())}


def _listed(row: Row) -> Listed:
    record, created, updated, *rest = row
    newest = tuple(document for document in rest[: len(STAGES)] if document is not None)
    model = model_of(record)
    return Listed(
        model,
        model_created_at(model, rfc3339(moment(created))),
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
        statement = _models(self._shapes(conditions), tuple(order), beyond=page.after is not None)
        return [_listed(row) for row in self._readers.all(statement, _values(conditions) | _paged(page))]

    def search_versions(
        self, conditions: Sequence[Condition], order: Sequence[Order], page: Page
    ) -> list[Hit]:
        """Live versions that meet all conditions; `order` holds `name` and `number`."""
        statement = _versions(self._shapes(conditions), tuple(order), beyond=page.after is not None)
        return [_hit(row) for row in self._readers.all(statement, _values(conditions) | _paged(page))]

    def _shapes(self, conditions: Sequence[Condition]) -> tuple[Shape, ...]:
        """The shapes of all; one at most that the text index is to answer."""
        shapes = [_shape(each) for each in conditions]
        for at, each in enumerate(conditions):
            if (part := _part(each)) is not None:
                row = self._readers.one(_COUNT, {"text": _phrase(part)})
                if row is not None and row[0] < _FEW:
                    shapes[at] = ("text", *shapes[at][1:])
                    break
        return tuple(shapes)
