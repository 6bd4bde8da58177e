"""`muster log --follow`: what happened last, oldest first, and then what happens, while it does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from muster.cli.call import Call
from muster.client import Client

_INTERRUPTED = 130  # as a shell says of what ended by Ctrl-C


def follow(
    call: Call,
    client: Client,
    *,
    model: str | None,
    number: int | None,
    environment: str | None,
    actor: str | None,
    kinds: Sequence[str],
    since: str | None,
    until: str | None,
    limit: int,
) -> None:
    """A line for each change, as JSON if that is wanted, until `until` or Ctrl-C."""
    wanted: dict[str, Any] = {
        "model": model,
        "number": number,
        "environment": environment,
        "actor": actor,
        "kinds": kinds,
        "until": until,
    }
    newest = client.changes(limit=1)
    before = client.changes(**wanted, since=since, limit=limit)
    # What happened between the two questions is in the second answer, or comes with the events.
    last = max((each["position"] for each in (*newest[:1], *before[:1])), default=0)
    try:
        for change in reversed(before):
            _say(call, change)
        for change in client.events(**wanted, after=last):
            _say(call, change)
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None


def _say(call: Call, change: Mapping[str, Any]) -> None:
    call.line(json.dumps(change, ensure_ascii=False) if call.as_json else _line(change))
    call.out.file.flush()


def _line(change: Mapping[str, Any]) -> str:
    from muster.cli.rendering import plain, short_time

    why = f": {' '.join(change['reason'].split())}" if change["reason"] else ""
    return plain(
        f"{short_time(change['time'])}  {change['actor']}  {change['message']}{why}  {change['commit'][:10]}"
    )
