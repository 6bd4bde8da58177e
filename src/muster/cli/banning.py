"""Commands that take out of use, and that say what was made from what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from muster.cli import completing
from muster.cli.call import Call, command
from muster.cli.exits import code_of
from muster.cli.options import DryRun, Limit, Ref
from muster.cli.versions import listed
from muster.cli.writes import previewed, stepping, wrote
from muster.domain.errors import MusterError

if TYPE_CHECKING:
    from muster.client import Record

PANEL: Final = "Ban and trace"

Of = Annotated[
    str,
    typer.Argument(
        metavar="REF|sha256:DIGEST",
        help="A version by any reference; or a file, in every version that holds it",
        autocompletion=completing.refs,
    ),
]
Data = Annotated[
    str, typer.Argument(metavar="NAME|sha256:DIGEST", help="The data, by its digest or by its name")
]
Why = Annotated[str, typer.Option("--reason", "-m", metavar="TEXT", help="Why, for the history")]


def add(app: typer.Typer) -> None:
    """Give `app` these commands."""
    command(app, panel=PANEL)(ban)
    command(app, panel=PANEL)(unban)
    command(app, panel=PANEL)(bans)
    command(app, panel=PANEL)(uses)
    command(app, panel=PANEL)(purge)
    group = typer.Typer(help="Data that versions were trained on.", no_args_is_help=True)
    command(group)(retract)
    command(group)(unretract)
    command(group, "list")(retractions)
    app.add_typer(group, name="data", rich_help_panel=PANEL)


def ban(
    call: Call,
    of: Of,
    reason: Why,
    undeploy: Annotated[
        bool, typer.Option("--undeploy", help="Take it out of service wherever it is deployed")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Have a version, or a file in every version that holds it, not used any more.

    It is not deployed, not rolled back to, not given an alias or an environment's stage,
    and nobody downloads it. What runs already goes on running unless --undeploy is said.
    """
    with call.connected(writes=not dry_run) as session:
        found = session.client.ban(of, reason, undeploy=undeploy, dry_run=dry_run, on_step=stepping(call))
    if dry_run:
        previewed(call, found)
        return
    wrote(call, found, False, _told, f"muster uses {found['of']}")
    for each in found.get("not_undeployed", ()):
        call.note(f"Not taken out of {each['environment']}: {each['message']}")
    if found.get("not_undeployed"):
        from muster.client.problems import BY_CODE

        raise typer.Exit(code_of(BY_CODE.get(found["not_undeployed"][0]["code"], MusterError)))


def _told(found: Record) -> str:
    """What a ban came to, in a few lines."""
    lines = [f"Banned {found['of']}: {_counted(found['count'], 'version')}."]
    gone = {(each["environment"], each["model"]) for each in found.get("operations", ())}
    for each in found["runs_in"]:
        where = f"{each['model_id']} in {each['environment']}"
        if (each["environment"], each["name"]) in gone:
            lines.append(f"Taken out of service: {where}.")
        else:
            lines.append(f"Still running until it is taken out: {where}.")
    if found["built_on_it"]:
        lines.append(f"Built on it, and flagged: {_counted(found['built_on_it'], 'version')}.")
    return "\n".join(lines)


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def unban(call: Call, of: Of, reason: Why, dry_run: DryRun = False) -> None:
    """Lift a ban."""
    with call.connected(writes=not dry_run) as session:
        found = session.client.unban(of, reason, dry_run=dry_run)
    wrote(call, found, dry_run, lambda _: f"Lifted the ban of {of}.")


def bans(call: Call, limit: Limit = 100) -> None:
    """List what is banned, since when and why, and where it runs."""
    with call.connected() as session:
        found = session.client.bans(limit=limit)
    listed(call, found, _COLUMNS, [_row(each) for each in found], "Nothing is banned.")


_COLUMNS: Final = ("WHAT", "SINCE", "BY", "VERSIONS", "RUNS IN", "MADE OF IT", "REASON")


def _row(found: Record) -> tuple[Any, ...]:
    places = ", ".join(f"{each['environment']} ({each['model_id']})" for each in found["runs_in"])
    since, made = found["since"][:19].replace("T", " "), found["built_on_it"]
    return found["of"], since, found["by"], found["count"], places or None, made, found["reason"]


def uses(
    call: Call,
    of: Annotated[
        str,
        typer.Argument(
            metavar="REF|NAME|sha256:DIGEST",
            help="A version, a file, or data by its digest, name or address",
            autocompletion=completing.refs,
        ),
    ],
    limit: Limit = 1000,
) -> None:
    """Find every version that was trained on it or built on it, and where each ran when."""
    with call.connected() as session:
        found = session.client.uses(of, limit=limit)
    rows = [
        (each["model_id"], each["relation"], each["remove"], each["through"], _ran(each["ran"]))
        for each in found
    ]
    columns = ("VERSION", "HOW", "REMOVE", "THROUGH", "RAN")
    listed(call, found, columns, rows, f"No version here was made from {of}.")


def _ran(ran: list[dict[str, Any]]) -> str | None:
    """Where and when, the latest last."""
    spans = [
        f"{each['environment']} {each['from'][:10]} to {each['to'][:10] if each['to'] else 'now'}"
        f" by {each['by']}"
        for each in ran
    ]
    return "\n".join(spans) or None


def purge(call: Call, ref: Ref, reason: Why, dry_run: DryRun = False) -> None:
    """Remove the files of a version for good; its record stays, and says so."""
    with call.connected(writes=not dry_run) as session:
        found = session.client.purge(ref, reason, dry_run=dry_run)
    wrote(call, found, dry_run, _cleared)
    if not dry_run and not call.as_json:
        for each in found["kept"]:
            call.note(f"Kept {each['path']}: {each['why']}")


def _cleared(found: Record) -> str:
    size = sum(each["size"] for each in found["removed"])
    files = _counted(len(found["removed"]), "file")
    return f"Purged {found['version']['model_id']}: {files} removed ({size:,} bytes)."


def retract(call: Call, of: Data, reason: Why, dry_run: DryRun = False) -> None:
    """Flag every version that was trained on data, directly or through its bases.

    By its digest no new version is registered with it; by its name new ones are flagged.
    """
    with call.connected(writes=not dry_run) as session:
        found = session.client.retract_data(of, reason, dry_run=dry_run)
    if dry_run:
        previewed(call, found)
        return

    def told(found: Record) -> str:
        flagged = _counted(found["count"], "version")
        return (
            f"Retracted {found['of']}: {flagged} trained on it, {found['built_on_it']:,} more through bases."
        )

    wrote(call, found, False, told, f"muster uses {found['of']}")


def unretract(call: Call, of: Data, reason: Why, dry_run: DryRun = False) -> None:
    """Take the retraction of data back."""
    with call.connected(writes=not dry_run) as session:
        found = session.client.unretract_data(of, reason, dry_run=dry_run)
    wrote(call, found, dry_run, lambda _: f"Took the retraction of {of} back.")


def retractions(call: Call, limit: Limit = 100) -> None:
    """List the data that is retracted, and where what was trained on it runs."""
    with call.connected() as session:
        found = session.client.retractions(limit=limit)
    listed(call, found, _COLUMNS, [_row(each) for each in found], "No data is retracted.")
