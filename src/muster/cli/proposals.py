"""Commands about what waits for approval, and about broken glass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from muster.cli import completing
from muster.cli.call import Call, command
from muster.cli.options import DryRun, InEnvironment, Limit
from muster.cli.versions import listed
from muster.cli.writes import previewed, stepping, wrote

if TYPE_CHECKING:
    from rich.console import RenderableType

    from muster.client import Client, Record

PANEL: Final = "What waits for approval"
Id = Annotated[str, typer.Argument(metavar="ID", help="The proposal's id, as P-12")]
Comment = Annotated[str, typer.Option("--comment", "-m", metavar="TEXT", help="What others are to know")]


def add(app: typer.Typer) -> None:
    """Give `app` these commands."""
    group = typer.Typer(help="Changes that wait for approval.", no_args_is_help=True)
    command(group, "list")(proposals)
    command(group)(show)
    app.add_typer(group, name="proposals", rich_help_panel=PANEL)
    command(app, panel=PANEL)(approve)
    command(app, panel=PANEL)(reject)
    command(app, panel=PANEL)(withdraw)
    command(app, panel=PANEL)(reviews)
    command(app, panel=PANEL)(review)


def proposals(
    call: Call,
    state: Annotated[
        str | None,
        typer.Option("--state", metavar="STATE", help="open, applied, rejected, withdrawn or lapsed; or all"),
    ] = "open",
    environment: InEnvironment = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="NAME", help="Only about this model", autocompletion=completing.models
        ),
    ] = None,
    waiting_for: Annotated[
        str | None,
        typer.Option("--waiting-for", metavar="ACCOUNT", help="Only what this account could approve now"),
    ] = None,
    limit: Limit = 100,
) -> None:
    """List what waits for approval, newest first."""
    with call.connected() as session:
        found = session.client.proposals(
            state=None if state == "all" else state,
            environment=environment,
            model=model,
            waiting_for=waiting_for,
            limit=limit,
        )
    columns = ("ID", "STATE", "WHAT", "WHO", "NEEDED", "TIME")
    rows = [
        (
            each["id"],
            each["state"],
            each["subject"],
            each["requester"],
            _demands(each["missing"]) or None,
            each["created_at"][:10],
        )
        for each in found
    ]
    listed(call, found, columns, rows, "Nothing waits. `muster proposals list --state all` shows what did.")


def show(call: Call, proposal: Id) -> None:
    """Show what exactly would happen, who said what, and who is needed yet."""
    with call.connected() as session:
        found = session.client.proposal(proposal)
    call.emit(found, lambda: _told(found))
    if found["state"] == "open":
        you = found.get("you", {})
        if you.get("may_approve"):
            call.note(f"Next: muster approve {found['id']}, or muster reject {found['id']}")
        for each in you.get("objections", ()):
            call.note(f"You cannot approve it: {each['message']}")


def approve(call: Call, proposal: Id, comment: Comment = "", dry_run: DryRun = False) -> None:
    """Approve a proposal; the last approval needed carries it out."""
    with call.connected(writes=not dry_run) as session:
        found = session.client.approve(proposal, comment=comment, dry_run=dry_run)
        if dry_run:
            previewed(call, found)
            return
        found = _followed(call, session.client, found)
    if refused := found.get("refused"):
        call.note(f"It is approved, and could not be done: {refused['message']}")
        call.note("Next: whoever asked for it asks again when that is settled")
    wrote(call, found, False, _outcome)


def reject(call: Call, proposal: Id, comment: Comment = "", dry_run: DryRun = False) -> None:
    """Reject a proposal, which ends it."""
    with call.connected(writes=not dry_run) as session:
        found = session.client.reject(proposal, comment=comment, dry_run=dry_run)
    wrote(call, found, dry_run, _outcome)


def withdraw(call: Call, proposal: Id, comment: Comment = "", dry_run: DryRun = False) -> None:
    """Take back a proposal of one's own."""
    with call.connected(writes=not dry_run) as session:
        found = session.client.withdraw(proposal, comment=comment, dry_run=dry_run)
    wrote(call, found, dry_run, _outcome)


def reviews(
    call: Call,
    every: Annotated[bool, typer.Option("--all", help="Also what two others have reviewed")] = False,
    limit: Limit = 100,
) -> None:
    """List what was done with the break-glass role and two others have not reviewed yet."""
    with call.connected() as session:
        found = session.client.reviews(state=None if every else "open", limit=limit)
    columns = ("ID", "STATE", "WHAT", "WHO", "REASON", "REVIEWED BY", "TIME")
    rows = [
        (
            each["id"],
            each["state"],
            each["subject"],
            each["actor"],
            each["reason"],
            [said["actor"] for said in each["reviews"]] or None,
            each["by"]["time"][:10],
        )
        for each in found
    ]
    listed(call, found, columns, rows, "Nothing was done with the break-glass role that waits for a review.")


def review(
    call: Call,
    review: Annotated[str, typer.Argument(metavar="ID", help="The review's id, as B-3")],
    comment: Comment = "",
    dry_run: DryRun = False,
) -> None:
    """Say that one has looked at what was done with the break-glass role, and what one found."""
    with call.connected(writes=not dry_run) as session:
        found = session.client.review(review, comment=comment, dry_run=dry_run)
    wrote(call, found, dry_run, lambda made: f"{made['id']} is {made['state']}: {made['subject']}.")


# ------------------------------------------------------------ telling


def _followed(call: Call, client: Client, found: Record) -> Record:
    """The proposal once the deployment that the approval began has ended; raises what made it fail."""
    if (begun := found.get("operation")) is None:
        return found
    client.followed(begun, stepping(call))
    return client.proposal(found["id"])


def _outcome(found: Mapping[str, Any]) -> str:
    if found["missing"]:
        return f"{found['id']} still needs {_demands(found['missing'])}: {found['subject']}."
    return f"{found['id']} is {found['state']}: {found['subject']}."


def _demands(demands: Iterable[Mapping[str, Any]]) -> str:
    return " and ".join(
        f"{each['count']} more of {each['from']} in {each['environment']}" for each in demands
    )


def _told(found: Mapping[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from muster.cli.rendering import differences, fields, plain, table

    effect = found["effect"]
    parts: list[RenderableType] = [
        fields(
            {
                "state": found["state"],
                "asked for by": found["requester"],
                "reason": found["reason"],
                "since": found["created_at"],
                "lapses": found["lapses_at"] if found["state"] == "open" else None,
                "replaces": effect["replaces"],
                "needed": _demands(found["missing"]),
                "carried out by": (found.get("carried_out") or {}).get("commit"),
            },
            f"{found['id']}: {found['subject']}",
        )
    ]
    if effect["differences"]:
        rows = [
            (each["part"], each["field"], each["before"], each["after"]) for each in effect["differences"]
        ]
        parts.append(table(("PART", "FIELD", "NOW", "THEN"), rows))
    elif effect["changes"]:
        parts.append(differences(effect["changes"]))
    if found["decisions"]:
        parts.append(table(("WHO", "SAYS", "COMMENT", "TIME", "COUNTS"), map(_decision, found["decisions"])))
    parts += [Text(plain(f"Objection: {each['message']}"), style="red") for each in found["objections"]]
    return Group(*parts)


def _decision(decision: Mapping[str, Any]) -> tuple[Any, ...]:
    counts = "yes" if decision.get("counts") else decision.get("why_not")
    return (
        decision["actor"],
        decision["verdict"],
        decision["comment"] or None,
        decision["time"][:19],
        counts or None,
    )
