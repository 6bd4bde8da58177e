"""Commands about policies: what must be true of every change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from muster.cli.admin import PANEL
from muster.cli.call import Call, command
from muster.cli.options import At, DryRun, Limit, Reason, Since, document
from muster.cli.versions import listed
from muster.cli.writes import wrote
from muster.domain.errors import Invalid

Name = Annotated[str, typer.Argument(metavar="POLICY", help="The policy's name")]
File = Annotated[
    str, typer.Argument(metavar="FILE", help="A JSON file with the policy; - is the standard input")
]


def add(app: typer.Typer) -> None:
    """Give `app` the group of these commands."""
    group = typer.Typer(help="Policies: what must be true of every change.", no_args_is_help=True)
    command(group, "list")(policies)
    command(group)(show)
    command(group, "set")(set_policy)
    command(group)(delete)
    command(group, "test")(replay)
    app.add_typer(group, name="policy", rich_help_panel=PANEL)


def policies(call: Call, at: At = None, limit: Limit = 100) -> None:
    """List the policies."""
    with call.connected() as session:
        found = session.client.policies(at=at, limit=limit)
    columns = ("POLICY", "ON", "IN", "MODELS", "ENABLED", "SAYS")
    wide = ("on", "environments", "models")
    rows = [(p["name"], *(p[each] or None for each in wide), p["enabled"], p["message"]) for p in found]
    listed(call, found, columns, rows, "No policies. Next: muster policy set FILE")


def show(call: Call, name: Name, at: At = None) -> None:
    """Show a policy."""
    from muster.cli.rendering import fields

    with call.connected() as session:
        found = session.client.policy(name, at=at)
    call.emit(found, lambda: fields(found, name))


def set_policy(
    call: Call,
    file: File,
    name: Annotated[
        str | None, typer.Option("--name", metavar="POLICY", help="Its name, if the file does not say it")
    ] = None,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Make a policy of a file, or put it in the place of the one by its name."""
    wanted, name = _policy(file, name)
    with call.connected(writes=not dry_run) as session:
        found = session.client.set_policy(name, wanted, reason=reason, dry_run=dry_run)
    wrote(call, found, dry_run, lambda _: f"Policy {name} is in force.", f"muster policy show {name}")


def delete(call: Call, name: Name, reason: Reason = "", dry_run: DryRun = False) -> None:
    """Take a policy away."""
    with call.connected(writes=not dry_run) as session:
        found = session.client.delete_policy(name, reason=reason, dry_run=dry_run)
    wrote(call, found, dry_run, lambda _: f"Deleted policy {name}.")


def replay(call: Call, file: File, since: Since = None) -> None:
    """Show what a policy would have stopped, had it been in force; nothing is written."""
    from muster.cli.rendering import short_time, table

    wanted, _ = _policy(file, None, named=False)
    found: list[dict[str, Any]] = []
    seen = asked = 0
    with call.connected() as session:
        for page in session.client.test_policy(wanted, since=since):
            found += page["items"]
            seen, asked = seen + page["seen"], asked + page["asked"]
    told = f"Of {seen:,} changes the policy would have been asked about {asked:,} and stopped {len(found):,}."
    columns = ("TIME", "WHO", "WHAT", "OBJECTION", "COMMIT")
    rows = [
        (
            short_time(each["time"]),
            each["actor"],
            each["message"],
            "\n".join(objection["message"] for objection in each["objections"]),
            each["commit"][:10],
        )
        for each in found
    ]
    answer = {"items": found, "count": len(found), "seen": seen, "asked": asked}
    call.emit(answer, lambda: table(columns, rows) if rows else told)
    if rows:
        call.note(told)


def _policy(file: str, name: str | None, *, named: bool = True) -> tuple[dict[str, Any], str]:
    """What the file holds, and the policy's name: what was given, what it says, or what it is called."""
    wanted = document(f"@{file}", "FILE")
    said = name or wanted.get("name") or (Path(file).stem if file != "-" else None)
    if named and not isinstance(said, str):
        raise Invalid.one("--name", said, "must be given: the input does not say it")
    return wanted | ({"name": said} if named else {}), str(said)
