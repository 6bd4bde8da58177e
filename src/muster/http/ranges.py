"""Which bytes a GET asks for (RFC 9110, 13.1 and 14): one range; of several the whole is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from muster.http.answers import matches

_RANGE = re.compile(r"bytes=\s*(\d*)\s*-\s*(\d*)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """What is to be sent: `status` 200, 206, 304 or 416, and the bytes from `start` up to before `stop`."""

    status: int
    start: int
    stop: int

    def headers(self, size: int) -> dict[str, str]:
        """The headers that say so."""
        if self.status == 206:
            return {"content-range": f"bytes {self.start}-{self.stop - 1}/{size}"}
        return {"content-range": f"bytes */{size}"} if self.status == 416 else {}


def part(headers: Mapping[str, str], size: int, tag: str) -> Part:
    """The part of `size` bytes with entity tag `tag` that a request with these headers gets."""
    if matches(headers.get("if-none-match"), tag):
        return Part(304, 0, 0)
    whole = Part(200, 0, size)
    wanted = headers.get("range")
    if wanted is None or headers.get("if-range", tag) != tag:
        return whole
    found = _RANGE.fullmatch(wanted)
    if found is None or (not found[1] and not found[2]):
        return whole  # a unit or a form that we do not know is ignored
    if not found[1]:
        length = min(_number(found[2]), size)
        return Part(206, size - length, size) if length else Part(416, 0, 0)
    start = _number(found[1])
    stop = min(_number(found[2]) + 1, size) if found[2] else size
    if found[2] and _number(found[2]) < start:
        return whole
    return Part(206, start, stop) if start < size else Part(416, 0, 0)


def _number(digits: str) -> int:
    """No file is longer than what 19 digits count."""
    return int(digits[:19]) if len(digits) <= 19 else 10**19
