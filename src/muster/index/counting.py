"""How many changes match a filter: counted once, then only what came since.

The log only grows, so that a count up to some position holds for ever, as long as
the commit there is the same. Counting 100,000 rows takes 5 ms by one index and 50
where rows must be looked at; a count that is remembered takes a hundredth of one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Integer, Select, bindparam, func, literal_column, select

from muster.domain.changes import RenameModel
from muster.index.database import Readers, sql
from muster.index.history import LogReads, Shape, matching, shape_of, shapes_of, values_of
from muster.index.tables import changes, touches
from muster.service.values import ChangeFilter

REMEMBERED: Final = 1024  # filters

_COMMIT_OF = sql(
    select(changes.c.commit_id).where(changes.c.position == bindparam("position", type_=Integer()))
)


_LAST_RENAME = sql(
    select(func.max(changes.c.position)).where(changes.c.kind == literal_column(f"'{RenameModel.kind}'"))
)


@dataclass(frozen=True, slots=True)
class _Counted:
    """How many matched up to `position`, when the change there was `commit`."""

    position: int
    commit: str
    count: int


@lru_cache(maxsize=64)
def _count(shape: Shape) -> str:
    found: Select[Any] = select(func.count())
    alone = shape.number and shape.plain == ("model",)
    statement, _ = matching(found.select_from(touches if alone else changes), shape, joined=not alone)
    return sql(statement)


class LogCounts(LogReads):
    """The part of `Index` that counts in the change log."""

    def __init__(self, readers: Readers) -> None:
        super().__init__(readers)
        self._counting = threading.Lock()
        self._counted: OrderedDict[ChangeFilter, _Counted] = OrderedDict()

    def count_changes(self, wanted: ChangeFilter) -> int:
        """How many changes match. A number without its model finds nothing."""
        newest = self.newest()
        bounds = self.bounds(wanted, None)
        if newest is None or bounds is None or (wanted.number is not None and wanted.model is None):
            return 0
        low, high = max(1, bounds[0]), min(bounds[1], newest.position + 1)
        if self._readers.whole and not (shape_of(wanted).plain or wanted.kinds):
            return max(0, high - low)
        before = self._remembered(wanted)
        start, count = (low, 0) if before is None else (before.position + 1, before.count)
        if start < high:
            count += self._between(wanted, start, high)
            self._remember(wanted, high - 1, count)
        return count

    def _between(self, wanted: ChangeFilter, low: int, high: int) -> int:
        """How many match at positions [low, high)."""
        values = values_of(wanted, low, high)
        # A change has one kind: those of several kinds are counted one kind after the other.
        kinds: list[str | None] = [*dict.fromkeys(wanted.kinds)] or [None]
        rows = [
            self._readers.one(_count(shape), values | {"kind": kind})
            for shape in shapes_of(wanted)
            for kind in kinds
        ]
        return sum(row[0] for row in rows if row is not None)

    def _remembered(self, wanted: ChangeFilter) -> _Counted | None:
        with self._counting:
            found = self._counted.get(wanted)
            if found is None:
                return None
            self._counted.move_to_end(wanted)
        if wanted.number is not None and self._renamed_since(found.position):
            return None  # a version takes its history along to its model's new name
        # The history may have been replaced by another one since.
        return found if self._commit_of(found.position) == found.commit else None

    def _renamed_since(self, position: int) -> bool:
        row = self._readers.one(_LAST_RENAME)
        return row is not None and (row[0] or 0) > position

    def _remember(self, wanted: ChangeFilter, position: int, count: int) -> None:
        commit = self._commit_of(position)
        if commit is None:
            return
        with self._counting:
            self._counted[wanted] = _Counted(position, commit, count)
            self._counted.move_to_end(wanted)
            while len(self._counted) > REMEMBERED:
                self._counted.popitem(last=False)

    def _commit_of(self, position: int) -> str | None:
        row = self._readers.one(_COMMIT_OF, {"position": position})
        return row[0] if row else None
