"""Commands about models and versions: what there is, and what happened to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from muster.cli import completing
from muster.cli.call import Call, command
from muster.cli.options import (
    At,
    DryRun,
    Limit,
    Reason,
    Ref,
    Tags,
    contents,
    numbers,
    pairs,
    values,
)
from muster.cli.writes import progress_bar, wrote
from muster.domain.errors import Invalid, NotFound
from muster.domain.names import Reference

if TYPE_CHECKING:
    from muster.client import Board, Client, Record

PANEL: Final = "Models and versions"


def add(app: typer.Typer) -> None:
    """Give `app` these commands."""
    command(app, panel=PANEL)(register)
    command(app, panel=PANEL)(models)
    command(app, panel=PANEL)(show)
    command(app, panel=PANEL)(stage)
    command(app, panel=PANEL)(alias)
    command(app, panel=PANEL)(download)


def register(
    call: Call,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The model's name", autocompletion=completing.models)
    ],
    version: Annotated[
        str | None, typer.Argument(metavar="[VERSION]", help="A label such as v1.0; without one, a number")
    ] = None,
    files: Annotated[
        str | None,
        typer.Option(
            "--files", metavar="DIR|FILE", help="The version's files; may be repeated after a failure"
        ),
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", metavar="KEY=NUMBER", help="A metric; repeat it")
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", metavar="KEY=VALUE", help="A parameter; repeat it")
    ] = None,
    tag: Tags = None,
    training_data: Annotated[
        str | None,
        typer.Option(
            "--training-data",
            metavar="TEXT|JSON|@FILE",
            help="Text, or {name, uri, sha256, rows}; of an @FILE that is data, its name, sha256 and rows",
        ),
    ] = None,
    base: Annotated[
        list[str] | None,
        typer.Option(
            "--base",
            metavar="REF",
            help="A version that it was made from; repeat it",
            autocompletion=completing.refs,
        ),
    ] = None,
    description: Annotated[str, typer.Option("--description", metavar="TEXT", help="What it is")] = "",
    owner: Annotated[str | None, typer.Option("--owner", metavar="ID", help="Who answers for it")] = None,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Register a version, with its files, ready to be deployed.

    Where it was made is taken from the Git work tree that this runs in.
    """
    metrics, params, tags = numbers(metric, "--metric"), values(param, "--param"), pairs(tag, "--tag")
    data = _training_data(training_data)
    with call.connected(writes=not dry_run) as session, progress_bar(call) as progress:
        found = session.client.register(
            name,
            version,
            files=files,
            description=description,
            training_data=data,
            metrics=metrics or None,
            params=params or None,
            tags=tags or None,
            owner=owner,
            reason=reason,
            progress=progress,
            dry_run=dry_run,
            bases=[{"ref": each} for each in base] if base else None,
        )
    wrote(
        call,
        found,
        dry_run,
        lambda made: (
            f"Registered {made['name']}/{made['version']} ({made['model_id']}), {many(made['files'])}."
        ),
        "" if dry_run else f"muster deploy {word(found['name'], found['version'])}",
    )


def many(files: list[Any]) -> str:
    """How many files there are, in words."""
    return f"{len(files)} file{'' if len(files) == 1 else 's'}"


def word(name: str, version: str) -> str:
    """A reference as it can be typed into a shell."""
    import shlex

    return shlex.quote(f"{name}/{version}")


def _training_data(given: str | None) -> str | dict[str, Any] | None:
    """Text, a JSON object, or what an `@file` is: JSON in a `.json` file, else a data set."""
    import json

    from muster.client import dataset

    if given is None:
        return None
    if given.startswith("@") and not given.lower().endswith(".json"):
        return dataset(given[1:])
    text = contents(given, "--training-data")
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, dict) else text


def models(
    call: Call,
    text: Annotated[
        str | None,
        typer.Argument(metavar="[TEXT]", help="Only names that hold it", autocompletion=completing.models),
    ] = None,
    tag: Tags = None,
    owner: Annotated[str | None, typer.Option("--owner", metavar="ID", help="Only this owner's")] = None,
    limit: Limit = 100,
) -> None:
    """List the models."""
    from muster.cli.rendering import short_time

    with call.connected() as session:
        found = session.client.models(text=text, owner=owner, tags=pairs(tag, "--tag"), limit=limit)
    listed(
        call,
        found,
        ("MODEL", "VERSIONS", "ALIASES", "OWNER", "DESCRIPTION", "UPDATED"),
        [
            (
                item["name"],
                item["next_number"] - 1,
                item["aliases"],
                item["owner"],
                item["description"] or None,
                short_time(item["last_updated"]),
            )
            for item in found
        ],
        "No models. Next: muster register NAME --files DIR",
    )


def listed(
    call: Call, found: Board, columns: tuple[str, ...], rows: list[tuple[Any, ...]], empty: str
) -> None:
    """Show a list: as the API's JSON, as a table, or a sentence if it is empty."""
    from muster.cli.rendering import table

    if not found and not call.as_json:
        call.note(empty)
        return
    call.emit({"items": found, "count": found.total}, lambda: table(columns, rows))
    call.left_out(found)


def show(call: Call, ref: Ref, at: At = None) -> None:
    """Show a version, or a model and its versions."""
    from rich.console import Group

    from muster.cli.rendering import fields, short_time, table

    with call.connected() as session:
        client = session.client
        try:
            record = client.version(ref, at=at)
        except NotFound as unknown:
            try:
                model = client.model(ref, at=at)
            except NotFound:
                raise unknown from None
            versions = [] if at else client.versions(ref, order="-number", limit=20)
            rows = [
                (
                    v["version"],
                    v["model_id"],
                    v["deployment_status"],
                    v["metrics"],
                    short_time(v["created_at"]),
                )
                for v in versions
            ]
            columns = ("VERSION", "MODEL ID", "STAGE", "METRICS", "REGISTERED")
            call.emit(model, lambda: Group(fields(model, ref), table(columns, rows)))
            return
    files = record.pop("files")
    file_rows = [(file["path"], f"{file['size']:,}", file["sha256"]) for file in files]

    def shown() -> Group:
        parts = [fields(record, f"{record['name']}/{record['version']}")]
        return Group(*parts, table(("FILE", "BYTES", "SHA256"), file_rows)) if files else Group(*parts)

    call.emit(record | {"files": files}, shown)


def stage(
    call: Call,
    ref: Ref,
    to: Annotated[
        str,
        typer.Argument(
            metavar="STAGE",
            help="development, staging, production or archived",
            autocompletion=completing.stages,
        ),
    ],
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Set a version's stage by hand; that deploys nothing."""
    with call.connected(writes=not dry_run) as session:
        found = session.client.set_stage(ref, to, reason=reason, dry_run=dry_run)
    wrote(
        call,
        found,
        dry_run,
        lambda made: f"{made['model_id']} is labelled {made['deployment_status']}; nothing was deployed.",
    )


def alias(
    call: Call,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME@ALIAS", help="The model and the alias", autocompletion=completing.aliases
        ),
    ],
    ref: Annotated[
        str | None,
        typer.Argument(
            metavar="[REF]", help="The version, or its label or number", autocompletion=completing.refs
        ),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Have the alias mean nothing")] = False,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Have an alias mean a version, or nothing."""
    reference = Reference.parse(name)
    if reference is None or reference.by != "alias":
        raise Invalid.one("NAME@ALIAS", name, "must be a model's name, @ and an alias")
    if (ref is None) != remove:
        raise Invalid.one("REF", ref, "must be there, or --remove in its place")
    model, what = reference.model, reference.what
    with call.connected(writes=not dry_run) as session:
        client = session.client
        if ref is None:
            found = client.remove_alias(model, what, reason=reason, dry_run=dry_run)
        else:
            number = str(_meant(client, model, ref)["number"])
            found = client.set_alias(model, what, number, reason=reason, dry_run=dry_run)
    meaning = "nothing" if ref is None else ref
    wrote(
        call,
        found,
        dry_run,
        lambda _: f"{model}@{what} means {meaning}.",
        f"muster show {name}" if ref else "",
    )


def _meant(client: Client, model: str, ref: str) -> Record:
    """The version of `model` by a reference, a label or a number."""
    try:
        found = client.version(ref)
    except NotFound:
        found = client.version(f"{model}/{ref}")
    if found["name"] != model:
        raise Invalid.one("REF", ref, f"must be a version of {model}")
    return found


def download(
    call: Call,
    ref: Ref,
    path: Annotated[list[str] | None, typer.Argument(metavar="[FILE]...", help="Only these files")] = None,
    to: Annotated[str, typer.Option("--to", metavar="DIR", help="The folder to put them in")] = ".",
) -> None:
    """Fetch the files of a version; what was broken off goes on."""
    from pathlib import Path

    with call.connected() as session, progress_bar(call) as progress:
        version = session.client.version(ref)
        there = [file["path"] for file in version["files"]]
        for name in path or there:
            goal = Path(to, *name.split("/")) if name in there else Path(to)
            goal.parent.mkdir(parents=True, exist_ok=True)
            session.client.download(version["model_id"], name, goal, progress=progress)
    wanted = [file for file in version["files"] if file["path"] in (path or there)]
    call.emit({"items": wanted, "count": len(wanted)}, lambda: f"Fetched {many(wanted)} to {to}.")
