"""Cursors of lists: opaque to the caller, a place in an order to us."""

from __future__ import annotations

import base64
import binascii
from typing import TypeVar

import msgspec

from muster.domain.errors import Invalid

T = TypeVar("T", int, str)


def cursor(place: int | str) -> str:
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
        return msgspec.json.decode(content, type=type(start))
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise Invalid.one("after", text, "must be the `next` of the page before") from None


def page(found: list[T], limit: int) -> tuple[list[T], str | None]:
    """The first `limit` of `found`, and the cursor to go on if there are more."""
    return (found[:limit], cursor(found[limit - 1])) if len(found) > limit else (found, None)
