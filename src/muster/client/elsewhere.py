"""A registry elsewhere, as an import sees it: values, and what is asked of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class TheirModel:
    """A model there. Times are RFC 3339."""

    name: str
    description: str
    tags: Mapping[str, str]
    aliases: Mapping[str, int]
    created_at: str
    last_updated: str


@dataclass(frozen=True, slots=True)
class TheirVersion:
    """A version there; `stage` and `kind` in our words, `copy_of` a reference to what it is a copy of."""

    model: str
    number: int
    description: str
    tags: Mapping[str, str]
    stage: str
    kind: str
    ready: bool
    source: str
    run_id: str
    run_link: str
    copy_of: str
    created_at: str
    last_updated: str

    @property
    def ref(self) -> str:
        """What names it here, too."""
        return f"{self.model}/{self.number}"


class Elsewhere(Protocol):
    """The registry that an import reads. Every method may raise Unavailable."""

    @property
    def address(self) -> str:
        """Where it is, without credentials."""
        ...

    def models(self) -> list[TheirModel]:
        """All models, by name."""
        ...

    def versions(self) -> Iterator[TheirVersion]:
        """All versions, those of a model together and by number."""
        ...

    def facts(self, version: TheirVersion) -> dict[str, Any]:
        """What is known of how it was made, as a registration takes it."""
        ...

    def folder(self, version: TheirVersion) -> AbstractContextManager[Path]:
        """Its files, as long as the block lasts. Raises NotFound if they are out of reach."""
        ...
