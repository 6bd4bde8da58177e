"""A promised figure and what was seen of it; the page that tells of all."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"


@dataclass(frozen=True, slots=True)
class Figure:
    """One promise: `seen` are the values of the rounds, each the ratio or amount that `unit` names.

    `beside` are the amounts that the ratio was made of, for a reader to judge by.
    """

    name: str
    bound: Literal["at least", "at most"]
    limit: float
    unit: str
    seen: Sequence[float]
    beside: Sequence[str] = field(default_factory=tuple)

    @property
    def median(self) -> float:
        return statistics.median(self.seen)

    @property
    def met(self) -> bool:
        """Whether the median keeps the promise."""
        return self.median >= self.limit if self.bound == "at least" else self.median <= self.limit

    def row(self) -> str:
        """A line of the page's table."""
        spread = f"{min(self.seen):.2f} to {max(self.seen):.2f}, {len(self.seen)} rounds"
        verdict = "met" if self.met else "**not met**"
        promise = f"{self.bound} {self.limit:g} {self.unit}"
        return f"| {self.name} | {promise} | {self.median:.2f} | {spread} | {verdict} |"


def show(figure: Figure) -> None:
    """The figure on standard output, as it comes."""
    print(figure.row())
    for line in figure.beside:
        print(f"    {line}")


def write(figures: Sequence[Figure], command: str) -> None:
    """The page, with everything that was seen."""
    lines = [
        "# Performance",
        "",
        f"Printed by `{command}` on {datetime.now(UTC):%Y-%m-%d}: {platform.machine()},",
        f"{os.cpu_count()} cores, Python {platform.python_version()}. Machines are noisy: each row is",
        "a ratio or an amount from one run, the median of its rounds, smallest and largest beside it.",
        "",
        "| what | promised | median | spread | |",
        "| --- | --- | --- | --- | --- |",
        *(figure.row() for figure in figures),
        "",
        "What the figures were made of:",
        "",
        *(f"- {figure.name}: {'; '.join(figure.beside)}" for figure in figures if figure.beside),
        "",
    ]
    PAGE.write_text("\n".join(lines))
