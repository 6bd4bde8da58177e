"""What a ban or a retraction comes to as things stand: which versions, and where they run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from muster.domain import codec, names
from muster.domain.banning import BANS
from muster.domain.changes import Ban, LiftBan, ReinstateData, RetractData, Undeploy
from muster.domain.errors import NotFound
from muster.domain.messages import rfc3339
from muster.domain.names import Reference
from muster.domain.parse import name
from muster.domain.records import Json
from muster.domain.retracting import RETRACTIONS
from muster.service.origins import Traced
from muster.service.registry import Registry
from muster.service.tracing import reached
from muster.service.values import Document

_DIGEST: Final = re.compile(r"sha256:.*|[0-9a-f]{64}", re.IGNORECASE | re.DOTALL)
MOST: Final = 100  # versions that a view names; how many there are it says, too


@dataclass(frozen=True, slots=True)
class Reach:
    """The versions that a record is about, and how many were made of them, at whatever remove."""

    document: Document
    of: str
    versions: tuple[Traced, ...]
    built_on: int

    @property
    def runs_in(self) -> Iterator[tuple[str, Traced]]:
        """Each environment in which one of the versions is deployed, and the version."""
        return ((environment, each) for each in self.versions for environment in each.deployed_in)

    def view(self) -> dict[str, Json]:
        """It as the API shows it."""
        by = self.document.by
        return {
            "of": self.of,
            "reason": by.entry.reason,
            "by": by.entry.actor,
            "since": rfc3339(by.entry.time),
            "commit": by.commit,
            "versions": [_view(each) for each in self.versions[:MOST]],
            "count": len(self.versions),
            "runs_in": [{"environment": place} | _view(each) for place, each in self.runs_in],
            "built_on_it": self.built_on,
        }


def _view(version: Traced) -> dict[str, Json]:
    return {
        "model_id": version.model_id,
        "name": version.model,
        "version": version.label or str(version.number),
        "number": version.number,
    }


class Bans:
    """Reads of bans and retractions, as far as the registry is seen; and what a person means by one."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._index = registry.index

    # ------------------------------------------------------------ naming

    def ban(self, of: str) -> Ban:
        """The ban of a digest (`sha256:…`), or of the version of that reference. Raises NotFound, Invalid."""
        if _DIGEST.fullmatch(of):
            return Ban(sha256=names.digest(of, "of"))
        found = self._registry.locate(of)
        return Ban(found.model, found.number)

    def lifting(self, of: str) -> LiftBan:
        """The same for its end; a version that was deleted goes by its number. Raises NotFound, Invalid."""
        reference = Reference.parse(of)
        if reference is not None and reference.by == "version" and reference.what.isdecimal():
            with self._index.snapshot() as now:
                if now.version(reference.model, int(reference.what)) is not None:
                    return LiftBan(reference.model, int(reference.what))
        banned = self.ban(of)
        return LiftBan(banned.model, banned.number, banned.sha256)

    def retraction(self, of: str) -> RetractData:
        """The retraction of data by its digest (`sha256:…`) or its name. Raises Invalid."""
        if _DIGEST.fullmatch(of):
            return RetractData(sha256=names.digest(of, "of"))
        return RetractData(name=name(of, "of"))

    def reinstating(self, of: str) -> ReinstateData:
        """The same for its end. Raises Invalid."""
        retracted = self.retraction(of)
        return ReinstateData(retracted.sha256, retracted.name)

    # ------------------------------------------------------------ reading

    def bans(self, *, after: str = "", limit: int) -> list[Reach]:
        """All bans by the paths of their records, beyond `after`."""
        return [self._banned(each) for each in self._index.documents(BANS, after=after, limit=limit)]

    def retractions(self, *, after: str = "", limit: int) -> list[Reach]:
        """All retractions by the paths of their records, beyond `after`."""
        return [
            self._retracted(each) for each in self._index.documents(RETRACTIONS, after=after, limit=limit)
        ]

    def banned(self, path: str) -> Reach:
        """What the ban whose record is at `path` comes to. Raises NotFound."""
        return self._banned(self._document(path))

    def retracted(self, path: str) -> Reach:
        """What the retraction whose record is at `path` comes to. Raises NotFound."""
        return self._retracted(self._document(path))

    def _document(self, path: str) -> Document:
        found = self._index.document(path)
        if found is None:
            raise NotFound("record", path)
        return found

    def _banned(self, document: Document) -> Reach:
        record = codec.decode(document.record)
        if "sha256" in record:
            sequences = self._index.saying("file", record["sha256"])
            said = self._index.saying("base-sha256", record["sha256"])
            return self._reach(document, f"sha256:{record['sha256']}", sequences, said)
        sequence = self._index.sequence_of(record["model"], record["number"])
        found = self._reach(document, "", [] if sequence is None else [sequence], [])
        of = found.versions[0].reference if found.versions else f"{record['model']}/{record['number']}"
        return Reach(document, of, found.versions, found.built_on)

    def _retracted(self, document: Document) -> Reach:
        record = codec.decode(document.record)
        if "sha256" in record:
            of, sequences = f"sha256:{record['sha256']}", self._index.saying("data-sha256", record["sha256"])
        else:
            of, sequences = record["name"], self._index.saying("data-name", record["name"])
        return self._reach(document, of, sequences, [])

    def _reach(self, document: Document, of: str, sequences: list[int], near: list[int]) -> Reach:
        """`near` are versions that were made of what it is about, though that is not here."""
        found = reached(self._index, dict.fromkeys(sequences, 0) | dict.fromkeys(near, 1))
        traced = self._index.traced(sequences)
        versions = tuple(traced[each] for each in sorted(traced))
        return Reach(document, of, versions, len(found.keys() - set(sequences)))

    # ------------------------------------------------------------ taking out of service

    def undeployments(self, reach: Reach) -> Iterator[tuple[Undeploy, Traced]]:
        """What takes each of the versions out of service, unless another has taken its place by then."""
        for environment, version in reach.runs_in:
            found = self._registry.deployment(environment, version.model)
            if found is not None and found[0].version == version.number:
                yield Undeploy(version.model, environment, expected=found[1].commit), version
