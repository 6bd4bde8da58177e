"""A browser's upload: multipart/form-data (RFC 7578), part by part as it arrives, never whole in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from muster.domain import names
from muster.domain.changes import Actor
from muster.domain.errors import Invalid, MusterError, Unavailable
from muster.domain.records import Artifact
from muster.http.pages.forms import TOKEN
from muster.service.registry import Registry

FILE: Final = "file"  # the name of a field: files by their own names
FOLDER: Final = "folder"  # files by their paths, of which the folder chosen is left out
PATH: Final = "path"  # says by which path the next file goes
_MOST: Final = 10_000  # parts
_LONG: Final = 8192  # bytes of a header, or of a field that is no file


@dataclass(frozen=True, slots=True)
class Part:
    """A field of the form; `filename` None if it is no file. `content` is to be read before the next part."""

    name: str
    filename: str | None
    content: Iterator[bytes]

    def text(self) -> str:
        """The content of a field that is no file. Raises Invalid if it is too long or no text."""
        content = b""
        for chunk in self.content:
            content += chunk
            if len(content) > _LONG:
                raise Invalid.one(self.name, "…", f"must be at most {_LONG:,} bytes")
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise Invalid.one(self.name, content, "must be UTF-8") from None


@dataclass(slots=True)
class Uploaded:
    """What came of an upload: files that are there, and those that were refused, each with why."""

    stored: list[Artifact] = field(default_factory=list)
    refused: list[tuple[str, MusterError]] = field(default_factory=list)


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


def take(
    found: Iterable[Part],
    check: Callable[[str], None],
    registry: Registry,
    place: tuple[str, int],
    actor: Actor,
) -> Uploaded:
    """Make the files of an upload those of the version at `place`; `check` is given the form's token. Blocks.

    A file that is refused leaves the others alone.

    Raises:
        Denied: by `check`, or no token came before the first file. Nothing was stored.
        Invalid: what came is no form, or ended early; what was whole by then is stored.
    """
    came, checked, path = Uploaded(), False, ""
    for part in found:
        if part.filename is None:
            if part.name == TOKEN:
                check(part.text())
                checked = True
            elif part.name == PATH:
                path = part.text()
            continue
        if not checked:
            check("")
        if not part.filename and not path:
            continue  # a field that nobody chose a file for
        wanted, path = path or _path(part), ""
        try:
            artifact, _ = registry.attach(*place, names.artifact_path(wanted), part.content, actor)
        except MusterError as error:
            came.refused.append((wanted, error))
            if isinstance(error, Unavailable):
                break  # the others would meet the same
        else:
            came.stored.append(artifact)
    return came


def _path(part: Part) -> str:
    """The path of a file whose form said nothing more of it."""
    filename = part.filename or ""
    if part.name == FOLDER:
        return filename.partition("/")[2] or filename
    return filename.rpartition("/")[2]
