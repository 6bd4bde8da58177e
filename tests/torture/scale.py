"""How long the crash tests are: cut down in `make test`, at full length in `make torture`."""

from __future__ import annotations

import os
import sys
from typing import Final, TypeVar

FULL: Final = os.environ.get("MUSTER_TORTURE") == "1"

T = TypeVar("T")


def either(short: T, full: T) -> T:
    """`short` in `make test`, `full` in `make torture`."""
    return full if FULL else short


def figure(text: str) -> None:
    """Say what was measured, past pytest's capture; `make torture` is read for it."""
    if FULL:
        sys.__stderr__.write(f"\n    {text}\n") if sys.__stderr__ else None
