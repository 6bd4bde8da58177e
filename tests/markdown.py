"""What a documentation page holds: its tables, its code blocks, its links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, further words after it, its lines, and where it begins."""

    language: str
    words: tuple[str, ...]
    text: str
    line: int


def pages() -> list[Path]:
    """Every page for readers, the README first."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted(DOCS.rglob("*.md"))]


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks, in order."""
    begun: tuple[str, int] | None = None
    lines: list[str] = []
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if not line.startswith("```"):
            lines.append(line)
        elif begun is None:
            begun, lines = (line[3:], number), []
        else:
            language, *words = begun[0].split() or [""]
            yield Block(language, tuple(words), "\n".join(lines) + "\n", begun[1])
            begun = None
    assert begun is None, f"{page}:{begun} is never closed"


def rows(page: Path) -> Iterator[list[str]]:
    """The rows of all tables, without heads."""
    for line in page.read_text().splitlines():
        if line.startswith("| ") and not line.startswith("| ---"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def code(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def links(page: Path) -> Iterator[str]:
    """The targets of the page's links."""
    yield from re.findall(r"\]\(([^)]+)\)", page.read_text())
