"""Moments as people write them, and as a browser's picker does."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from muster.domain.errors import Invalid

INSTANT: Final = timedelta(microseconds=1)
"""What lies between two changes at least."""

_COMMIT: Final = re.compile(r"[0-9a-f]{7,40}")
_RULE: Final = "must be a time such as 2026-01-31T12:00 (UTC, or with an offset), or a commit's id"


def moment(text: str, field: str) -> datetime:
    """A time, in UTC; without an offset it is UTC, and a date alone is its beginning.

    Raises:
        Invalid: it is none.
    """
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Invalid.one(field, text, _RULE) from None
    try:
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError:
        raise Invalid.one(field, text, _RULE) from None


def is_commit(text: str) -> bool:
    """Whether `text` can only be a commit's id."""
    return _COMMIT.fullmatch(text) is not None


def written(time: datetime) -> str:
    """`time` for an address: RFC 3339, with no more digits than it needs."""
    text = time.astimezone(UTC).isoformat(timespec="auto")
    return text.removesuffix("+00:00") + "Z"


def picked(time: datetime) -> str:
    """`time` as the picker of a browser holds it: UTC, to the second."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
