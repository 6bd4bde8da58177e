"""Commands about webhooks: who is told of what happens, and what became of each message."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from muster.cli import completing
from muster.cli.call import Call, command
from muster.cli.options import DryRun, Limit
from muster.cli.versions import listed
from muster.cli.writes import wrote
from muster.domain.errors import Invalid

Name = Annotated[str, typer.Argument(metavar="NAME", help="The webhook's name")]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", metavar="KIND", help="Only of changes of this kind, as deploy; repeat it"),
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model", metavar="NAME", help="Only of this model; repeat it", autocompletion=completing.models
    ),
]
Environments = Annotated[
    list[str] | None,
    typer.Option(
        "--env",
        metavar="ENV",
        help="Only of this environment; repeat it",
        autocompletion=completing.environments,
    ),
]
Description = Annotated[str | None, typer.Option("--description", metavar="TEXT", help="What it is for")]
_SHOWN_ONCE = "Keep the secret now; it is not shown again."


def add(app: typer.Typer) -> None:
    """Give `app` the group of these commands."""
    group = typer.Typer(help="Webhooks: who is told of what happens.", no_args_is_help=True)
    command(group, "add")(create)
    command(group, "list")(webhooks)
    command(group)(show)
    command(group)(update)
    command(group, "test")(ping)
    command(group)(deliveries)
    command(group)(redeliver)
    command(group)(secret)
    command(group)(remove)
    app.add_typer(group, name="webhook", rich_help_panel="What happened")


def create(
    call: Call,
    name: Name,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where the receiver listens, https://…")],
    kind: Kinds = None,
    model: Models = None,
    env: Environments = None,
    description: Description = None,
    dry_run: DryRun = False,
) -> None:
    """Tell a receiver of what happens from now on, by Standard Webhooks."""
    with call.connected(writes=not dry_run) as session:
        made = session.client.add_webhook(
            name,
            url,
            kinds=kind or (),
            models=model or (),
            environments=env or (),
            description=description or "",
            dry_run=dry_run,
        )
    said = f"Made webhook {name}. {_SHOWN_ONCE}"
    wrote(call, made, dry_run, lambda made: f"{said}\n{made['secret']}", f"muster webhook test {name}")


def webhooks(call: Call, limit: Limit = 100) -> None:
    """List the webhooks, and what waits for each."""
    with call.connected() as session:
        found = session.client.webhooks(limit=limit)
    columns = ("WEBHOOK", "URL", "ONLY", "STATE", "DELIVERED", "FAILED", "LAG")
    rows = [(w["name"], w["url"], _only(w), _state(w), w["delivered"], w["failed"], w["lag"]) for w in found]
    listed(call, found, columns, rows, "No webhooks. Next: muster webhook add NAME URL")


def _only(webhook: dict[str, Any]) -> str | None:
    """Its filter in words."""
    return ", ".join([*webhook["kinds"], *webhook["models"], *webhook["environments"]]) or None


def _state(webhook: dict[str, Any]) -> str:
    if not webhook["active"]:
        return f"disabled: {webhook['disabled_because']}"
    return "failing" if webhook["failing_since"] else "active"


def show(call: Call, name: Name) -> None:
    """Show a webhook; never its secret."""
    from muster.cli.rendering import fields

    with call.connected() as session:
        found = session.client.webhook(name)
    call.emit(found, lambda: fields(found, name))


def update(
    call: Call,
    name: Name,
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="Where the receiver listens")
    ] = None,
    kind: Kinds = None,
    model: Models = None,
    env: Environments = None,
    description: Description = None,
    enable: Annotated[
        bool | None,
        typer.Option("--enable/--disable", help="Go on where it was disabled, or send it nothing more"),
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Change a webhook, disable it, or have it go on where it was."""
    given = {
        "url": url,
        "kinds": kind,
        "models": model,
        "environments": env,
        "description": description,
        "active": enable,
    }
    wanted = {key: value for key, value in given.items() if value is not None}
    with call.connected(writes=not dry_run) as session:
        found = session.client.update_webhook(name, wanted, dry_run=dry_run)
    wrote(call, found, dry_run, lambda _: f"Changed webhook {name}.", f"muster webhook show {name}")


def ping(call: Call, name: Name, dry_run: DryRun = False) -> None:
    """Send a webhook a ping, and show what it answered."""
    with call.connected(writes=not dry_run) as session:
        found = session.client.test_webhook(name, dry_run=dry_run)
    wrote(call, found, dry_run, lambda found: f"{_became(found)}\n{found['response']}".rstrip())
    if not dry_run and not found["delivered"]:
        raise typer.Exit(1)


def _became(attempt: dict[str, Any]) -> str:
    if attempt["status"] is None:
        return f"Not delivered: {attempt['error']}."
    return f"{'Delivered' if attempt['delivered'] else 'Refused'}: it answered {attempt['status']}."


def deliveries(
    call: Call,
    name: Name,
    state: Annotated[
        str | None,
        typer.Option(
            "--state", metavar="STATE", help="Only pending, delivered, or failed: not tried again by itself"
        ),
    ] = None,
    limit: Limit = 30,
) -> None:
    """List what a webhook was told, newest first, and what became of it."""
    from muster.cli.rendering import short_time

    with call.connected() as session:
        found = session.client.deliveries(name, state=state, limit=limit)
    rows = [
        (
            d["id"],
            d["type"],
            d["commit"][:10],
            d["state"],
            len(d["attempts"]),
            _last(d["attempts"]),
            short_time(d["next_attempt_at"]),
        )
        for d in found
    ]
    columns = ("DELIVERY", "TYPE", "COMMIT", "STATE", "ATTEMPTS", "LAST ANSWER", "NEXT")
    listed(call, found, columns, rows, "It was told nothing of that kind.")


def _last(attempts: list[dict[str, Any]]) -> str | None:
    if not attempts:
        return None
    last = attempts[-1]
    return f"{last['status']} {last['response'][:60]}".strip() if last["status"] else str(last["error"])


def redeliver(
    call: Call,
    name: Name,
    delivery: Annotated[
        str | None, typer.Argument(metavar="[DELIVERY]", help="The id of the delivery, msg_…")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="All that failed for good, in line again")] = False,
    dry_run: DryRun = False,
) -> None:
    """Send a delivery once more, now, under the same id; or put all that failed in line again."""
    if failed == (delivery is not None):
        raise Invalid.one("DELIVERY", delivery, "must be given, or else --failed")
    with call.connected(writes=not dry_run) as session:
        if delivery is None:
            found = session.client.recover_webhook(name, dry_run=dry_run)
        else:
            found = session.client.redeliver(name, delivery, dry_run=dry_run)
    if delivery is None:
        wrote(call, found, dry_run, lambda found: f"{found['recovered']} deliveries are in line again.")
        return
    wrote(call, found, dry_run, lambda found: _became(found["attempts"][-1]))
    if not dry_run and not found["attempts"][-1]["delivered"]:
        raise typer.Exit(1)


def secret(call: Call, name: Name, dry_run: DryRun = False) -> None:
    """Sign with a new secret from now on; it is shown only now."""
    with call.connected(writes=not dry_run) as session:
        found = session.client.renew_webhook_secret(name, dry_run=dry_run)
    wrote(call, found, dry_run, lambda found: f"{_SHOWN_ONCE}\n{found['secret']}")


def remove(call: Call, name: Name, dry_run: DryRun = False) -> None:
    """Remove a webhook, its secret and what waits for it."""
    with call.connected(writes=not dry_run) as session:
        found = session.client.remove_webhook(name, dry_run=dry_run)
    wrote(call, found, dry_run, lambda _: f"Removed webhook {name}.")
