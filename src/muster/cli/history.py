"""Commands about what happened: to a model, between two versions, in the whole registry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from muster.cli.call import Call, command
from muster.cli.completing import refs
from muster.cli.options import ByActor, InEnvironment, Kinds, Limit, Since, Until
from muster.domain.errors import Invalid, NotFound
from muster.domain.views import before_import

if TYPE_CHECKING:
    from muster.client import Client

PANEL: Final = "What happened"


def add(app: typer.Typer) -> None:
    """Give `app` these commands."""
    command(app, panel=PANEL)(log)
    command(app, panel=PANEL)(diff)


def log(
    call: Call,
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL|REF]", help="Only this model's, or version's", autocompletion=refs),
    ] = None,
    env: InEnvironment = None,
    by: ByActor = None,
    kind: Kinds = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 30,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Oldest first, a line each, and go on with what happens")
    ] = False,
) -> None:
    """Show what happened, newest first: who, what, why."""
    from muster.cli import following
    from muster.cli.rendering import changes

    with call.connected() as session:
        client, number, before = session.client, None, None
        if model is not None:
            model, number, before = _subject(client, model)
        if follow:
            following.follow(
                call,
                client,
                model=model,
                number=number,
                environment=env,
                actor=by,
                kinds=kind or (),
                since=since,
                until=until,
                limit=limit,
            )
            return
        found = client.changes(
            model=model,
            number=number,
            environment=env,
            actor=by,
            kinds=kind or (),
            since=since,
            until=until,
            limit=limit,
        )
    if not found and not call.as_json:
        call.note("Nothing of that kind happened.")
        return
    if env or by or kind or since or until or len(found) < found.total:
        before = None
    answer = {"items": found, "count": found.total} | ({"before": before} if before else {})
    call.emit(answer, lambda: changes(found, before))
    call.left_out(found)


def _subject(client: Client, text: str) -> tuple[str, int | None, dict[str, Any] | None]:
    """A model by its name, else a version by reference; what is known of the time before. Raises NotFound."""
    try:
        model = client.model(text)
        return str(model["name"]), None, before_import(model)
    except NotFound:
        version = client.version(text)
        return str(version["name"]), int(version["number"]), before_import(version)


def diff(
    call: Call,
    a: Annotated[
        str,
        typer.Argument(
            metavar="REF|COMMIT", help="A version, or the commit of one change", autocompletion=refs
        ),
    ],
    b: Annotated[
        str | None, typer.Argument(metavar="[REF]", help="Another version", autocompletion=refs)
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME|COMMIT", help="The first as it was then")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME|COMMIT", help="The second as it was then")
    ] = None,
) -> None:
    """Show how two versions differ, how one changed between two moments, or what a commit changed."""
    from muster.cli.rendering import differences

    with call.connected() as session:
        client = session.client
        if b is None and since is None and until is None:
            if not re.fullmatch(r"[0-9a-f]{7,40}", a):
                raise Invalid.one("REF", a, "must be a commit, or come with another REF or with --from")
            change = client.change(a)
            call.emit(change, lambda: differences(change["diff"]))
            return
        before, after = client.version(a, at=since), client.version(b or a, at=until)
    old, new = dict(_leaves(before)), dict(_leaves(after))
    found = [
        {"field": name, "before": old.get(name), "after": new.get(name)}
        for name in [*old, *(name for name in new if name not in old)]
        if old.get(name) != new.get(name)
    ]
    call.emit(
        {"items": found, "count": len(found)}, lambda: differences(found) if found else "They are the same."
    )


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """A record's fields by dotted names; a file is a field by its path, its value the digest."""
    if name == "files":
        yield from ((f"files.{file['path']}", file["sha256"]) for file in value)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{key}" if name else key)
    else:
        yield name, value
