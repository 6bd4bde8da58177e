"""Options and arguments that several commands have, and how what is written becomes a value."""

from __future__ import annotations

import json
import sys
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import typer

from muster.cli.completing import environments, refs
from muster.domain.errors import Invalid

Ref = Annotated[
    str,
    typer.Argument(
        metavar="REF",
        help="A version: name/v1.0, name/3, name@alias, name:production or a model id",
        autocompletion=refs,
    ),
]
Reason = Annotated[str, typer.Option("--reason", "-m", metavar="TEXT", help="Why, for the history")]
BreakGlass = Annotated[
    bool,
    typer.Option("--break-glass", help="Without the approvals that it needs; takes that role, and a reason"),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would happen; write nothing")]
At = Annotated[
    str | None, typer.Option("--at", metavar="TIME|COMMIT", help="As it was at an RFC 3339 time or a commit")
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="How many at most")]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="KEY=VALUE", help="A tag; repeat it")]
Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help="From this RFC 3339 time on")]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Up to this RFC 3339 time")]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", metavar="KIND", help="Only changes of this kind, as deploy; repeat it"),
]
ByActor = Annotated[str | None, typer.Option("--by", metavar="ID", help="Only what this actor did")]
InEnvironment = Annotated[
    str | None,
    typer.Option(
        "--env", metavar="ENV", help="Only what happened in this environment", autocompletion=environments
    ),
]


def pairs(given: list[str] | None, option: str) -> dict[str, str]:
    """`KEY=VALUE` options as a mapping. Raises Invalid."""
    found: dict[str, str] = {}
    for text in given or []:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise Invalid.one(option, text, "must be KEY=VALUE")
        if key in found:
            raise Invalid.one(option, text, "must not name a key twice")
        found[key] = value
    return found


def numbers(given: list[str] | None, option: str) -> dict[str, float]:
    """`KEY=NUMBER` options as a mapping. Raises Invalid."""
    found: dict[str, float] = {}
    for key, value in pairs(given, option).items():
        try:
            found[key] = float(value)
        except ValueError:
            raise Invalid.one(option, f"{key}={value}", "must be KEY=NUMBER") from None
        if not isfinite(found[key]):
            raise Invalid.one(option, f"{key}={value}", "must be a finite number")
    return found


def values(given: list[str] | None, option: str) -> dict[str, Any]:
    """`KEY=VALUE` options whose values are JSON where they can be read as such, else text."""
    found: dict[str, Any] = {}
    for key, value in pairs(given, option).items():
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found


def contents(given: str, option: str) -> str:
    """What was written, or what is in the file of an `@file`; `@-` is the standard input. Raises Invalid."""
    if not given.startswith("@"):
        return given
    try:
        return sys.stdin.read() if given == "@-" else Path(given[1:]).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid.one(option, given, f"must name a text file that can be read ({error})") from error


def document(given: str, option: str) -> dict[str, Any]:
    """The JSON object that was written, or is in the file of an `@file`. Raises Invalid."""
    try:
        found = json.loads(contents(given, option))
    except ValueError as error:
        raise Invalid.one(option, given, f"must be JSON, or @ and a file of it ({error})") from None
    if not isinstance(found, dict):
        raise Invalid.one(option, given, "must be a JSON object")
    return found
