"""What every page asks and what changes seldom: all models, their owners, and what was built on what.

Read once, then kept up by following the change log.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from muster.domain.names import Reference
from muster.service.board import BoardFilter
from muster.service.ports import IndexReads
from muster.service.values import ChangeFilter

_STEP: Final = 1000  # changes to look through; after more all is read anew
_TOUCHING: Final = frozenset({"create-model", "update-model", "rename", "register", "delete", "delete-model"})
_EVERYTHING: Final = BoardFilter()


@dataclass(frozen=True, slots=True)
class Roster:
    """The names of all live models, in order, and how many each owner has; None is for those without one."""

    names: tuple[str, ...] = ()
    owners: Mapping[str | None, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Built:
    """A version that names `base` (a reference or a model id) among its bases."""

    model: str
    number: int
    base: str


class Rosters:
    """Asked often, and by any thread."""

    def __init__(self, index: IndexReads) -> None:
        self._index = index
        self._lock = threading.Lock()
        self._position: int | None = None
        self._roster = Roster()
        self._sequence = 0
        self._built: dict[str, list[Built]] = {}

    def roster(self) -> Roster:
        """All models as they are now."""
        with self._lock:
            new = [] if self._position is None else self._index.changes_after(self._position, _STEP)
            first, many = self._position is None, len(new) == _STEP
            newest = self._index.newest() if first or many else None
            if new:
                self._position = new[-1].position
            if newest is not None:
                self._position = newest.position
            if first or many or any(logged.entry.kind in _TOUCHING for logged in new):
                self._roster = Roster(tuple(self._index.board_names(_EVERYTHING)), dict(self._index.owners()))
            return self._roster

    def built_on(self, model: str) -> list[Built]:
        """The versions of which a base may be a version of `model`, the latest first; some may be deleted."""
        with self._lock:
            newest = self._index.newest()
            until = newest.position if newest else 0
            renames = self._index.changes(ChangeFilter(kinds=("rename",)), limit=1)
            if renames and renames[0].position > self._sequence > 0:
                self._sequence, self._built = 0, {}  # what was read goes by names of before
            for found in self._index.with_bases(self._sequence) if until > self._sequence else ():
                if found.sequence > until:
                    break  # registered just now: the next time finds it
                for base in json.loads(found.document)["bases"]:
                    if "ref" in base:
                        on = self._meant(base["ref"])
                        self._built.setdefault(on, []).append(Built(found.model, found.number, base["ref"]))
            self._sequence = until
            return self._built.get(model, [])[::-1]

    def _meant(self, base: str) -> str:
        """The model that a base's text means, be there one or not."""
        if (found := self._index.find(base)) is not None:
            return found.model
        reference = Reference.parse(base)
        return base if reference is None else reference.model
