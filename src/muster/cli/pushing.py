"""`muster push`: the files of a model that is elsewhere yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from muster.cli.call import Call, command
from muster.cli.options import DryRun, Reason, Tags, pairs
from muster.cli.versions import PANEL, many, word
from muster.cli.writes import progress_bar, wrote

if TYPE_CHECKING:
    from muster.client import Record
    from muster.client.pushing import Pushed


def add(app: typer.Typer) -> None:
    """Give `app` this command."""
    command(app, panel=PANEL)(push)


def push(
    call: Call,
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A folder, runs:/RUN/NAME, models:/m-ID, models:/NAME/3 or models:/NAME@ALIAS",
        ),
    ],
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="The model here; needed if no version was registered from it"),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option("--version", metavar="REF", help="The version that is to get the files, if it is there"),
    ] = None,
    tracking_uri: Annotated[
        str | None,
        typer.Option(
            "--tracking-uri",
            metavar="URI",
            help="The tracking server that knows the run; else what MLflow itself is told of",
        ),
    ] = None,
    tag: Tags = None,
    description: Annotated[
        str, typer.Option("--description", metavar="TEXT", help="What it is, of a new version")
    ] = "",
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Bring the files of a model: to the version that was registered from it, or as a new one.

    Metrics, parameters, data sets, commit and user are copied from its run, where a
    tracking server knows it; else they are not recorded. It may be repeated after a failure.
    """
    tags = pairs(tag, "--tag")
    with call.connected(writes=not dry_run) as session, progress_bar(call) as progress:
        pushed = session.client.push(
            model,
            name,
            version=version,
            tracking_uri=tracking_uri,
            description=description,
            tags=tags or None,
            reason=reason,
            progress=progress,
            dry_run=dry_run,
        )
    record = pushed.record
    record["done"] = pushed.done
    wrote(
        call,
        record,
        dry_run,
        lambda made: _said(pushed, made),
        "" if dry_run else f"muster deploy {word(record['name'], record['version'])}",
    )
    if not pushed.what_made_it and not dry_run:
        call.note("What made it is not recorded: no tracking server was named that knows its run.")


def _said(pushed: Pushed, made: Record) -> str:
    version = f"{made['name']}/{made['version']} ({made['model_id']})"
    files = many(made["files"])
    if pushed.done == "registered":
        return f"Registered {version}, {files}."
    if pushed.done == "attached":
        return f"Attached {files} to {version}."
    return f"{version} has the same files already."
