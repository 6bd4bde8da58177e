"""Who set each field of a record, and when: the changes that touched it, newest first, until all are told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from muster.domain.names import card_path, file_path, model_path, version_path
from muster.service.past import Past
from muster.service.ports import IndexReads
from muster.service.values import ChangeFilter, Logged

LIMIT: Final = 60  # changes that are looked at
CARD: Final = "card"
FILES: Final = "files"
_OF_MODEL: Final = ("create-model", "update-model", "tag-model", "rename", "alias")


@dataclass(frozen=True, slots=True)
class Blame:
    """The last change of each field; parts of one by dotted names, as `tags.tier`. `rest` set all others."""

    fields: Mapping[str, Logged]
    rest: Logged | None

    def of(self, field: str) -> Logged | None:
        """The last change of `field` or of any part of it."""
        parts = [by for name, by in self.fields.items() if name == field or name.startswith(f"{field}.")]
        return max(parts, key=lambda by: by.position, default=self.rest)


def of_version(index: IndexReads, past: Past, model: str, number: int, at: Logged | None = None) -> Blame:
    """The blame of a version's record; its files go by `files`. `at` is the moment to look from."""
    changes = index.changes(ChangeFilter(model=model, number=number), before=_after(at), limit=LIMIT)
    record, files = version_path(model, number), file_path(model, number, "")
    found = _walked(past, (each for each in changes if each.entry.touches_record), record, {files: FILES})
    first = changes[-1] if changes and len(changes) < LIMIT else None
    return Blame(found, first)


def of_model(index: IndexReads, past: Past, model: str, created_at: str, at: Logged | None = None) -> Blame:
    """The blame of a model's record; its card goes by `card`. `created_at` is when it was made here."""
    changes = index.changes(ChangeFilter(model=model, kinds=_OF_MODEL), before=_after(at), limit=LIMIT)
    found = _walked(past, changes, model_path(model), {card_path(model): CARD})
    first = None
    if len(changes) < LIMIT:
        created = index.at(datetime.fromisoformat(created_at))
        first = created if created is not None and created.entry.model == model else None
    return Blame(found, first)


def _after(at: Logged | None) -> int | None:
    return None if at is None else at.position + 1


def _walked(
    past: Past, changes: Iterable[Logged], record: str, others: Mapping[str, str]
) -> dict[str, Logged]:
    """The newest of `changes`, which come newest first, for each field of the record at that path.

    `others` maps beginnings of further paths to the field that they count as.
    """
    found: dict[str, Logged] = {}
    for logged in changes:
        for change in past.fields(logged.commit):
            if change.path == record:
                found.setdefault(change.field, logged)
            for start, field in others.items():
                if change.path.startswith(start):
                    found.setdefault(field, logged)
    return found
