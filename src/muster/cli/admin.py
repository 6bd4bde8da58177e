"""Commands about the registry itself: serving, checking, settings."""

from __future__ import annotations

import gc
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final

import typer

from muster.cli import profile
from muster.cli.call import Call, command
from muster.cli.completing import servers
from muster.cli.server_part import imported
from muster.domain.errors import Conflict, MusterError
from muster.settings import described, load

PANEL: Final = "The registry itself"
FROM_INPUT: Final = "-"


def add(app: typer.Typer) -> None:
    """Give `app` these commands."""
    command(app, panel=PANEL)(serve)
    command(app, panel=PANEL)(demo)
    command(app, panel=PANEL)(reindex)
    command(app, panel=PANEL)(settings)
    command(app, panel=PANEL)(login)
    command(app, panel=PANEL)(logout)


def serve(
    call: Call,
    host: Annotated[
        str | None,
        typer.Option("--host", help="The address to listen on; any but loopback controls access"),
    ] = None,
    port: Annotated[int | None, typer.Option("--port", help="The port; 0 takes a free one")] = None,
    log_format: Annotated[str | None, typer.Option("--log-format", help="auto, console or json")] = None,
    log_level: Annotated[
        str | None, typer.Option("--log-level", help="debug, info, warning or error")
    ] = None,
    other: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other setting; repeat it")
    ] = None,
) -> None:
    """Serve the registry until Ctrl-C; its address is printed once it answers."""
    from muster.cli.options import pairs

    named = {"host": host, "port": port, "log_format": log_format, "log_level": log_level}
    flags = call.flags | dict(pairs(other, "--set")) | {k: v for k, v in named.items() if v is not None}
    chosen = load(flags)

    # What is made until it answers stays to its end. To look for garbage in it takes a
    # tenth of the start, and would later hold up requests for some 50 ms each time.
    gc.disable()

    def ready(url: str, first: str | None) -> None:
        gc.freeze()
        gc.enable()
        said = {"url": url, "home": str(chosen.home)}
        if call.as_json:
            print_now(json.dumps(said | ({"token": first} if first else {})))
            return
        print_now(f"Muster serves {chosen.home} at {url}")
        if first is not None:
            print_now(
                f"Access is controlled, and no admin has a token. This one is good once:\n  {first}\n"
                f"Next: muster login {url} --token TOKEN"
            )

    imported("muster.bootstrap.server").serve(chosen, ready)


def print_now(line: str) -> None:
    """Print a line that a waiting program sees at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def demo(call: Call) -> None:
    """Show the main job on real input: deploy, replace, refuse, roll back, ask who and why."""
    raise typer.Exit(imported("muster.demo", "demo").run(call.settings))


def reindex(call: Call) -> None:
    """Make the index anew from Git; nothing is lost by it."""
    from muster.cli.session import owner, require_home

    require_home(call.settings)
    if (url := owner(call.settings)) is not None:
        raise Conflict(f"a server at {url} has {call.settings.home} open; stop it first")
    imported("muster.bootstrap.server").reindex(call.settings)
    call.emit({"home": str(call.settings.home)}, lambda: f"{call.settings.home}: the index was made anew.")


def settings(call: Call) -> None:
    """Show every setting, its value, and where that came from."""
    from muster.cli.rendering import table

    chosen = call.settings
    rows = []
    for name, about in described().items():
        value = getattr(chosen, name)
        shown = list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value
        rows.append((name, shown, str(chosen.origins[name]), about.text))
    answer = [dict(zip(("name", "value", "from", "about"), row, strict=True)) for row in rows]
    call.emit(
        {"items": answer, "count": len(answer)},
        lambda: table(("SETTING", "VALUE", "FROM", "WHAT IT IS"), rows),
    )


def login(
    call: Call,
    url: Annotated[str, typer.Argument(metavar="URL", help="The server's address", autocompletion=servers)],
    token: Annotated[
        str | None, typer.Option("--token", metavar="TOKEN", help="Who you are; - reads it from the input")
    ] = None,
    days: Annotated[float, typer.Option("--days", help="How long to stay logged in")] = 90,
    issuer: Annotated[
        str | None, typer.Option("--issuer", help="The token is one that this CI system gave the job")
    ] = None,
) -> None:
    """Remember a server, and with a token who you are, for every later command that names no other.

    What is kept is a token of this command line's own, which `muster logout` revokes.
    """
    from muster.client import Client

    chosen = load(call.flags | {"url": url})
    assert chosen.url is not None
    given = sys.stdin.readline().strip() if token == FROM_INPUT else token or chosen.token
    with Client(chosen.url, None if given else chosen.actor, token=None if issuer else given) as client:
        client.healthy()
        own = None
        if given and issuer:
            own = client.log_in_job(given, issuer)
        elif given:
            own = client.create_token(note="muster login", days=days)
    profile.remember(chosen.url, own["token"] if own else None)
    account = own["account"] if own else None
    who = f" as {account}" if account else ""
    call.emit(
        {"url": chosen.url, "account": account}, lambda: f"From now on commands talk to {chosen.url}{who}."
    )
    call.note("Next: muster status. `muster logout` forgets it.")


def logout(call: Call) -> None:
    """Forget the server that `login` remembered, and revoke its token."""
    from muster.client import Client

    kept = profile.remembered()
    if kept is not None and kept.token is not None:
        with suppress(MusterError), Client(kept.url, token=kept.token) as client:
            client.revoke_token(kept.token.split("_")[1])
    there = profile.forget()
    call.emit({"forgotten": there}, lambda: "Forgotten." if there else "There was nothing to forget.")
