"""Commands that answer for any past moment."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from muster.cli.call import Call, command
from muster.cli.completing import models, refs
from muster.cli.options import At, InEnvironment
from muster.domain.errors import NotFound

PANEL = "What happened"


def add(app: typer.Typer) -> None:
    """Give `app` these commands."""
    command(app, "who-served", panel=PANEL)(who_served)
    command(app, panel=PANEL)(blame)


def who_served(
    call: Call,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model's name", autocompletion=models)],
    at: At = None,
    env: InEnvironment = None,
) -> None:
    """Say what served a model at a time: version, digests, who deployed it and why, what was seen."""
    from rich.console import Group

    from muster.cli.rendering import fields

    with call.connected() as session:
        found = session.client.who_served(model, at, env)
    if not found["items"]:
        call.emit(found, lambda: f"Nothing of {model} was deployed at {found['at']}.")
        return
    call.emit(
        found,
        lambda: Group(
            *(fields(_served(each), f"{model} in {each['environment']}") for each in found["items"])
        ),
    )


def _served(item: dict[str, Any]) -> dict[str, Any]:
    by = item["by"]
    files = [f"{each['path']} sha256:{each['sha256']}" for each in item["files"]]
    seen = [f"{each['state']} at {each['time']}" for each in item["observed"]]
    approved = [f"{each['actor']}: {each.get('comment') or 'no comment'}" for each in item["approvals"]]
    return {
        "version": item["model_id"],
        "files": files or "none: it was recorded, and not running here",
        "since": by["time"],
        "by": by["actor"] + ("" if by["verified"] else " (unverified)"),
        "why": by["reason"] or None,
        "approved_by": approved or None,
        "observed": seen or "nothing was observed",
        "commit": by["commit"],
    }


def blame(
    call: Call,
    ref: Annotated[
        str, typer.Argument(metavar="REF|MODEL", help="A version, or a model", autocompletion=refs)
    ],
    at: At = None,
) -> None:
    """Say who set each field of a record, when and why."""
    from muster.cli.rendering import short_time, table

    with call.connected() as session:
        try:
            version = session.client.version(ref, at=at)
        except NotFound:
            found = session.client.blame(ref, at=at)
        else:
            found = session.client.blame(version["name"], str(version["number"]), at)
    values = found["values"]
    rows = [
        (
            name,
            _short(values[name]),
            by["actor"],
            short_time(by["time"]),
            by["reason"] or None,
            by["commit"][:10],
        )
        for name, by in found["fields"].items()
        if by is not None and values[name] not in (None, "", [], {})
    ]
    call.emit(found, lambda: table(("FIELD", "VALUE", "WHO", "TIME", "WHY", "COMMIT"), rows))


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
