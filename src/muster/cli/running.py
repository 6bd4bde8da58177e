"""Commands about what runs where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from muster.cli import completing
from muster.cli.call import Call, command
from muster.cli.options import At, BreakGlass, DryRun, Limit, Reason, Ref, document
from muster.cli.writes import previewed, stepping, wrote
from muster.domain.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from muster.client import Client, Record

PANEL: Final = "What runs where"
From = Annotated[
    str,
    typer.Option(
        "--in", "--from", metavar="ENV", help="The environment", autocompletion=completing.environments
    ),
]


def add(app: typer.Typer) -> None:
    """Give `app` these commands."""
    command(app, panel=PANEL)(status)
    command(app, panel=PANEL)(deploy)
    command(app, panel=PANEL)(rollback)
    command(app, panel=PANEL)(undeploy)
    command(app, panel=PANEL)(predict)
    command(app, panel=PANEL)(report)


def status(
    call: Call,
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", help="Only this model", autocompletion=completing.models),
    ] = None,
    at: At = None,
    limit: Limit = 1000,
) -> None:
    """Show what runs where: since when, who put it there, why, and whether it is healthy.

    Of one MODEL with each of its workers.
    """
    from muster.cli.rendering import deployments, workers

    details: list[Record] = []
    with call.connected() as session:
        found = session.client.deployments(model=model, at=at, limit=limit)
        if model is not None and at is None:
            if not found:
                session.client.model(model)
            if not call.as_json:
                details = [session.client.deployment(each["environment"], model) for each in found]
    if not found and not call.as_json:
        of = f" of {model}" if model else ""
        call.note(f"Nothing{of} {'was' if at else 'is'} deployed. Next: muster deploy REF")
        return
    call.emit({"items": found, "count": found.total}, lambda: deployments(found, past=at is not None))
    call.left_out(found)
    if any(detail["instances"] for detail in details):
        call.out.print(workers(details), highlight=False, soft_wrap=False)
    if not session.served and at is None:
        call.note(f"No server runs on {session.where}, so nothing serves. Next: muster serve")


def deploy(
    call: Call,
    ref: Ref,
    to: Annotated[
        str,
        typer.Option("--to", metavar="ENV", help="The environment", autocompletion=completing.environments),
    ] = "production",
    config: Annotated[
        str | None,
        typer.Option("--config", metavar="JSON|@FILE", help="replicas, threads, env, timeout_s, runtime"),
    ] = None,
    replicas: Annotated[int | None, typer.Option("--replicas", help="Worker processes, 1 to 64")] = None,
    threads: Annotated[int | None, typer.Option("--threads", help="Threads of each worker, 1 to 256")] = None,
    timeout_s: Annotated[
        float | None, typer.Option("--timeout-s", help="Seconds that a request may take")
    ] = None,
    runtime: Annotated[
        str | None, typer.Option("--runtime", help="onnx, skops …; without it, by the files")
    ] = None,
    reason: Reason = "",
    break_glass: BreakGlass = False,
    dry_run: DryRun = False,
) -> None:
    """Put a version into service: it is started, seen ready, recorded, then given the traffic."""
    chosen = document(config, "--config") if config is not None else {}
    options = {"replicas": replicas, "threads": threads, "timeout_s": timeout_s, "runtime": runtime}
    chosen |= {name: value for name, value in options.items() if value is not None}
    with call.connected(writes=not dry_run) as session:
        client = session.client
        found = client.deploy(
            ref,
            to,
            chosen or None,
            reason,
            break_glass=break_glass,
            dry_run=dry_run,
            on_step=stepping(call),
        )
        if dry_run:
            previewed(call, found)
            return
        detail = client.deployment(to, found["name"])
    wrote(
        call,
        detail,
        False,
        lambda made: f"{made['model']} {made['version']} is deployed to {to}.",
        f"muster status {found['name']}" if session.served else "",
    )
    if not session.served and not detail["recorded"]:
        call.note(
            "No server runs here: the version was started and seen ready, and it is recorded. "
            "It will run when `muster serve` does."
        )


def rollback(
    call: Call,
    what: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|REF",
            help="A model; or a version, refused unless that is what is deployed",
            autocompletion=completing.refs,
        ),
    ],
    environment: From = "production",
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="REF",
            help="Go back to this one, not to the one before",
            autocompletion=completing.refs,
        ),
    ] = None,
    empty: Annotated[
        bool, typer.Option("--empty", help="Nothing before it: leave the environment empty")
    ] = False,
    reason: Reason = "",
    break_glass: BreakGlass = False,
    dry_run: DryRun = False,
) -> None:
    """Go back to the version deployed before."""
    with call.connected(writes=not dry_run) as session:
        client = session.client
        model, version = _guarded(client, what)
        begun = client.begin_rollback(
            model,
            environment,
            version=version,
            to=_number(client, model, to) if to is not None else None,
            empty=empty,
            reason=reason,
            break_glass=break_glass,
            dry_run=dry_run,
        )
        if dry_run:
            previewed(call, begun)
            return
        ended = client.followed(begun, stepping(call))
        now = _deployed(client, environment, model)
    if now is None:
        wrote(call, ended, False, lambda _: f"Nothing of {model} is deployed in {environment} any more.")
        return
    wrote(
        call,
        now,
        False,
        lambda made: f"{model} is back to {made['version']} in {environment}.",
        f"muster status {model}",
    )


def _guarded(client: Client, what: str) -> tuple[str, str | None]:
    """The model that was named, and the version if one was."""
    try:
        return str(client.model(what)["name"]), None
    except NotFound:
        version = client.version(what)
        return str(version["name"]), str(version["number"])


def _number(client: Client, model: str, ref: str) -> str:
    """The number of a version by a reference, or by its label or number alone."""
    try:
        return str(client.version(ref)["number"])
    except NotFound:
        return str(client.version(f"{model}/{ref}")["number"])


def _deployed(client: Client, environment: str, model: str) -> Record | None:
    """What is deployed there; None if nothing is."""
    try:
        found = client.deployment(environment, model)
    except NotFound:
        return None
    return found if found.get("number") is not None else None


def undeploy(
    call: Call,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="The model", autocompletion=completing.models)
    ],
    environment: Annotated[
        str,
        typer.Option(
            "--from", "--in", metavar="ENV", help="The environment", autocompletion=completing.environments
        ),
    ],
    reason: Reason = "",
    break_glass: BreakGlass = False,
    dry_run: DryRun = False,
) -> None:
    """Take a model out of an environment."""
    with call.connected(writes=not dry_run) as session:
        found = session.client.undeploy(
            model,
            environment,
            reason=reason,
            break_glass=break_glass,
            dry_run=dry_run,
            on_step=stepping(call),
        )
    wrote(call, found, dry_run, lambda _: f"Nothing of {model} is deployed in {environment} any more.")


def predict(
    call: Call,
    where: Annotated[
        str,
        typer.Argument(
            metavar="MODEL[:ENV]",
            help="A model, and an environment if not production",
            autocompletion=completing.served,
        ),
    ],
    request: Annotated[
        str,
        typer.Argument(metavar="JSON|@FILE", help="A request as /invocations or the V2 protocol takes it"),
    ],
) -> None:
    """Ask the version that is deployed."""
    body = document(request, "JSON")
    model, sign, environment = where.rpartition(":")
    if not sign:
        model, environment = where, "production"
    with call.connected() as session:
        if not session.served:
            raise Unavailable(f"no server runs on {session.where}, so nothing serves. Next: muster serve")
        answer = session.client.predict(model, body, environment)
    call.line(json.dumps(answer, ensure_ascii=False, indent=2 if call.as_json else None))


def report(
    call: Call,
    environment: Annotated[
        str, typer.Argument(metavar="ENV", help="The environment", autocompletion=completing.environments)
    ],
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="The model", autocompletion=completing.models)
    ],
    version: Annotated[
        str | None, typer.Option("--version", metavar="LABEL|NUMBER", help="The version that runs")
    ] = None,
    sha256: Annotated[
        str | None, typer.Option("--sha256", metavar="HEX", help="The digest of the file that runs")
    ] = None,
    instance: Annotated[
        str | None, typer.Option("--instance", metavar="NAME", help="Which instance says so")
    ] = None,
    stopped: Annotated[
        bool, typer.Option("--stopped", help="The instance is gone and runs nothing any more")
    ] = False,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Say what really runs somewhere that Muster does not run itself."""
    with call.connected(writes=not dry_run) as session:
        found = session.client.report(
            environment,
            model,
            version=version,
            sha256=sha256,
            instance=instance,
            stopped=stopped,
            reason=reason,
            dry_run=dry_run,
        )
    wrote(call, found, dry_run, _standing, f"muster status {model}")


def _standing(found: Mapping[str, Any]) -> str:
    return f"{found['standing']}: {found['sentence']}"
