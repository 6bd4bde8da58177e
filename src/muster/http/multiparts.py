"""multipart/form-data (RFC 7578), part by part as it arrives, never whole in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from muster.domain.errors import Invalid

_MOST: Final = 10_000  # parts
_LONG: Final = 8192  # bytes of a header, or of a field that is no file


@dataclass(frozen=True, slots=True)
class Part:
    """A field of the form; `filename` None if it is no file. `content` is to be read before the next part."""

    name: str
    filename: str | None
    content: Iterator[bytes]

    def whole(self, limit: int = _LONG) -> bytes:
        """The content of a field that is no file. Raises Invalid if it is too long."""
        content = b""
        for chunk in self.content:
            content += chunk
            if len(content) > limit:
                raise Invalid.one(self.name, "…", f"must be at most {limit:,} bytes")
        return content

    def text(self) -> str:
        """The content of a field that is no file. Raises Invalid if it is too long or no text."""
        content = self.whole()
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise Invalid.one(self.name, content, "must be UTF-8") from None


def boundary(content_type: str) -> str:
    """What stands between the parts. Raises Invalid if `content_type` is of another kind."""
    kind, options = parse_options_header(content_type)
    found = options.get("boundary", "")
    if kind != "multipart/form-data" or not found:
        raise Invalid.one("Content-Type", content_type, "must be multipart/form-data with a boundary")
    return str(found)


def parts(chunks: Iterable[bytes], between: str) -> Iterator[Part]:
    """The parts; what is left of one is skipped when the next is asked for. Raises Invalid if cut short."""
    events = _events(chunks, between)
    for event in events:
        if isinstance(event, MultipartSegment):
            content = _content(events)
            yield Part(event.name or "", event.filename, content)
            for _ in content:
                pass


def _events(chunks: Iterable[bytes], between: str) -> Iterator[Any]:
    try:
        parser = PushMultipartParser(between, max_segment_count=_MOST, max_header_size=_LONG)
        for chunk in chunks:
            yield from parser.parse(chunk)
        parser.close()
    except MultipartError as error:
        rule = f"must be whole multipart/form-data of at most {_MOST:,} parts ({error})"
        raise Invalid.one("body", "what came", rule) from error


def _content(events: Iterator[Any]) -> Iterator[bytes]:
    for event in events:
        if event is None:
            return
        yield bytes(event)
