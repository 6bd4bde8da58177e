"""The history written out: the audit log as JSON lines or CSV, a model's changelog as Markdown.

The bytes depend on the changes alone, so that the same commit gives the same ones
everywhere. The signature of an export is a line of JSON by the rules of
`domain.checkpoints`, with the format `muster-export-1`: it names the commit that the
export was made at, what was asked for, and the size and sha256 of its bytes.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from typing import Final, Literal, TypeAlias

from muster.domain import parse
from muster.domain.checkpoints import object_id, positive, read_signed
from muster.domain.checkpoints import sha256 as digest
from muster.domain.errors import Invalid
from muster.domain.messages import Entry, rfc3339
from muster.domain.parse import Form
from muster.domain.records import Json

FORMAT: Final = "muster-export-1"
Written: TypeAlias = Literal["jsonl", "csv", "markdown"]

COLUMNS: Final = (
    "time",
    "actor",
    "verified",
    "change",
    "model",
    "number",
    "environment",
    "deployed",
    "observed",
    "instance",
    "digest",
    "reason",
    "message",
    "commit",
    "position",
)


@dataclass(frozen=True, slots=True)
class ExportSignature:
    """What is signed of an export: `asked` are what was asked for and its filters, as texts.

    `sight` is `part` among them if who asked may not see the whole registry.
    """

    asked: Mapping[str, str]
    written: str
    commit: str
    position: int
    size: int
    sha256: str

    def fields(self) -> dict[str, Json]:
        """What is signed."""
        return {
            "format": FORMAT,
            "asked": dict(self.asked),
            "written": self.written,
            "commit": self.commit,
            "position": self.position,
            "size": self.size,
            "sha256": self.sha256,
        }

    def differences(self, chunks: Iterable[bytes]) -> Iterator[str]:
        """Why those bytes are not what was signed; nothing if they are."""
        seen, size = sha256(), 0
        for chunk in chunks:
            seen.update(chunk)
            size += len(chunk)
        if size != self.size:
            yield f"it has {size:,} bytes, and {self.size:,} were signed"
        elif seen.hexdigest() != self.sha256:
            yield "its bytes are not those that were signed"


def read_signature(line: bytes) -> tuple[ExportSignature, bytes]:
    """What a signature of an export says, and its 64 bytes; whoever signed it.

    Raises:
        Invalid: it is none; each problem by its field.
    """
    fields, signature = read_signed(line)
    if fields.pop("format", None) != FORMAT:
        raise Invalid.one("format", "another", f"must be {FORMAT}")
    form = Form(fields)
    found = ExportSignature(
        asked=form.need("asked", parse.mapping(parse.text), {}),
        written=form.need("written", parse.one_of(("jsonl", "csv", "markdown")), ""),
        commit=form.need("commit", object_id, ""),
        position=form.need("position", positive, 0),
        size=form.need("size", parse.integer(0, 2**53 - 1), 0),
        sha256=form.need("sha256", digest, ""),
    )
    form.close()
    return found, signature


# ------------------------------------------------------------ the audit log


def json_lines(changes: Iterable[Mapping[str, Json]]) -> str:
    """A line of JSON a change, keys sorted."""
    return "".join(json.dumps(change, ensure_ascii=False, sort_keys=True) + "\n" for change in changes)


def csv_head() -> str:
    """The line that names the columns."""
    return _csv([COLUMNS])


def csv_lines(changes: Iterable[Mapping[str, Json]]) -> str:
    """A line a change, as RFC 4180 has it; a text that a spreadsheet takes for a formula gets a `'`."""
    return _csv([_harmless(change.get(column)) for column in COLUMNS] for change in changes)


def _csv(rows: Iterable[Iterable[object]]) -> str:
    written = io.StringIO(newline="")
    csv.writer(written).writerows(rows)
    return written.getvalue()


def _harmless(value: object) -> object:
    """A text that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t")) else value


# ------------------------------------------------------------ changelogs

_ESCAPED: Final = str.maketrans({char: f"\\{char}" for char in "\\`*[]<>&#|~"})


def changelog(model: str, until: tuple[str, Entry], changes: Iterable[tuple[str, Entry]]) -> Iterator[str]:
    """The changelog of a model in Markdown, piece by piece, of its changes (commit, entry), newest first.

    `until` is the commit of the registry that it goes up to. Observations are left out.
    """
    commit, last = until
    yield f"# Changelog of {_escaped(model)}\n\nUp to commit `{commit}` of {rfc3339(last.time)}.\n"
    told = ((name, entry) for name, entry in changes if entry.kind != "observe")
    for day, of_that_day in groupby(told, lambda each: each[1].time.date()):
        yield f"\n## {day.isoformat()}\n\n"
        for name, entry in of_that_day:
            yield _item(name, entry)


def _item(commit: str, entry: Entry) -> str:
    time = rfc3339(entry.time)[11:19]
    lines = [f"- {time} {_escaped(entry.subject)} ({_escaped(entry.actor)}, `{commit[:12]}`)"]
    lines += [f"  > {_escaped(line)}".rstrip() for line in entry.reason.splitlines()]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.translate(_ESCAPED)
