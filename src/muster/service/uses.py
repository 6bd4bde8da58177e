"""Which versions were trained on a data set, built on a version or hold a file, and where each ran when."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from muster.domain.messages import rfc3339
from muster.domain.names import Reference
from muster.domain.records import Json
from muster.service.origins import Placing, Traced, Word
from muster.service.ports import IndexReads
from muster.service.tracing import reached

_DIGEST: Final = re.compile(r"(?:sha256:)?[0-9a-f]{64}", re.IGNORECASE)
_NEWEST: Final = 2**63 - 1
HOLDS: Final = "holds it"
_OF_DIGEST: Final[tuple[tuple[Word, str], ...]] = (
    ("file", HOLDS),
    ("data-sha256", "trained on it"),
    ("base-sha256", "built on it"),
)
_OF_NAME: Final[tuple[tuple[Word, str], ...]] = (
    ("data-name", "trained on it"),
    ("data-uri", "trained on it"),
    ("data-digest", "trained on it"),
    ("ref", "built on it"),
    ("base-uri", "built on it"),
)


@dataclass(frozen=True, slots=True)
class Ran:
    """That a version was declared in an environment from a change on, until another; None: it still is."""

    environment: str
    begun: Placing
    ended: Placing | None

    def view(self) -> dict[str, Json]:
        """It as the API shows it."""
        entry = self.begun.by.entry
        return {
            "environment": self.environment,
            "from": rfc3339(entry.time),
            "by": entry.actor,
            "reason": entry.reason,
            "commit": self.begun.by.commit,
            "to": rfc3339(self.ended.by.entry.time) if self.ended else None,
            "ended_by": self.ended.by.entry.actor if self.ended else None,
        }


@dataclass(frozen=True, slots=True)
class Use:
    """A version that was made of what was asked for: how, at which remove, through which of its bases."""

    version: Traced
    relation: str
    remove: int
    through: str | None
    ran: tuple[Ran, ...] = ()

    def view(self) -> dict[str, Json]:
        """It as the API shows it."""
        version = self.version
        return {
            "model_id": version.model_id,
            "name": version.model,
            "version": version.label or str(version.number),
            "number": version.number,
            "relation": self.relation,
            "remove": self.remove,
            "through": self.through,
            "deleted": not version.live,
            "purged": version.purged,
            "deployed_in": list(version.deployed_in),
            "ran": [each.view() for each in self.ran],
        }


class Uses:
    """Asks an index; any thread may ask."""

    def __init__(self, index: IndexReads) -> None:
        self._index = index

    def of(self, what: str, *, after: int = 0, limit: int) -> tuple[list[Use], int]:
        """What uses it, in the order of registration beyond the sequence `after`; and how many do in all."""
        begin, itself = self._begin(what), self._itself(what)
        removes = {each: 0 if relation == HOLDS else 1 for each, relation in begin.items()}
        found = reached(self._index, removes | dict.fromkeys(itself, 0))
        for each in itself:
            del found[each]
        shown = sorted(each for each in found if each > after)[:limit]
        bases = {base for each in shown if (base := found[each][1]) is not None}
        traced = self._index.traced({*shown, *bases})
        ran = self.ran([traced[each] for each in shown])
        uses = []
        for each in shown:
            remove, base = found[each]
            through = traced[base].reference if base is not None else None
            relation = begin.get(each, "built on it")
            uses.append(Use(traced[each], relation, remove, through, ran.get(each, ())))
        return uses, len(found)

    def _begin(self, what: str) -> dict[int, str]:
        """The versions that say or hold it themselves, each with how it is related to it."""
        if _DIGEST.fullmatch(what):
            words, value = _OF_DIGEST, what.lower().removeprefix("sha256:")
        else:
            words, value = _OF_NAME, what
        found: dict[int, str] = {}
        for word, relation in words:
            for sequence in self._index.saying(word, value):
                found.setdefault(sequence, relation)
        return found

    def _itself(self, what: str) -> list[int]:
        """The version that a person means by it, if it is one."""
        place = self.version_meant(what)
        sequence = self._index.sequence_of(*place) if place is not None else None
        return [] if sequence is None else [sequence]

    def version_meant(self, what: str) -> tuple[str, int] | None:
        """Model and number of the live version that goes by a model id or a reference."""
        if (found := self._index.find(what)) is not None:
            return found.model, found.number
        reference = Reference.parse(what)
        return self._index.resolve(reference) if reference is not None else None

    # ------------------------------------------------------------ where

    def ran(self, versions: Collection[Traced]) -> dict[int, tuple[Ran, ...]]:
        """Where and when each of the versions was declared to run, the earliest first."""
        names = {each.model: list(self._named(each.model)) for each in versions}
        every = {name for intervals in names.values() for name, _, _ in intervals}
        of_model: dict[str, list[Placing]] = {}
        for placing in self._index.placings(every):
            of_model.setdefault(placing.model, []).append(placing)
        spans = {model: list(_spans(intervals, of_model)) for model, intervals in names.items()}
        found: dict[int, tuple[Ran, ...]] = {}
        for version in versions:
            ran = [each for each in spans[version.model] if each.begun.number == version.number]
            if ran:
                found[version.sequence] = tuple(sorted(ran, key=lambda each: each.begun.by.position))
        return found

    def _named(self, model: str) -> Iterator[tuple[str, int, int]]:
        """The names that the model has had: each with the position from which and before which it had it."""
        until = _NEWEST
        for position, before, after in self._index.renames():
            if after == model and position < until:
                yield model, position, until
                model, until = before, position
        yield model, 0, until


def _spans(intervals: list[tuple[str, int, int]], placings: dict[str, list[Placing]]) -> Iterator[Ran]:
    """What ran where from when to when, of placings that are in order by environment."""
    begun: Placing | None = None
    for name, first, beyond in intervals:
        for placing in placings.get(name, ()):
            if not first <= placing.by.position < beyond:
                continue
            if begun is not None and begun.environment == placing.environment:
                if begun.number == placing.number:
                    continue  # configured anew
                yield Ran(begun.environment, begun, placing)
            elif begun is not None:
                yield Ran(begun.environment, begun, None)
            begun = placing
        if begun is not None:
            yield Ran(begun.environment, begun, None)
        begun = None
