"""What came between two moments: what a comparison of them asks of an index.

A moment is a position of the change log; a span goes from after `low` up to `high`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from muster.service.values import Logged


@dataclass(frozen=True, slots=True)
class Moved:
    """A model of which something else was declared in an environment after a span than before it.

    None: nothing was declared.
    """

    model: str
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A version that was registered in a span, and whether it is still there today."""

    model: str
    number: int
    label: str | None
    live: bool
    by: Logged


class Spans(Protocol):
    """The part of `Index` that compares two moments."""

    def moved(self, low: int, high: int, environment: str) -> list[Moved]:
        """All that was declared otherwise in the environment at `high` than at `low`, by model."""
        ...

    def placed_by(self, position: int, environment: str, model: str) -> Logged | None:
        """The newest change up to that position that declared anything for the model there, be it nothing."""
        ...

    def registered(self, low: int, high: int, limit: int) -> list[Newcomer]:
        """Versions registered in the span, the latest first."""
        ...

    def count_registered(self, low: int, high: int) -> int: ...

    def arrived(self, low: int, high: int, limit: int) -> list[str]:
        """Models that were there at `high` and not at `low`, by name."""
        ...

    def departed(self, low: int, high: int, limit: int) -> list[str]:
        """Models that were there at `low` and not at `high`, by name."""
        ...
