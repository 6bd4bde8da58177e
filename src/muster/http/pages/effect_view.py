"""What a change does or did to records, field by field, in the words of those who read it."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from muster.http.pages.labels import called
from muster.http.pages.page import Page
from muster.http.pages.rendering import figure
from muster.service.past import FieldChange

MOST: Final = 200  # fields of one change
_LINES: Final = 300
_FIRST: Final = 3  # of the versions that a rollback could return to
_LONG: Final = 400  # characters of a value
_PATHS: Final = (
    ("version", re.compile(r"models/../[^/]+/versions/(\d+)/version\.json")),
    ("file", re.compile(r"models/../[^/]+/versions/(\d+)/files/(.+)")),
    ("model", re.compile(r"models/../[^/]+/model\.json")),
    ("card", re.compile(r"models/../[^/]+/card\.md")),
    ("deployment", re.compile(r"deployments/([^/]+)/.+\.json")),
    ("environment", re.compile(r"environments/([^/]+)\.json")),
)
# What the registry keeps for itself: digests of what is shown beside them, and counters.
_BY_THE_WAY: Final = frozenset(
    {"next_number", "registered", "files_attached", "model", "environment", "number"}
)
_PARTS: Final = {
    "tags": "tag",
    "aliases": "alias",
    "metrics": "metric",
    "params": "parameter",
    "env": "variable",
}
_WORDS: Final = {
    "allow_pickle": "pickle allowed",
    "earlier": "a rollback returns to",
    "timeout_s": "timeout in s",
}
_ORDER: Final = {"version": 0, "stage": 0, "earlier": 2}


@dataclass(frozen=True, slots=True)
class Effect:
    """One field before and after; None: it is not there. `lines` are a long text's, each with its sign."""

    what: str
    was: str | None
    became: str | None
    lines: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """What a change is about, which goes without saying in its effects."""

    model: str | None = None
    number: int | None = None
    environment: str | None = None


def effects(page: Page, found: Iterable[FieldChange], of: Subject) -> list[Effect]:
    """`found` in words; at most `MOST`."""
    told: list[Effect] = []
    # What runs comes first, and last what a rollback would return to.
    for change in sorted(found, key=lambda each: _ORDER.get(each.field, 1)):
        told += _effect(page, change, of)
        if len(told) >= MOST:
            break
    return told[:MOST]


def _effect(page: Page, change: FieldChange, of: Subject) -> Iterator[Effect]:
    kind, parts = _place(change.path)
    name, _, rest = change.field.partition(".")
    if kind in ("model", "version", "deployment", "environment") and name in _BY_THE_WAY:
        return
    if kind == "model" and name == "card":
        return  # its digest: the card itself is told
    what = f"{_PARTS[name]} {rest}" if name in _PARTS and rest else _words(change.field)
    match kind:
        case "card":
            what = "card"
        case "file":
            what = f"file {parts[1]}"
        case "version" if int(parts[0]) != of.number:
            what = f"{what} of {called(page.services.registry.index, of.model or '', int(parts[0]))}"
        case "deployment" if parts[0] != of.environment:
            what = f"{what} in {parts[0]}"
        case "environment" if parts[0] != of.environment:
            what = f"{what} of {parts[0]}"
        case "":
            what = f"{change.path}: {change.field}"
    numbers = name in ("version", "aliases", "earlier") and kind in ("deployment", "model")
    effect = difference(page, what, change.before, change.after, of.model if numbers else None)
    if effect is not None:
        yield effect


def difference(page: Page, what: str, before: Any, after: Any, model: str | None = None) -> Effect | None:
    """One field in words, None if it is the same; numbers are versions of `model`, if that is given."""
    was, became = _said(page, before, model), _said(page, after, model)
    if was == became:
        return None
    lines = _lines(was, became)
    if lines:
        was, became = _counted(was), _counted(became)
    return Effect(what, _short(was), _short(became), lines)


def _place(path: str) -> tuple[str, tuple[str, ...]]:
    for kind, pattern in _PATHS:
        if found := pattern.fullmatch(path):
            return kind, found.groups()
    return "", ()


def _words(field: str) -> str:
    name = field.removeprefix("config.")
    if name.startswith("env."):
        return f"variable {name.removeprefix('env.')}"
    return _WORDS.get(name, name.replace("_", " "))


def _said(page: Page, value: Any, model: str | None) -> str | None:
    """A value in words; a number is a version's if `model` is given."""
    match value:
        case None | [] | {} | "":
            return None
        case bool():
            return "yes" if value else "no"
        case int() if model is not None:
            return called(page.services.registry.index, model, value)
        case int() | float():
            return figure(value)
        case str():
            return value
        case [{"version": _}, *_] if model is not None:
            first = [called(page.services.registry.index, model, each["version"]) for each in value[:_FIRST]]
            return ", ".join(first) + (f" and {len(value) - _FIRST} more" if len(value) > _FIRST else "")
        case _:
            return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _short(text: str | None) -> str | None:
    if text is None or len(text) <= _LONG:
        return text
    return f"{text[:_LONG]}… ({len(text) - _LONG:,} more characters)"


def _lines(was: str | None, became: str | None) -> tuple[tuple[str, str], ...]:
    """The lines that differ, with one of context, if the text has several."""
    old, new = (was or "").splitlines(), (became or "").splitlines()
    if len(old) < 2 and len(new) < 2:
        return ()
    found = list(difflib.unified_diff(old, new, lineterm="", n=1))[2:]
    told = [("…", "") if line.startswith("@@") else (line[0].strip(), line[1:]) for line in found]
    return tuple(told[1:] if told and told[0] == ("…", "") else told)[:_LINES]


def _counted(text: str | None) -> str | None:
    if text is None:
        return None
    count = len(text.splitlines())
    return "1 line" if count == 1 else f"{count} lines"
