"""What a registry needs that its repository does not hold: secrets that its records refer to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from muster.service.ports import History

_REFERRING: Final = ("deployments", "environments", "proposals", "releases")
"""The folders whose records may refer to a secret."""


@dataclass(frozen=True, slots=True)
class Need:
    """Something outside the repository: what it is, which records name it, and whether it is there."""

    what: str
    named_by: tuple[str, ...]
    there: bool

    def view(self) -> dict[str, object]:
        """As JSON."""
        return {"what": self.what, "named_by": list(self.named_by), "there": self.there}


def referred_to(history: History, head: str, surroundings: Mapping[str, str]) -> list[Need]:
    """Every secret that a record at `head` refers to, and whether this machine has it."""
    named: dict[str, list[str]] = {}
    for folder in _REFERRING:
        for path, content in history.walk(head, folder):
            if path.endswith(".json"):
                for reference in _references(json.loads(content)):
                    named.setdefault(reference, []).append(path)
    return [
        Need(_told(reference), tuple(sorted(set(paths))), _is_there(reference, surroundings))
        for reference, paths in sorted(named.items())
    ]


def accounts(history: History, head: str) -> int:
    """How many people and services have an account: their tokens are not in the repository."""
    return sum(1 for _ in history.walk(head, "access/accounts"))


def _references(said: Any) -> Iterator[str]:
    """Every `{"from": "env:NAME"}` and `{"from": "file:PATH"}` in it."""
    if isinstance(said, dict):
        where = said.get("from")
        if set(said) == {"from"} and isinstance(where, str) and where.startswith(("env:", "file:")):
            yield where
        else:
            for each in said.values():
                yield from _references(each)
    elif isinstance(said, list):
        for each in said:
            yield from _references(each)


def _told(reference: str) -> str:
    kind, _, where = reference.partition(":")
    return f"environment variable {where}" if kind == "env" else f"file {where}"


def _is_there(reference: str, surroundings: Mapping[str, str]) -> bool:
    kind, _, where = reference.partition(":")
    return where in surroundings if kind == "env" else Path(where).is_file()
