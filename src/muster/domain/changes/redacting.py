"""What can happen to a text that ought never to have been recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from muster.domain.changes.base import Change


@dataclass(frozen=True, slots=True)
class Redact(Change):
    """The text that was in `field` of the change at `position` is gone; the commits were written anew."""

    kind: ClassVar[str] = "redact"
    position: int
    field: str
