"""What was made from what, and where it ran: what tracing asks of an index.

A version goes by its `sequence`, the position of the change that registered it: that
stays whatever its model is called, and after it was deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from muster.service.values import Document, Logged

Word = Literal[
    "file",  # the sha256 of a file that it holds
    "ref",  # a base, as it was said, that is no version here
    "base-sha256",
    "base-uri",
    "data-sha256",
    "data-name",
    "data-uri",
    "data-digest",  # one that a tracking server made in its own way
]


@dataclass(frozen=True, slots=True)
class Traced:
    """A version as a trace names it; `deployed_in` are its environments now, by name."""

    sequence: int
    model: str
    number: int
    label: str | None
    model_id: str
    live: bool
    purged: bool
    deployed_in: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """`name/label`, or `name/number` without a label."""
        return f"{self.model}/{self.label or self.number}"


@dataclass(frozen=True, slots=True)
class Placing:
    """What was declared for a model, by its name of that time, from a change on; None: nothing."""

    environment: str
    model: str
    number: int | None
    by: Logged


class Origins(Protocol):
    """The part of `Index` that knows what was made from what."""

    def made_from(self, sequences: Collection[int]) -> list[tuple[int, int]]:
        """(version, base) for each base of theirs that is a version here."""
        ...

    def made_of(self, sequences: Collection[int]) -> list[tuple[int, int]]:
        """(base, version) for each version that one of them is a base of."""
        ...

    def words(self, sequences: Collection[int]) -> list[tuple[int, Word, str]]:
        """(version, kind of word, value): what they hold and what they say they were made from."""
        ...

    def saying(self, word: Word, value: str) -> list[int]:
        """The versions that hold or say that, the oldest first."""
        ...

    def traced(self, sequences: Collection[int]) -> dict[int, Traced]: ...

    def sequence_of(self, model: str, number: int) -> int | None:
        """By its present name; a deleted one's, too."""
        ...

    def placings(self, models: Collection[str]) -> list[Placing]:
        """All that was ever declared under these names, by model and environment, the oldest first."""
        ...

    def renames(self) -> list[tuple[int, str, str]]:
        """(position, name before, name after), the latest first."""
        ...

    def documents_at(self, paths: Iterable[str]) -> Mapping[str, Document]:
        """Those of the records at `paths` that are there."""
        ...

    def has_documents(self, *folders: str) -> bool:
        """Whether there is any record below any of the folders."""
        ...

    def purged(self) -> list[tuple[str, int]]:
        """Model and number of every version whose files were purged."""
        ...

    def holders(self, sha256: str) -> list[tuple[str, int]]:
        """Model and number of every live version that has a file with that digest and was not purged."""
        ...

    def reported_in(self, sha256: str) -> bool:
        """Whether any evaluation names a file with that digest."""
        ...
