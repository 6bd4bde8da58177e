"""What a backup says that it holds: `manifest.json`, written last.

    {
      "format": 1,
      "made": "2026-11-24T09:00:14.000123Z",
      "head": "<commit>",
      "refs": {"refs/heads/main": "<commit>"},
      "secrets": true,
      "history": {"place": "history/<sha256>.bundle", "sha256": …, "size": …},
      "files": [{"place": "files/ab/cd/<sha256>", "sha256": …, "size": …}],
      "kept": [{"path": "secrets/webhooks.json", "mode": 384,
                "place": "kept/<sha256>", "sha256": …, "size": …}],
      "missing": [{"sha256": …, "size": …, "paths": [path in the repository]}]
    }

A `place` is where the bytes are in the backup, `path` where they belong in a home;
sizes are in bytes, `mode` is a number as chmod(2) takes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from muster.domain.errors import Invalid

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes in the backup."""

    place: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of the home that is not in Git; `path` is relative to the home."""

    path: str
    mode: int
    part: Part


@dataclass(frozen=True, slots=True)
class Missing:
    """A file that the history names and that was not in the store; `paths` are those at the head, if any."""

    sha256: str
    size: int
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that a backup holds. `made` is in RFC 3339; `secrets` says whether they were to come along."""

    made: str
    head: str
    refs: Mapping[str, str]
    secrets: bool
    history: Part
    files: tuple[Part, ...]
    kept: tuple[Kept, ...]
    missing: tuple[Missing, ...]

    def parts(self) -> Iterator[Part]:
        """Everything that must be in the backup beside the manifest."""
        yield self.history
        yield from self.files
        yield from (kept.part for kept in self.kept)

    def encoded(self) -> bytes:
        """As it is written."""
        said = {
            "format": FORMAT,
            "made": self.made,
            "head": self.head,
            "refs": dict(self.refs),
            "secrets": self.secrets,
            "history": asdict(self.history),
            "files": [asdict(part) for part in self.files],
            "kept": [{"path": kept.path, "mode": kept.mode, **asdict(kept.part)} for kept in self.kept],
            "missing": [asdict(missing) for missing in self.missing],
        }
        return json.dumps(said, indent=2, ensure_ascii=False).encode() + b"\n"


def decoded(content: bytes) -> Manifest:
    """What a manifest says.

    Raises:
        Invalid: it is no manifest, or one of a newer format; naming the field.
    """
    try:
        said = json.loads(content)
    except ValueError as error:
        raise Invalid.one(MANIFEST, content[:40], f"must be JSON ({error})") from error
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        found = said.get("format") if isinstance(said, dict) else said
        raise Invalid.one(f"{MANIFEST}: format", found, f"must be {FORMAT}, which this version reads")
    return Manifest(
        made=_text(said, "made"),
        head=_matching(said, "head", _COMMIT),
        refs={name: _matching(_object(said, "refs"), name, _COMMIT) for name in _object(said, "refs")},
        secrets=said.get("secrets") is True,
        history=_part(_object(said, "history")),
        files=tuple(_part(each) for each in _list(said, "files")),
        kept=tuple(
            Kept(_inside(each, "path"), _number(each, "mode") & 0o777, _part(each))
            for each in _list(said, "kept")
        ),
        missing=tuple(
            Missing(
                _matching(each, "sha256", _SHA256),
                _number(each, "size"),
                tuple(str(path) for path in each.get("paths") or ()),
            )
            for each in _list(said, "missing")
        ),
    )


def _part(said: Mapping[str, Any]) -> Part:
    return Part(_inside(said, "place"), _matching(said, "sha256", _SHA256), _number(said, "size"))


def _object(said: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    found = said.get(field)
    if not isinstance(found, dict):
        raise _wrong(field, found, "must be an object")
    return found


def _list(said: Mapping[str, Any], field: str) -> list[Mapping[str, Any]]:
    found = said.get(field)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise _wrong(field, found, "must be a list of objects")
    return found


def _text(said: Mapping[str, Any], field: str) -> str:
    found = said.get(field)
    if not isinstance(found, str) or not found:
        raise _wrong(field, found, "must be a text")
    return found


def _matching(said: Mapping[str, Any], field: str, pattern: re.Pattern[str]) -> str:
    found = _text(said, field)
    if not pattern.fullmatch(found):
        raise _wrong(field, found, f"must be {pattern.pattern}")
    return found


def _number(said: Mapping[str, Any], field: str) -> int:
    found = said.get(field)
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise _wrong(field, found, "must be a whole number, at least 0")
    return found


def _inside(said: Mapping[str, Any], field: str) -> str:
    """A path that leads nowhere but below the folder that it is put in."""
    found = _text(said, field)
    path = PurePosixPath(found)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in found:
        raise _wrong(field, found, "must be a relative path without ..")
    return found


def _wrong(field: str, value: object, rule: str) -> Invalid:
    return Invalid.one(f"{MANIFEST}: {field}", value, rule)
