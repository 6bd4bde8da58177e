"""What an import did, and what there was nothing of to bring."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

BROUGHT: Final = ("models", "versions", "prompt versions", "tags", "aliases", "files", "changed fields")

REASONS: Final = "why it was registered"
HISTORY: Final = "what happened to it before"
WHO: Final = "who made it"
ORIGIN: Final = "what made it"
FILES: Final = "its files"
DIGESTS: Final = "the digests of its files"
LACKING: Final = {
    REASONS: "MLflow keeps no reasons",
    HISTORY: "MLflow keeps no history",
    WHO: "no run says who ran it",
    ORIGIN: "no run says metrics, parameters or data sets",
    FILES: "they were not asked for, or are out of reach",
    DIGESTS: "MLflow keeps none",
}
"""What a version may lack after the import, and why."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that differs and stays here as it is."""

    what: str
    field: str
    here: Any
    there: Any
    why: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that was not brought."""

    what: str
    why: str


@dataclass
class Report:
    """Counts by the words of `BROUGHT` and `LACKING`; `there` counts what was here already."""

    source: str
    dry_run: bool = False
    brought: Counter[str] = field(default_factory=Counter)
    there: Counter[str] = field(default_factory=Counter)
    lacking: Counter[str] = field(default_factory=Counter)
    kept: list[Kept] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    out_of_reach: list[Refused] = field(default_factory=list)
    """Versions that are here without their files."""
    gone: list[str] = field(default_factory=list)
    """What came from there and is there no more; it stays here."""

    def add(self, other: Report) -> None:
        """Count in what another one says."""
        self.brought += other.brought
        self.there += other.there
        self.lacking += other.lacking
        self.kept += other.kept
        self.refused += other.refused
        self.out_of_reach += other.out_of_reach
        self.gone += other.gone

    @property
    def says_something(self) -> bool:
        """Whether anything was brought, or could not be."""
        return bool(self.brought or self.gone) or self.is_incomplete

    @property
    def is_incomplete(self) -> bool:
        """Whether anything stays different from what is there."""
        return bool(self.kept or self.refused or self.out_of_reach)

    def view(self) -> dict[str, Any]:
        """It as plain values."""
        return {
            "source": self.source,
            "dry_run": self.dry_run,
            "brought": {word: self.brought[word] for word in BROUGHT},
            "there_already": {"models": self.there["models"], "versions": self.there["versions"]},
            "kept_as_here": [
                {"what": k.what, "field": k.field, "here": k.here, "there": k.there, "why": k.why}
                for k in self.kept
            ],
            "refused": [{"what": r.what, "why": r.why} for r in self.refused],
            "files_out_of_reach": [{"what": r.what, "why": r.why} for r in self.out_of_reach],
            "gone_there": self.gone,
            "not_recorded": [
                {"what": what, "versions": self.lacking[what], "why": why} for what, why in LACKING.items()
            ],
        }
