"""Signed statements about the history: checkpoints, and maps of what was redacted.

A file of them is JSON lines, oldest first, each line a statement:

    {"commit":"3f…","format":"muster-checkpoint-1","position":7,"previous":null,"sequence":1,
     "signature":"…","time":"2026-11-24T09:00:14.000123Z","tree":"9c…"}            (on one line)

Each line is the one way that JSON Canonicalization (RFC 8785) has of writing it:
keys sorted, no spaces, UTF-8. The signature is Ed25519 (RFC 8032, section 5.1: no
prehash, no context), 64 bytes in base64 (RFC 4648, section 4), over the same JSON
without the key `signature`. `format` is part of it, so that no statement can stand
for one of another kind. `previous` is the sha256 of the line before, without its
newline, so that no line can be taken out, put in or moved. The signatures of
exports (`domain.exports`) are made by the same key and rules, with formats of their own.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Final, TypeAlias, TypeVar

from muster.domain import parse
from muster.domain.codec import canonical
from muster.domain.errors import Invalid
from muster.domain.messages import rfc3339
from muster.domain.parse import Form
from muster.domain.records import Json

SIGNATURE_BYTES: Final = 64
_ID: Final = re.compile(r"[0-9a-f]{40}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_NO_TIME: Final = datetime.min.replace(tzinfo=UTC)

T = TypeVar("T")

Valid: TypeAlias = Callable[[bytes, bytes], bool]
"""Whether a signature (the second) of the bytes (the first) was made by the key that is trusted."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """That the branch was at `commit`, the `position`th, whose tree is `tree`.

    `time` is the server's, read when nobody could write: no commit after this one was
    stamped before it. `sequence` counts statements from 1.
    """

    FORMAT: ClassVar[str] = "muster-checkpoint-1"

    sequence: int
    previous: str | None
    time: datetime
    commit: str
    tree: str
    position: int

    def fields(self) -> dict[str, Json]:
        """What is signed."""
        return {
            "format": self.FORMAT,
            "sequence": self.sequence,
            "previous": self.previous,
            "time": rfc3339(self.time),
            "commit": self.commit,
            "tree": self.tree,
            "position": self.position,
        }


@dataclass(frozen=True, slots=True)
class Redaction:
    """That the commits from the `first`th on were written anew, because a free text had to go.

    `old` and `new` are their ids before and after, oldest first; those at the positions
    `redacted` lost the text in `field`, the others have only another parent. `actor` did
    it for `reason`. The text itself is nowhere in it.
    """

    FORMAT: ClassVar[str] = "muster-redaction-1"

    sequence: int
    previous: str | None
    time: datetime
    actor: str
    reason: str
    field: str
    first: int
    redacted: tuple[int, ...]
    old: tuple[str, ...]
    new: tuple[str, ...]

    @property
    def last(self) -> int:
        """The position of the last commit that was written anew."""
        return self.first + len(self.old) - 1

    def fields(self) -> dict[str, Json]:
        """What is signed."""
        return {
            "format": self.FORMAT,
            "sequence": self.sequence,
            "previous": self.previous,
            "time": rfc3339(self.time),
            "actor": self.actor,
            "reason": self.reason,
            "field": self.field,
            "first": self.first,
            "redacted": list(self.redacted),
            "old": list(self.old),
            "new": list(self.new),
        }


Statement: TypeAlias = Checkpoint | Redaction


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement with its signature, as one line of the file."""

    statement: Statement
    signature: bytes

    @property
    def line(self) -> bytes:
        """The line, without its newline."""
        return signed_line(self.statement.fields(), self.signature)

    @property
    def digest(self) -> str:
        """What the next statement calls `previous`."""
        return digest_of(self.line)

    def view(self) -> dict[str, Json]:
        """It as the API shows it: what the line says."""
        return {**self.statement.fields(), "signature": base64.b64encode(self.signature).decode()}


def signed_line(fields: Mapping[str, Json], signature: bytes) -> bytes:
    """`fields` with their signature, in one line."""
    return canonical({**fields, "signature": base64.b64encode(signature).decode()})


def digest_of(line: bytes) -> str:
    """What the statement after that line calls `previous`."""
    return hashlib.sha256(line).hexdigest()


# ------------------------------------------------------------ reading


def read(line: bytes) -> Signed:
    """The statement in a line, whoever signed it.

    Raises:
        Invalid: it is none, or not written in the one way there is; each problem by its field.
    """
    fields, signature = read_signed(line)
    kind = fields.pop("format", None)
    form = Form(fields)
    if kind == Checkpoint.FORMAT:
        signed = Signed(_checkpoint(form), signature)
    elif kind == Redaction.FORMAT:
        signed = Signed(_redaction(form), signature)
    else:
        raise Invalid.one("format", kind, f"must be {Checkpoint.FORMAT} or {Redaction.FORMAT}")
    if signed.line != line:
        raise Invalid.one("previous", None, "must be there, null in the first statement")
    return signed


def read_signed(line: bytes) -> tuple[dict[str, Json], bytes]:
    """What a signed line says, without the signature, and that.

    Raises:
        Invalid: it is no JSON object with a signature, or not as RFC 8785 writes it.
    """
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise Invalid.one("line", line[:60], "must be JSON") from None
    if not isinstance(found, dict):
        raise Invalid.one("line", line[:60], "must be a JSON object")
    signature = _signature(found.pop("signature", None))
    try:
        as_written = signed_line(found, signature)
    except ValueError:  # a lone surrogate, or a number that is none
        as_written = b""
    if as_written != line:
        raise Invalid.one("line", line[:60], "must be canonical JSON (RFC 8785): sorted keys, no spaces")
    return found, signature


def _signature(value: object) -> bytes:
    try:
        signature = base64.b64decode(value if isinstance(value, str) else "", validate=True)
    except (binascii.Error, ValueError):
        signature = b""
    if len(signature) != SIGNATURE_BYTES:
        raise Invalid.one("signature", value, f"must be {SIGNATURE_BYTES} bytes in base64")
    return signature


def _checkpoint(form: Form) -> Checkpoint:
    found = Checkpoint(
        sequence=form.need("sequence", positive, 0),
        previous=form.take("previous", sha256, None),
        time=form.need("time", time, _NO_TIME),
        commit=form.need("commit", object_id, ""),
        tree=form.need("tree", object_id, ""),
        position=form.need("position", positive, 0),
    )
    form.close()
    return found


def _redaction(form: Form) -> Redaction:
    found = Redaction(
        sequence=form.need("sequence", positive, 0),
        previous=form.take("previous", sha256, None),
        time=form.need("time", time, _NO_TIME),
        actor=form.need("actor", parse.text, ""),
        reason=form.need("reason", parse.text, ""),
        field=form.need("field", parse.text, ""),
        first=form.need("first", positive, 0),
        redacted=form.need("redacted", _many(positive), ()),
        old=form.need("old", _many(object_id), ()),
        new=form.need("new", _many(object_id), ()),
    )
    if len(found.old) != len(found.new):
        form.wrong("new", len(found.new), f"must hold as many ids as old, {len(found.old)}")
    if not all(found.first <= each <= found.last for each in found.redacted):
        form.wrong("redacted", found.redacted, f"must be positions from {found.first} to {found.last}")
    form.close()
    return found


# ------------------------------------------------------------ values

positive: Final = parse.integer(1, 2**53 - 1)  # what every reader of JSON keeps exact


def object_id(value: object, field: str) -> str:
    """The id of an object of Git. Raises Invalid."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise Invalid.one(field, value, "must be 40 hex digits")
    return value


def sha256(value: object, field: str) -> str:
    """A sha256. Raises Invalid."""
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise Invalid.one(field, value, "must be 64 hex digits")
    return value


def time(value: object, field: str) -> datetime:
    """A time as Muster writes it. Raises Invalid."""
    try:
        found = datetime.fromisoformat(value if isinstance(value, str) else "").astimezone(UTC)
    except (ValueError, OverflowError):
        found = _NO_TIME
    if rfc3339(found) != value:
        rule = "must be an RFC 3339 time in UTC with microseconds, ending in Z"
        raise Invalid.one(field, value, rule)
    return found


def _many(each: Callable[[object, str], T]) -> Callable[[object, str], tuple[T, ...]]:
    def parsed(value: object, field: str) -> tuple[T, ...]:
        if not isinstance(value, list) or not value:
            raise Invalid.one(field, value, "must be a list that is not empty")
        return tuple(each(item, field) for item in value)

    return parsed
