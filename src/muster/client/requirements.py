"""What is required of versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from muster.client.calls import given, path
from muster.client.tables import Board, Record
from muster.client.versions import Versions


class RequirementsOf(Versions):
    """Required fields: of the registry, or with a `team` of the models that it owns."""

    def requirements(self, *, limit: int | None = None) -> Board:
        """All that is required: by the registry, then by teams."""
        return self.calls.board(path("requirements"), limit)

    def requirement(self, team: str | None = None) -> Record:
        """What the registry or a team requires."""
        return self.calls.record(_at(team))

    def require(
        self,
        schema: Mapping[str, Any],
        *,
        team: str | None = None,
        block: Sequence[str] = (),
        environments: Sequence[str] = (),
        description: str = "",
        reason: str = "",
        if_match: str | None = None,
        dry_run: bool = False,
    ) -> Record:
        """Require that versions fit the JSON Schema; gives the requirement, which replaces the one before.

        `block` holds what is refused (`register`, `deploy`, `review`); else it is only shown.
        """
        body = {"schema": dict(schema)} | given(
            block=list(block) or None,
            environments=list(environments) or None,
            description=description,
            reason=reason,
        )
        return self.calls.write("PUT", _at(team), body, if_match=if_match, dry_run=dry_run)

    def require_nothing(
        self, team: str | None = None, *, reason: str = "", if_match: str | None = None, dry_run: bool = False
    ) -> Record:
        """Take away what the registry or a team requires."""
        return self.calls.write("DELETE", _at(team), reason=reason, if_match=if_match, dry_run=dry_run)

    def test_requirement(
        self,
        schema: Mapping[str, Any],
        *,
        team: str | None = None,
        model: str | None = None,
        limit: int | None = None,
    ) -> Record:
        """Which versions would lack something: `checked`, `lacking`, and the first of them as `items`."""
        body = {"schema": dict(schema)} | given(team=team, model=model, limit=limit)
        return self.calls.write("POST", path("requirements", "test"), body)

    def lacks(self, ref: str) -> list[dict[str, Any]]:
        """What a version lacks of what is required: `field`, `rule`, `team`, `block` of each."""
        found: list[dict[str, Any]] = self.calls.record(f"{self._place(ref)}/lacks")["lacks"]
        return found


def _at(team: str | None) -> str:
    return path("requirements", "registry") if team is None else path("requirements", "team", team)
