"""Cursors of lists: opaque to the caller, a place in an order to us."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from types import GenericAlias
from typing import Any, TypeVar

import msgspec

from muster.domain.errors import Invalid

V = TypeVar("V")
T = TypeVar("T", int, str, tuple[int, str], tuple[str, str])


def cursor(place: int | str | tuple[int, str] | tuple[str, str]) -> str:
    """What goes over the wire for `place`."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def place(text: str | None, start: T) -> T:
    """The place that a cursor stands for; `start` without one.

    Raises:
        Invalid: it is no cursor of this list.
    """
    if text is None:
        return start
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        found: T = msgspec.json.decode(content, type=_kind(start))
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise Invalid.one("after", text, "must be the `next` of the page before") from None
    return found


def _kind(start: object) -> Any:
    """Its type, of a tuple with the types of what it holds."""
    return GenericAlias(tuple, tuple(map(type, start))) if isinstance(start, tuple) else type(start)


def page(
    items: Iterable[V], key: Callable[[V], T], start: T, after: str | None, limit: int
) -> tuple[list[V], str | None]:
    """At most `limit` of `items`, by their key, beyond the cursor `after`; and the cursor if there are more.

    `start` is a key before all others.

    Raises:
        Invalid: `after` is no cursor of this list.
    """
    begin = place(after, start)
    beyond = sorted((item for item in items if key(item) > begin), key=key)
    return beyond[:limit], cursor(key(beyond[limit - 1])) if len(beyond) > limit else None
