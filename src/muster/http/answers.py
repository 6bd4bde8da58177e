"""Answers: bytes on the wire, with a type that says what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

import msgspec
from litestar import Response

from muster.service.submissions import Recorded

T = TypeVar("T")


class Answer(Response[bytes], Generic[T]):
    """JSON that is encoded already. `T` is the record that it holds: for readers and for OpenAPI."""

    def __init__(self, content: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(content, status_code=status, media_type="application/json", headers=headers)


def encoded(value: object) -> bytes:
    """`value` as JSON."""
    return msgspec.json.encode(value)


def etag(version: str) -> str:
    """A strong entity tag."""
    return f'"{version}"'


def matches(header: str | None, tag: str) -> bool:
    """Whether If-None-Match names `tag` (RFC 9110, 13.1.2: weak comparison)."""
    if header is None:
        return False
    return header.strip() == "*" or tag in (each.strip().removeprefix("W/") for each in header.split(","))


def conditional(content: bytes, touched: str, if_none_match: str | None) -> Answer[Any]:
    """A single record with its ETag; 304 if the caller has it already."""
    tag = etag(touched)
    if matches(if_none_match, tag):
        return Answer(b"", 304, {"etag": tag})
    return Answer(content, headers={"etag": tag})


def of_write(value: object, recorded: Recorded, status: int = 200, touched: str | None = None) -> Answer[Any]:
    """The answer to a write, with the commit that it made, and the one that the record is at now."""
    headers = {"muster-commit": recorded.commit, "etag": etag(touched) if touched else None}
    content = value if isinstance(value, bytes) else encoded(value)
    return Answer(content, status, {name: text for name, text in headers.items() if text is not None})


def no_content(recorded: Recorded) -> Answer[None]:
    """The answer to a deletion."""
    return Answer(b"", 204, {"muster-commit": recorded.commit} if recorded.commit else {})


def listed(documents: Iterable[bytes], count: int, cursor: str | None) -> bytes:
    """A page of records that are encoded already."""
    return b'{"items":[%b],"count":%d,"next":%b}' % (b",".join(documents), count, encoded(cursor))
