"""What is required of versions, and which lack something: one that is asked about, or all that there are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from muster.domain import requirements as domain
from muster.domain.errors import NotFound
from muster.domain.records import Fields, Json, Model
from muster.domain.requirements import Cards, Lack, Requirement, Schemas, applying, model_fields
from muster.service.registry import Registry
from muster.service.values import Document, Found, VersionFilter

_PAGE = 500  # versions that are read at once


@dataclass(frozen=True, slots=True)
class Lacking:
    """A version, and what it lacks of what is required."""

    version: Fields
    lacks: tuple[tuple[Requirement, Lack], ...]

    def view(self) -> dict[str, Json]:
        """It as the API shows it."""
        return {
            "model_id": self.version["model_id"],
            "name": self.version["name"],
            "version": self.version["version"],
            "number": self.version["number"],
            "deployed_in": self.version["deployed_in"],
            "lacks": [
                {"field": lack.field, "rule": lack.rule, "team": each.team, "block": list(each.block)}
                for each, lack in self.lacks
            ],
        }


@dataclass(frozen=True, slots=True)
class Tested:
    """How many versions were looked at, how many lack something, and the first of these."""

    checked: int
    lacking: int
    first: list[Lacking]


class Requirements:
    """Reads of what is required."""

    def __init__(self, registry: Registry, schemas: Schemas, cards: Cards) -> None:
        self._registry = registry
        self._schemas = schemas
        self._cards = cards

    def all(self) -> list[tuple[Requirement, Document]]:
        """All requirements: the registry's, then the teams' by name."""
        found = self._registry.index.documents(domain.FOLDER)
        return [(domain.from_bytes(each.path, each.record), each) for each in found]

    def of(self, team: str | None) -> tuple[Requirement, Document]:
        """What the registry (None) or a team requires. Raises NotFound."""
        path = domain.path_of(team)
        found = self._registry.index.document(path)
        if found is None:
            raise NotFound("requirement", "registry" if team is None else f"team {team}")
        return domain.from_bytes(path, found.record), found

    def check(self, schema: Fields, field: str = "schema") -> None:
        """Raises Invalid if it is no schema that can be used."""
        self._schemas.check(schema, field)

    # ------------------------------------------------------------ versions

    def lacking(self, model: str, number: int) -> Lacking:
        """What the live version lacks. Raises NotFound."""
        found = self._registry.numbered(model, number)
        return self._held_against(found, self._model(model), tuple(each for each, _ in self.all()))

    def test(self, requirement: Requirement, model: str | None, limit: int) -> Tested:
        """Which live versions would lack something; of one model, or of all that it would hold for.

        Blocks: every version is read. Raises Invalid, NotFound.
        """
        self.check(requirement.schema)
        checked = lacking = 0
        first: list[Lacking] = []
        for found in self._versions(model):
            owner = self._model(found.model)
            if not list(applying((requirement,), owner.owner)):
                continue
            checked += 1
            held = self._held_against(found, owner, (requirement,))
            if held.lacks:
                lacking += 1
                if len(first) < limit:
                    first.append(held)
        return Tested(checked, lacking, first)

    def _versions(self, model: str | None) -> Iterator[Found]:
        wanted, after = VersionFilter(model=model), 0
        while page := self._registry.index.versions(wanted, after=after, limit=_PAGE):
            yield from page
            after = page[-1].sequence

    def _model(self, name: str) -> Model:
        found = self._registry.index.model_record(name)
        if found is None:
            raise NotFound("model", name)
        return found[0]

    def _held_against(self, found: Found, model: Model, among: tuple[Requirement, ...]) -> Lacking:
        version: Fields = json.loads(found.document)
        concerned = tuple(applying(among, model.owner))
        if not concerned:
            return Lacking(version, ())
        card = self._cards.sections(model.name, model.card) if model.card else {}
        seen = domain.instance(version, model_fields(model), card)
        return Lacking(
            version,
            tuple((each, lack) for each in concerned for lack in self._schemas.lacks(each.schema, seen)),
        )
