"""Commands that move several models at once."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from muster.cli import completing
from muster.cli.call import Call, command
from muster.cli.options import DryRun, InEnvironment, Limit, Reason
from muster.cli.writes import previewed, stepping, wrote

PANEL: Final = "What runs where"
Id = Annotated[str, typer.Argument(metavar="ID", help="The release, as in R-12")]


def add(app: typer.Typer) -> None:
    """Give `app` these commands."""
    group = typer.Typer(help="Several models that move at once.", no_args_is_help=True)
    command(group)(create)
    command(group, "list")(every)
    command(group)(show)
    command(group)(back)
    app.add_typer(group, name="release", rich_help_panel=PANEL)


def create(
    call: Call,
    environment: Annotated[
        str, typer.Argument(metavar="ENV", help="Where to", autocompletion=completing.environments)
    ],
    refs: Annotated[
        list[str],
        typer.Argument(
            metavar="REF...", help="The versions, each of another model", autocompletion=completing.refs
        ),
    ],
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Put versions of several models into an environment: all are started, then one commit moves them all.

    If one does not start, none is moved.
    """
    with call.connected(writes=not dry_run) as session:
        found = session.client.release(environment, refs, reason, dry_run=dry_run, on_step=stepping(call))
        if dry_run:
            previewed(call, found)
            return
        made = session.client.releases(environment, limit=1)[0]
    wrote(call, made, False, _made, f"muster release back {made['id']}")


def back(
    call: Call,
    release: Id,
    empty: Annotated[bool, typer.Option("--empty", help="Leave empty what was empty before it")] = False,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Take a release back: every model returns to what it replaced, in one commit."""
    with call.connected(writes=not dry_run) as session:
        found = session.client.release_back(
            release, reason, empty=empty, dry_run=dry_run, on_step=stepping(call)
        )
        if dry_run:
            previewed(call, found)
            return
        made = session.client.released(release)
    wrote(call, made, False, lambda its: f"{its['id']} is taken back in {its['environment']}.")


def every(call: Call, env: InEnvironment = None, limit: Limit = 100) -> None:
    """List releases, the latest first."""
    from muster.cli.rendering import short_time, table

    with call.connected() as session:
        found = session.client.releases(env, limit=limit)
    rows = [
        (
            each["id"],
            each["environment"],
            ", ".join(f"{part['model']}/{part['version']}" for part in each["parts"]),
            each["state"],
            each["by"]["actor"],
            short_time(each["by"]["time"]),
        )
        for each in found
    ]
    columns = ("ID", "ENVIRONMENT", "VERSIONS", "STATE", "WHO", "TIME")
    call.emit({"items": found, "count": found.total}, lambda: table(columns, rows))
    call.left_out(found)


def show(call: Call, release: Id) -> None:
    """Show a release: what moved, what it replaced, by whom and why."""
    from muster.cli.rendering import fields

    with call.connected() as session:
        found = session.client.released(release)
    call.emit(found, lambda: fields(_shown(found), found["id"]))


def _made(release: dict[str, Any]) -> str:
    moved = ", ".join(f"{each['model']}/{each['version']}" for each in release["parts"])
    return f"{release['id']}: {moved} are deployed to {release['environment']}."


def _shown(release: dict[str, Any]) -> dict[str, Any]:
    by, back = release["by"], release["taken_back"]
    return {
        "environment": release["environment"],
        "state": release["state"],
        "moved": [
            f"{each['model']} from {each['replaced']['version'] if each['replaced'] else 'nothing'} "
            f"to {each['version']}"
            for each in release["parts"]
        ],
        "by": by["actor"],
        "time": by["time"],
        "why": by["reason"] or None,
        "commit": by["commit"],
        "taken_back": f"by {back['actor']} at {back['time']}" if back else None,
        "why_taken_back": back["reason"] or None if back else None,
    }
