"""The registry as a board, in a few statements a page: names of all that match, rows of those shown."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Integer, LargeBinary, Text, bindparam, func, literal_column, or_, select

from muster.index.database import Reads, limited, sql
from muster.index.entries import logged
from muster.index.reads import FOUND
from muster.index.tables import changes, deployments, models, placements, places, versions
from muster.service.board import BoardFilter, BoardRow, PastRow, Standing
from muster.service.values import Found

_PAGE = 100
_NONE: ColumnElement[int] = literal_column("0", Integer())

_model = bindparam("model", type_=Text())
_position = bindparam("position", type_=Integer())
# A statement is built once, so it always asks for as many names.
_NAMES = [bindparam(f"name_{at}", type_=Text()) for at in range(_PAGE)]

_newest = versions.alias("newest")
_NUMBER = (
    select(func.max(_newest.c.number))
    .where(_newest.c.model == models.c.name, _newest.c.live)
    .correlate(models)
    .scalar_subquery()
)
_ROWS = sql(
    select(models.c.name, models.c.owner, versions.c.number, versions.c.label)
    .select_from(models)
    .outerjoin(versions, (versions.c.model == models.c.name) & (versions.c.number == _NUMBER))
    .where(models.c.live, models.c.name.in_(_NAMES))
)
_PLACED = sql(
    select(deployments.c.model, deployments.c.environment, deployments.c.number, versions.c.label, *changes.c)
    .select_from(deployments)
    .join(changes, changes.c.position == deployments.c.declared)
    .join(versions, (versions.c.model == deployments.c.model) & (versions.c.number == deployments.c.number))
    .where(deployments.c.number.is_not(None), deployments.c.model.in_(_NAMES))
)
_OWNERS = sql(
    select(models.c.owner, func.count())
    .where(models.c.live)
    .group_by(models.c.owner)
    .order_by(models.c.owner)
)
# An empty list of bases is `[]`, in the one way in which records are encoded.
_WITH_BASES = sql(
    select(*FOUND)
    .select_from(versions)
    .join(changes, changes.c.position == versions.c.touched)
    .where(
        versions.c.live,
        versions.c.sequence > bindparam("after", type_=Integer()),
        func.instr(versions.c.document, bindparam("some", type_=LargeBinary())) > _NONE,
    )
    .order_by(versions.c.sequence)
)
_NEWEST_THEN = sql(
    limited(
        select(versions.c.number, versions.c.label)
        .where(versions.c.model == _model, versions.c.sequence <= _position)
        .order_by(versions.c.number.desc()),
        1,
    )
)


_earlier = placements.alias("earlier")
_PLACING_THEN = (
    select(func.max(_earlier.c.position))
    .where(
        _earlier.c.environment == places.c.environment,
        _earlier.c.model == places.c.model,
        _earlier.c.position <= _position,
    )
    .correlate(places)
    .scalar_subquery()
)
_PLACED_THEN = sql(
    select(placements.c.model, placements.c.environment, placements.c.number, versions.c.label, *changes.c)
    .select_from(places)
    .join(
        placements,
        (placements.c.environment == places.c.environment)
        & (placements.c.model == places.c.model)
        & (placements.c.position == _PLACING_THEN),
    )
    .join(changes, changes.c.position == placements.c.position)
    .join(versions, (versions.c.model == placements.c.model) & (versions.c.number == placements.c.number))
    .where(placements.c.number.is_not(None), places.c.model.in_(_NAMES))
)
_NUMBER_THEN = (
    select(func.max(_newest.c.number))
    .where(_newest.c.model == models.c.name, _newest.c.sequence <= _position)
    .correlate(models)
    .scalar_subquery()
)
_ROWS_THEN = sql(
    select(models.c.name, models.c.owner, models.c.touched, versions.c.number, versions.c.label)
    .select_from(models)
    .outerjoin(versions, (versions.c.model == models.c.name) & (versions.c.number == _NUMBER_THEN))
    .where(models.c.name.in_(_NAMES))
)


@lru_cache(maxsize=32)
def _names(text: str, owner: str, order: str) -> str:
    """Names of live models; `owner` is "", "one" or "nobody", `text` is "", "named" or "deployed"."""
    found = select(models.c.name).where(models.c.live)
    if text:
        found = found.where(_named() if text == "named" else _deployed())
    if owner == "one":
        found = found.where(models.c.owner == bindparam("owner", type_=Text()))
    elif owner:
        found = found.where(models.c.owner.is_(None))
    match order:
        case "changed":
            found = found.order_by(models.c.touched.desc())
        case "oldest":
            found = (
                found.join(deployments, deployments.c.model == models.c.name)
                .where(
                    deployments.c.environment == bindparam("environment", type_=Text()),
                    deployments.c.number.is_not(None),
                )
                .order_by(deployments.c.declared)
            )
        case _:
            found = found.order_by(models.c.name)
    return sql(found)


def _named() -> ColumnElement[bool]:
    """What has the text in its name or owner."""
    text = bindparam("text", type_=Text())
    owned = func.instr(func.lower(models.c.owner), text) > _NONE
    return or_(func.instr(models.c.folded, text) > _NONE, owned)


def _deployed() -> ColumnElement[bool]:
    """What is deployed as that label or by that actor."""
    exact = bindparam("exact", type_=Text())
    placed = select(deployments.c.model).where(deployments.c.number.is_not(None))
    by_actor = placed.join(changes, changes.c.position == deployments.c.declared)
    by_label = placed.join(
        versions, (versions.c.model == deployments.c.model) & (versions.c.number == deployments.c.number)
    )
    return or_(
        models.c.name.in_(by_actor.where(changes.c.actor == exact)),
        models.c.name.in_(by_label.where(versions.c.label == exact)),
    )


@lru_cache(maxsize=2)
def _names_then(text: bool) -> str:
    """A model that was deleted is one whose last touch came later."""
    found = select(models.c.name).where(
        models.c.created <= _position, or_(models.c.live, models.c.touched > _position)
    )
    if text:
        found = found.where(func.instr(models.c.folded, bindparam("text", type_=Text())) > _NONE)
    return sql(found.order_by(models.c.name))


class BoardReads(Reads):
    """The part of `Index` that a board asks."""

    def board_names(self, wanted: BoardFilter) -> list[str]:
        """The names of all live models that match, in the order asked for."""
        owner = "" if wanted.owner is None else "one" if wanted.owner else "nobody"
        values: dict[str, object] = {"owner": wanted.owner, "environment": wanted.environment}
        if not wanted.text:
            return [row[0] for row in self._readers.all(_names("", owner, wanted.order), values)]
        values |= {"text": wanted.text.casefold(), "exact": wanted.text}
        named = self._readers.all(_names("named", owner, wanted.order), values)
        rows = named or self._readers.all(_names("deployed", owner, wanted.order), values)
        return [row[0] for row in rows]

    def board_rows(self, names: Sequence[str]) -> list[BoardRow]:
        """The rows of live models, in the order of `names`; of a hundred at most."""
        if not names:
            return []
        values = _named_in(names)
        placed = self._placed(_PLACED, values)
        found: dict[str, BoardRow] = {}
        for name, owner, number, label in self._readers.all(_ROWS, values):
            newest = None if number is None else (number, label)
            found[name] = BoardRow(name, owner, newest, placed.get(name, {}))
        return [found[name] for name in names if name in found]

    def rows_then(self, position: int, names: Sequence[str]) -> list[PastRow]:
        """The rows of models at that position of the log, in the order of `names`; of a hundred at most."""
        if not names:
            return []
        values = _named_in(names) | {"position": position}
        placed = self._placed(_PLACED_THEN, values)
        found: dict[str, PastRow] = {}
        for name, owner, touched, number, label in self._readers.all(_ROWS_THEN, values):
            newest = None if number is None else (number, label)
            found[name] = PastRow(name, owner, touched > position, newest, placed.get(name, {}))
        return [found[name] for name in names if name in found]

    def _placed(self, statement: str, values: dict[str, object]) -> dict[str, dict[str, Standing]]:
        """What is declared, by model and environment."""
        placed: dict[str, dict[str, Standing]] = {}
        for model, environment, number, label, *change in self._readers.all(statement, values):
            there = Standing(environment, number, label, logged(tuple(change)))
            placed.setdefault(model, {})[environment] = there
        return placed

    def owners(self) -> list[tuple[str | None, int]]:
        """Every owner of live models and how many they have, by name; None is for those without."""
        return [(row[0], row[1]) for row in self._readers.all(_OWNERS)]

    def with_bases(self, after: int) -> list[Found]:
        """Live versions with bases that were registered after the sequence `after`, the oldest first."""
        rows = self._readers.all(_WITH_BASES, {"after": after, "some": b'"bases":[{'})
        return [Found(*row) for row in rows]

    def names_then(self, position: int, text: str | None = None) -> list[str]:
        """The names of the models that were there at that position of the log, with `text` in them."""
        values: dict[str, object] = {"position": position, "text": (text or "").casefold()}
        return [row[0] for row in self._readers.all(_names_then(bool(text)), values)]

    def newest_then(self, position: int, model: str) -> tuple[int, str | None] | None:
        """The number and label of the newest version that the model had at that position."""
        row: Any = self._readers.one(_NEWEST_THEN, {"position": position, "model": model})
        return (row[0], row[1]) if row else None


def _named_in(names: Sequence[str]) -> dict[str, object]:
    """Values for all of `_NAMES`; where there are fewer names, the first fills up."""
    asked = [*names[:_PAGE], *([names[0]] * (_PAGE - len(names)))]
    return {f"name_{at}": name for at, name in enumerate(asked)}
