"""What is owed of versions that are deployed: a review that is overdue, fields that are required.

Looked at once, then kept up by following the change log.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

from muster.domain import requirements as domain
from muster.domain.errors import Invalid, Stale
from muster.domain.records import Fields
from muster.domain.requirements import (
    Cards,
    Lack,
    Requirement,
    Review,
    Schemas,
    applying,
    model_fields,
    review_of,
)
from muster.service.ports import IndexReads
from muster.service.values import Logged

Place = tuple[str, str]  # environment and model

_STEP: Final = 1000  # changes to follow one by one; after more all is looked at anew
_ANEW: Final = frozenset({"require", "delete-requirement", "delete-environment"})
_ALIKE: Final = frozenset({"observe", "note", "evaluate", "deploy-failed"})


@dataclass(frozen=True, slots=True)
class Owed:
    """What is owed of the version that is deployed at a place. `label` is how it is called."""

    environment: str
    model: str
    label: str
    review: Review | None
    lacks: tuple[str, ...]
    by: Logged


class Duties:
    """Asked often, and by any thread: what did not change since is not looked at again."""

    def __init__(self, index: IndexReads, schemas: Schemas, cards: Cards) -> None:
        self._index = index
        self._schemas = schemas
        self._cards = cards
        self._lock = threading.Lock()
        self._position: int | None = None
        self._required: tuple[Requirement, ...] = ()
        self._owed: dict[Place, Owed] = {}
        self._again: set[str] = set()

    def overdue(self, today: date) -> list[tuple[Owed, str]]:
        """Where a review is overdue, and why in words: the longest first."""
        found = [(owed, owed.review.overdue(today)) for owed in self._now() if owed.review is not None]
        late = [(owed, why) for owed, why in found if why is not None]
        return sorted(late, key=lambda each: (each[0].review.said if each[0].review else "", each[0].model))

    def lacking(self) -> list[Owed]:
        """Where what is deployed lacks something that is required, by place."""
        return [owed for owed in self._now() if owed.lacks]

    def _now(self) -> list[Owed]:
        with self._lock:
            new = [] if self._position is None else self._index.changes_after(self._position, _STEP)
            if self._position is None or len(new) == _STEP or any(e.entry.kind in _ANEW for e in new):
                self._fill()
            else:
                self._follow(new)
            return [self._owed[place] for place in sorted(self._owed)]

    def _fill(self) -> None:
        newest = self._index.newest()
        self._position = newest.position if newest else 0
        documents = self._index.documents(domain.FOLDER)
        self._required = tuple(domain.from_bytes(each.path, each.record) for each in documents)
        self._owed, self._again = {}, set()
        for deployment, by in self._index.deployments():
            self._look(deployment.environment, deployment.model, deployment.version, by)

    def _follow(self, new: Iterable[Logged]) -> None:
        touched, self._again = self._again, set()
        for logged in new:
            self._position = logged.position
            if logged.entry.kind not in _ALIKE:
                touched |= {*logged.entry.models, *filter(None, [logged.entry.renamed])}
        if not touched:
            return
        self._owed = {place: owed for place, owed in self._owed.items() if place[1] not in touched}
        for model in touched:
            for deployment, by in self._index.deployments(None, model):
                self._look(deployment.environment, model, deployment.version, by)

    def _look(self, environment: str, model: str, number: int | None, by: Logged) -> None:
        found = self._index.find_number(model, number) if number is not None else None
        owner = self._index.model_record(model)
        if found is None or owner is None:
            return
        version: Fields = json.loads(found.document)
        of_model = model_fields(owner[0])
        review = review_of({**of_model["tags"], **version["tags"]})
        lacks = list[Lack]()
        for required in applying(self._required, owner[0].owner):
            try:
                card = self._cards.sections(model, owner[0].card) if owner[0].card else {}
                lacks += self._schemas.lacks(required.schema, domain.instance(version, of_model, card))
            except Stale:  # the index is a moment behind
                self._again.add(model)
            except Invalid as invalid:  # it was right for the release that it was written with
                lacks.append(Lack("schema", invalid.message))
        if review is not None or lacks:
            told = tuple(map(str, dict.fromkeys(lacks)))
            self._owed[environment, model] = Owed(environment, model, version["version"], review, told, by)
