"""Commands about what is required of versions."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from muster.cli import completing
from muster.cli.admin import PANEL
from muster.cli.call import Call, command
from muster.cli.options import DryRun, Limit, Reason, Ref, document
from muster.cli.versions import listed
from muster.cli.writes import wrote

REGISTRY: Final = "registry"
Whose = Annotated[
    str, typer.Argument(metavar="[registry|TEAM]", help="Whose: the registry's, or a team's by its name")
]
Schema = Annotated[
    str, typer.Option("--schema", metavar="JSON|@FILE", help="The JSON Schema that versions must fit")
]


def add(app: typer.Typer) -> None:
    """Give `app` the group of these commands."""
    group = typer.Typer(help="Required fields of versions, as JSON Schema.", no_args_is_help=True)
    command(group, "list")(requirements)
    command(group)(show)
    command(group, "set")(set_requirement)
    command(group)(delete)
    command(group, "test")(tried)
    command(group)(lacks)
    app.add_typer(group, name="requirements", rich_help_panel=PANEL)


def _team(whose: str) -> str | None:
    return None if whose == REGISTRY else whose


def requirements(call: Call, limit: Limit = 100) -> None:
    """List what is required: by the registry, then by teams."""
    with call.connected() as session:
        found = session.client.requirements(limit=limit)
    rows = [
        (
            each["team"] or REGISTRY,
            each["block"] or None,
            each["environments"] or None,
            each["description"] or None,
        )
        for each in found
    ]
    columns = ("WHOSE", "BLOCKS", "IN", "DESCRIPTION")
    listed(call, found, columns, rows, "Nothing is required. Next: muster requirements set --schema @FILE")


def show(call: Call, whose: Whose = REGISTRY) -> None:
    """Show what the registry or a team requires."""
    from muster.cli.rendering import fields

    with call.connected() as session:
        found = session.client.requirement(_team(whose))
    call.emit(found, lambda: fields(found, f"Required by {whose}"))


def set_requirement(
    call: Call,
    schema: Schema,
    whose: Whose = REGISTRY,
    block: Annotated[
        list[str] | None,
        typer.Option(
            "--block",
            metavar="register|deploy|review",
            help="What is refused to a version that lacks something, or is overdue for review; repeat it",
        ),
    ] = None,
    environment: Annotated[
        list[str] | None,
        typer.Option(
            "--env",
            metavar="ENV",
            help="Where deploying is refused, if not everywhere; repeat it",
            autocompletion=completing.environments,
        ),
    ] = None,
    description: Annotated[str, typer.Option("--description", metavar="TEXT", help="What it is for")] = "",
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Require that versions fit a schema. Without --block what lacks something is only shown."""
    wanted = document(schema, "--schema")
    with call.connected(writes=not dry_run) as session:
        found = session.client.require(
            wanted,
            team=_team(whose),
            block=block or (),
            environments=environment or (),
            description=description,
            reason=reason,
            dry_run=dry_run,
        )
    told = f"Versions of {whose} are held against it."
    wrote(call, found, dry_run, lambda _: told, f"muster requirements test {whose}")


def delete(call: Call, whose: Whose = REGISTRY, reason: Reason = "", dry_run: DryRun = False) -> None:
    """Take away what the registry or a team requires."""
    with call.connected(writes=not dry_run) as session:
        found = session.client.require_nothing(_team(whose), reason=reason, dry_run=dry_run)
    wrote(call, found, dry_run, lambda _: f"Nothing more is required by {whose}.")


def tried(
    call: Call,
    whose: Whose = REGISTRY,
    schema: Annotated[
        str | None,
        typer.Option("--schema", metavar="JSON|@FILE", help="The one to try, if not the one that holds"),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="MODEL", help="Only versions of this model", autocompletion=completing.models
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many to list")] = 100,
) -> None:
    """Say which versions lack something, or would with another schema. Nothing is written."""
    from muster.cli.rendering import table

    wanted = document(schema, "--schema") if schema is not None else None
    with call.connected() as session:
        held: Any = session.client.requirement(_team(whose))["schema"] if wanted is None else wanted
        found = session.client.test_requirement(held, team=_team(whose), model=model, limit=limit)
    if not found["items"] and not call.as_json:
        call.line(f"All {found['checked']:,} versions have what is required.")
        return
    rows = [
        (
            f"{each['name']}/{each['version']}",
            each["deployed_in"] or None,
            "\n".join(f"{lack['field']} {lack['rule']}" for lack in each["lacks"]),
        )
        for each in found["items"]
    ]
    call.emit(found, lambda: table(("VERSION", "DEPLOYED", "LACKS"), rows))
    call.note(f"{found['lacking']:,} of {found['checked']:,} versions lack something.")


def lacks(call: Call, ref: Ref) -> None:
    """Say what a version lacks of what is required."""
    from muster.cli.rendering import table

    with call.connected() as session:
        found = session.client.lacks(ref)
    if not found and not call.as_json:
        call.line(f"{ref} has what is required.")
        return
    rows = [(each["field"], each["rule"], each["team"] or REGISTRY, each["block"] or None) for each in found]
    call.emit({"lacks": found}, lambda: table(("FIELD", "RULE", "REQUIRED BY", "BLOCKS"), rows))
