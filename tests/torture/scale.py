"""How long the crash tests are: cut down in `make test`, at full length in `make torture`."""

from __future__ import annotations

import os
from typing import Final, TypeVar

FULL: Final = os.environ.get("MUSTER_TORTURE") == "1"
FIGURES: Final[list[str]] = []

T = TypeVar("T")


def either(short: T, full: T) -> T:
    """`short` in `make test`, `full` in `make torture`."""
    return full if FULL else short


def figure(text: str) -> None:
    """Say what was measured at the end of `make torture`; it is nothing to assert on a shared machine."""
    FIGURES.append(text)
