"""A free text taken out of commits that were made: what each of them says without it.

What can go is the reason of a change, the words of a note, or a text that a change put
into a field of a record (`description`, `tags.contact`, a card's `content`). A text of a
record goes from every later commit, too, that has it in that field. All else stays:
who, when, what, and every other byte.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, cast

from muster.domain import changes as c
from muster.domain import codec
from muster.domain.errors import Conflict, Invalid, NotFound
from muster.domain.messages import compose, parse
from muster.domain.plan import plan
from muster.domain.records import Json
from muster.domain.snapshot import Plan, Snapshot

MARK: Final = "[redacted]"
REASON: Final = "reason"
MESSAGE: Final = "message"
CONTENT: Final = "content"


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit as it was made: what it says, and the files that it changed (None: removed)."""

    message: str
    edits: Mapping[str, bytes | None]


@dataclass(frozen=True, slots=True)
class Redacting:
    """A text to be taken out of the commits from one position on; see `of`."""

    position: int
    field: str
    text: str

    @classmethod
    def of(cls, position: int, field: str, commit: Commit, before: Mapping[str, bytes | None]) -> Redacting:
        """The text that the commit at that position put into `field`; `before` is what its files were.

        Raises:
            NotFound: it put no text there.
            Conflict: it is redacted already, or is in a file whose bytes others stand for.
        """
        entry = parse(commit.message)
        if field == REASON or (field == MESSAGE and entry.kind == c.Note.kind):
            text = entry.reason if field == REASON else entry.subject.partition(": ")[2]
        else:
            there = _texts(field, before)
            text = next((found for found in _texts(field, commit.edits) if found and found not in there), "")
        if not text:
            raise NotFound("text", f"{field} of the change at position {position}")
        if text == MARK:
            raise Conflict(f"{field} of the change at position {position} is redacted already")
        return cls(position, field, text)

    def without(self, position: int, commit: Commit) -> Commit:
        """The commit at that position, which may be any from the first on, without the text."""
        if self.field in (REASON, MESSAGE):
            message = self._said(commit.message) if position == self.position else commit.message
            return replace(commit, message=message)
        edits = {path: data and self._written(path, data) for path, data in commit.edits.items()}
        return replace(commit, edits=edits)

    def _said(self, message: str) -> str:
        entry = parse(message)
        if self.field == REASON:
            return compose(replace(entry, reason=MARK))
        subject = entry.subject.partition(": ")[0]
        # The further lines of a note are its reason.
        return compose(replace(entry, subject=f"{subject}: {MARK}", reason=MARK if entry.reason else ""))

    def _written(self, path: str, data: bytes) -> bytes:
        if "/files/" in path:
            return data
        if path.endswith(".json"):
            record: Json = codec.decode(data)
            clean = self._clean(record, "")
            return data if clean == record else codec.encode(cast(dict[str, Json], clean))
        return MARK.encode() if self.field == CONTENT and data == self.text.encode() else data

    def _clean(self, value: Json, name: str) -> Json:
        if isinstance(value, dict):
            return {key: self._clean(item, f"{name}.{key}".strip(".")) for key, item in value.items()}
        if self.field == CONTENT:
            # A model's record names its card by the sha256.
            return _digest(MARK) if value == _digest(self.text) else value
        if value == self.text and (name == self.field or name.endswith(f".{self.field}")):
            return MARK
        return value


def _texts(field: str, edits: Mapping[str, bytes | None]) -> list[str]:
    """The texts that the edits have in that field."""
    found = []
    for path, data in edits.items():
        if data is None or "/files/" in path:
            continue
        if not path.endswith(".json"):
            found += [data.decode()] if field == CONTENT else []
        elif isinstance(text := _at(json.loads(data), field), str):
            found.append(text)
    return found


def _at(value: Json, field: str) -> Json:
    """What is in a record under a dotted name; a key may hold dots itself."""
    if not isinstance(value, dict):
        return None
    if field in value:
        return value[field]
    for key, item in value.items():
        if field.startswith(f"{key}.") and (found := _at(item, field.removeprefix(f"{key}."))) is not None:
            return found
    return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# What names a thing, or is compared with other things, is no free text.
_NAMES: Final = frozenset({"name", "model", "id", "label", "version", "state", "stage", "kind", "owner"})


def check_free(field: str) -> None:
    """Let pass what may be the name of a field with free text. Raises Invalid."""
    if field in _NAMES or field.startswith(("aliases.", "config.", "rules.", "grants.")):
        rule = "must be a free text: a reason, a note's message, a description, a tag …"
        raise Invalid.one("--field", field, rule)


@plan.register
def _(change: c.Redact, before: Snapshot) -> Plan:  # noqa: ARG001  as every plan
    return Plan(f"Redact {change.field} of change {change.position}")
