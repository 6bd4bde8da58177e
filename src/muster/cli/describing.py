"""Commands that describe, comment and delete models and versions; nothing that runs is changed by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from muster.cli.call import Call, command
from muster.cli.completing import refs
from muster.cli.options import DryRun, Reason, Ref, Tags, contents, pairs
from muster.cli.versions import PANEL
from muster.cli.writes import wrote
from muster.domain.errors import Invalid, NotFound

if TYPE_CHECKING:
    from muster.client import Client, Record

RefOrModel = Annotated[
    str, typer.Argument(metavar="REF|MODEL", help="A version, or a model by its name", autocompletion=refs)
]


def add(app: typer.Typer) -> None:
    """Give `app` these commands."""
    command(app, panel=PANEL)(update)
    command(app, panel=PANEL)(note)
    command(app, panel=PANEL)(delete)


def update(
    call: Call,
    ref: RefOrModel,
    description: Annotated[
        str | None, typer.Option("--description", metavar="TEXT", help="What it is; '' for nothing")
    ] = None,
    owner: Annotated[
        str | None, typer.Option("--owner", metavar="ID", help="Who answers for it; '' for nobody")
    ] = None,
    tag: Tags = None,
    untag: Annotated[
        list[str] | None, typer.Option("--untag", metavar="KEY", help="A tag to take away; repeat it")
    ] = None,
    card: Annotated[
        str | None,
        typer.Option("--card", metavar="TEXT|@FILE", help="A model's card, in Markdown; '' for none"),
    ] = None,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Change what describes a version or a model; a version's content never changes."""
    given = {"description": description, "owner": owner, "card": card and contents(card, "--card")}
    fields: dict[str, Any] = {name: value or None for name, value in given.items() if value is not None}
    tags: dict[str, str | None] = dict(pairs(tag, "--tag"))
    for key in untag or ():
        if key in tags:
            raise Invalid.one("--untag", key, "must not be a tag that --tag sets")
        tags[key] = None
    if tags:
        fields["tags"] = tags
    if not fields:
        raise Invalid.one(
            "options", "none", "must say what to change: --description, --owner, --tag, --untag"
        )
    with call.connected(writes=not dry_run) as session:
        client = session.client
        record, is_version = _named(client, ref)
        if is_version and card is not None:
            raise Invalid.one("--card", card, "is for a model, and this is a version")
        change = client.update_version if is_version else client.update_model
        which = record["model_id"] if is_version else record["name"]
        found = change(which, fields, reason=reason, dry_run=dry_run)
    wrote(call, found, dry_run, lambda _: f"Updated {which}.", f"muster show {ref}")


def note(
    call: Call,
    ref: Ref,
    message: Annotated[
        str, typer.Argument(metavar="MESSAGE", help="The words; the first line is the subject")
    ],
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Write words about a version into its history; no record changes."""
    with call.connected(writes=not dry_run) as session:
        found = session.client.note(ref, message, reason=reason, dry_run=dry_run)
    wrote(call, found, dry_run, lambda made: f"Noted: {made['message']}", f"muster log {ref}")


def delete(
    call: Call,
    ref: RefOrModel,
    with_versions: Annotated[
        bool, typer.Option("--with-versions", help="Delete a whole model, with all its versions")
    ] = False,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Delete a version, or a model; what is deployed is not. The history stays, number and id stay taken."""
    with call.connected(writes=not dry_run) as session:
        client = session.client
        record, is_version = _named(client, ref)
        if is_version:
            which = record["model_id"]
            found = client.delete_version(which, reason=reason, dry_run=dry_run)
        else:
            which = record["name"]
            count = client.versions(which, limit=1).total
            if count and not with_versions:
                raise Invalid.one(
                    "REF|MODEL",
                    ref,
                    f"is a model with versions ({count}); --with-versions deletes them all",
                )
            found = client.delete_model(which, reason=reason, dry_run=dry_run)
    wrote(
        call, found, dry_run, lambda _: f"Deleted {which}; its history stays.", f"muster log {record['name']}"
    )


def _named(client: Client, ref: str) -> tuple[Record, bool]:
    """A version by reference, else a model by its name; and whether it is a version. Raises NotFound."""
    try:
        return client.version(ref), True
    except NotFound as unknown:
        try:
            return client.model(ref), False
        except NotFound:
            raise unknown from None
