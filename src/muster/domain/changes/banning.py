"""What takes versions, files and data out of use, and what gives them back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from muster.domain.changes.base import Change


@dataclass(frozen=True, slots=True)
class Ban(Change):
    """A version, or every version that holds the file with that sha256, is not to be used any more.

    Either `model` and `number` are there, or `sha256`. Why is the commit's reason.
    """

    kind: ClassVar[str] = "ban"
    model: str | None = None
    number: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class LiftBan(Change):
    """What was banned may be used again; named as in `Ban`."""

    kind: ClassVar[str] = "unban"
    model: str | None = None
    number: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class RetractData(Change):
    """Data that versions were trained on should not have been used: by its sha256, or by its name."""

    kind: ClassVar[str] = "retract-data"
    sha256: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ReinstateData(Change):
    """The retraction of data is taken back; named as in `RetractData`."""

    kind: ClassVar[str] = "unretract-data"
    sha256: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Purge(Change):
    """The bytes of a version's files go for good; its record stays and says so."""

    kind: ClassVar[str] = "purge"
    model: str
    number: int
    expected: str | None = None
