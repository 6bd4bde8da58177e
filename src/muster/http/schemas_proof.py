"""What goes over the wire about proof, for OpenAPI."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType


class StatementRecord(Struct):
    """A checkpoint (with `commit`, `tree`, `position`), or the map of a redaction."""

    format: str
    sequence: int
    previous: str | None
    time: str
    signature: str
    commit: str | UnsetType = UNSET
    tree: str | UnsetType = UNSET
    position: int | UnsetType = UNSET
    actor: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    field: str | UnsetType = UNSET
    first: int | UnsetType = UNSET
    redacted: list[int] | UnsetType = UNSET
    old: list[str] | UnsetType = UNSET
    new: list[str] | UnsetType = UNSET


class CopyRecord(Struct):
    where: str
    failed: str


class Checkpoints(Struct):
    items: list[StatementRecord]
    count: int
    next: str | None
    key: str
    copies: list[CopyRecord]


class ExportSignature(Struct):
    """What is signed of an export: `asked` are its filters, `commit` is the one that it was made at."""

    format: str
    asked: dict[str, str]
    written: str
    commit: str
    position: int
    size: int
    sha256: str
    signature: str


class PublicKeyRecord(Struct):
    key: str
    pem: str


class MirrorRecord(Struct):
    """`lag` is in changes, `lag_s` seconds since the oldest of these was recorded."""

    where: str
    commit: str | None
    seen: str | None
    lag: int
    lag_s: float
    failed: str
    diverged: bool
    failures: int
    next_try: str | None
