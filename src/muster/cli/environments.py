"""Commands about the places where versions run."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from muster.cli import completing, protecting
from muster.cli.call import Call, command
from muster.cli.options import DryRun, Limit, Reason
from muster.cli.versions import listed
from muster.cli.writes import wrote

Name = Annotated[
    str, typer.Argument(metavar="ENV", help="The environment's name", autocompletion=completing.environments)
]
Target = Annotated[
    str | None, typer.Option("--target", help="What runs the versions: process, or external for others")
]
Rank = Annotated[int | None, typer.Option("--rank", help="The higher, the nearer to customers")]
Stage = Annotated[
    str | None,
    typer.Option(
        "--stage",
        help="The label that a version has while deployed here; 'none' for none",
        autocompletion=completing.stages,
    ),
]
Description = Annotated[str | None, typer.Option("--description", metavar="TEXT", help="What it is for")]
AllowPickle = Annotated[
    bool | None,
    typer.Option("--allow-pickle/--no-allow-pickle", help="Whether files that run code on loading may run"),
]


def add(app: typer.Typer) -> None:
    """Give `app` the group of these commands."""
    group = typer.Typer(help="The environments: where versions run.", no_args_is_help=True)
    command(group, "list")(environments)
    command(group)(show)
    command(group)(create)
    command(group)(update)
    command(group)(delete)
    protecting.add(group)
    app.add_typer(group, name="env", rich_help_panel="What runs where")


def environments(call: Call, limit: Limit = 100) -> None:
    """List the environments, the highest first."""
    with call.connected() as session:
        found = session.client.environments(limit=limit)
    columns = ("ENVIRONMENT", "RANK", "TARGET", "STAGE", "PICKLE", "DESCRIPTION")
    rows = [
        (e["name"], e["rank"], e["target"], e["stage"], e["allow_pickle"], e["description"] or None)
        for e in found
    ]
    listed(call, found, columns, rows, "No environments. Next: muster env create NAME")


def show(call: Call, name: Name) -> None:
    """Show an environment with its rules."""
    from muster.cli.rendering import fields
    from muster.domain.rule_words import sentences
    from muster.domain.rules import rules_from_dict

    with call.connected() as session:
        found = session.client.environment(name)
    told = "\n".join(sentences(rules_from_dict(found.get("rules", {}))))
    call.emit(found, lambda: fields({**found, "rules": told}, name))


def create(
    call: Call,
    name: Name,
    target: Target = None,
    rank: Rank = None,
    stage: Stage = None,
    description: Description = None,
    allow_pickle: AllowPickle = None,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Make an environment."""
    wanted = _fields(target, rank, stage, description, allow_pickle)
    with call.connected(writes=not dry_run) as session:
        found = session.client.create_environment(name, wanted, reason=reason, dry_run=dry_run)
    wrote(call, found, dry_run, lambda _: f"Made environment {name}.", f"muster deploy REF --to {name}")


def update(
    call: Call,
    name: Name,
    target: Target = None,
    rank: Rank = None,
    stage: Stage = None,
    description: Description = None,
    allow_pickle: AllowPickle = None,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Change what an environment is; `muster env protect` says who may do what there."""
    wanted = _fields(target, rank, stage, description, allow_pickle)
    with call.connected(writes=not dry_run) as session:
        found = session.client.update_environment(name, wanted, reason=reason, dry_run=dry_run)
    wrote(call, found, dry_run, lambda _: f"Changed environment {name}.", f"muster env show {name}")


def delete(call: Call, name: Name, reason: Reason = "", dry_run: DryRun = False) -> None:
    """Delete an environment in which nothing is deployed."""
    with call.connected(writes=not dry_run) as session:
        found = session.client.delete_environment(name, reason=reason, dry_run=dry_run)
    wrote(call, found, dry_run, lambda _: f"Deleted environment {name}.")


def _fields(
    target: str | None,
    rank: int | None,
    stage: str | None,
    description: str | None,
    allow_pickle: bool | None,
) -> dict[str, Any]:
    """What was given; the stage `none` is null."""
    given: dict[str, Any] = {
        "target": target,
        "rank": rank,
        "description": description,
        "allow_pickle": allow_pickle,
    }
    wanted = {key: value for key, value in given.items() if value is not None}
    if stage is not None:
        wanted["stage"] = None if stage == "none" else stage
    return wanted
