"""`muster import mlflow`: a registry that is elsewhere yet, brought here with its history to come."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from muster.cli.admin import print_now
from muster.cli.call import Call, command
from muster.cli.options import DryRun, Reason
from muster.cli.server_part import imported
from muster.domain.errors import Unavailable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from muster.client.moved import Report
    from muster.client.moving import Import, Progress

PANEL: Final = "The registry itself"
INCOMPLETE: Final = 4  # the present state is in the way of some of it; see `exits`


def add(app: typer.Typer) -> None:
    """Give `app` this command."""
    group = typer.Typer(no_args_is_help=True)
    group.callback()(_group)
    command(group)(mlflow)
    app.add_typer(group, name="import", rich_help_panel=PANEL)


def _group() -> None:
    """Bring a registry that is elsewhere."""


def mlflow(
    call: Call,
    uri: Annotated[
        str,
        typer.Argument(
            metavar="URI", help="A server, http(s)://HOST, or its database, as in sqlite:///mlflow.db"
        ),
    ],
    files: Annotated[bool, typer.Option("--files", help="Bring the files, too")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until Ctrl-C, taking over what changed there")
    ] = False,
    interval: Annotated[
        float, typer.Option("--interval", min=1, metavar="SECONDS", help="With --follow: how often it looks")
    ] = 60,
    runs: Annotated[
        bool, typer.Option("--runs/--no-runs", help="Copy from runs what made the versions")
    ] = True,
    tracking_uri: Annotated[
        str | None,
        typer.Option("--tracking-uri", metavar="URI", help="Where the runs are, if not at URI, too"),
    ] = None,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Bring models, versions, tags, aliases, stages and times from a registry of MLflow's.

    Nothing is changed there. It may be repeated: what is here stays, what changed there
    since is taken over, and what was changed here is kept and reported.
    """
    elsewhere = imported("muster.client.mlflow_registry", "mlflow").MLflowRegistry(uri, tracking_uri)
    from muster.client.moving import Import

    with call.connected(writes=not dry_run) as session, _bar(call) as progress:
        bringing = Import(
            session.client,
            elsewhere,
            files=files,
            runs=runs,
            reason=reason,
            dry_run=dry_run,
            progress=progress,
        )
        report = bringing.run()
        if follow:
            _told_in_a_line(call, report)
            _follow(call, bringing, interval)
            return
    call.emit(report.view(), lambda: _told(report))
    if report.is_incomplete:
        raise typer.Exit(INCOMPLETE)


def _follow(call: Call, bringing: Import, interval_s: float) -> None:
    """Look again and again, until Ctrl-C; who does not answer is asked again."""
    call.note(f"Looking again every {interval_s:g} s; Ctrl-C ends it.")
    try:
        while True:
            time.sleep(interval_s)
            try:
                report = bringing.run()
            except Unavailable as error:
                call.note(f"{error.message}; looking again in {interval_s:g} s")
                continue
            if report.says_something:
                _told_in_a_line(call, report)
    except KeyboardInterrupt:
        call.note("Ended; the same command goes on.")


def _told_in_a_line(call: Call, report: Report) -> None:
    """A report in a line, as it comes."""
    if call.as_json:
        print_now(json.dumps(report.view(), ensure_ascii=False))
        return
    from muster.cli.rendering import plain

    brought = ", ".join(f"{count:,} {word}" for word, count in report.brought.items()) or "nothing"
    left = f"{len(report.kept)} kept as here, {len(report.refused)} refused"
    print_now(plain(f"Brought {brought}; {left}."))
    for line in _reasons(report):
        call.note(f"  {line}")


def _reasons(report: Report) -> Iterator[str]:
    """What was not brought, and why."""
    for kept in report.kept:
        what = f"{kept.what} {kept.field}".strip()
        yield f"{what}: {kept.why}" + (f" ({kept.here!r}; there {kept.there!r})" if kept.field else "")
    for refused in report.refused:
        yield f"{refused.what}: {refused.why}"
    for missing in report.out_of_reach:
        yield f"{missing.what}: without its files: {missing.why}"
    for gone in report.gone:
        yield f"{gone}: no longer there; it stays here"


def _told(report: Report) -> RenderableType:
    """The report for people."""
    from rich.console import Group
    from rich.text import Text

    from muster.cli.rendering import cell, plain, table

    view = report.view()
    counts = [(word, count, view["there_already"].get(word)) for word, count in view["brought"].items()]
    lacking = [
        (each["what"], each["versions"], each["why"]) for each in view["not_recorded"] if each["versions"]
    ]
    parts: list[RenderableType] = [
        Text(plain(f"From {report.source}")),
        table(("WHAT", "BROUGHT", "THERE ALREADY"), counts),
    ]
    if lacking:
        parts.append(table(("NOT RECORDED", "VERSIONS", "BECAUSE"), lacking))
    if left := list(_reasons(report)):
        parts += [Text("Different from there:", style="bold"), *(cell(line) for line in left)]
    if report.dry_run:
        parts.append(Text("Nothing was written (dry run).", style="dim"))
    return Group(*parts)


@contextmanager
def _bar(call: Call) -> Iterator[Progress | None]:
    """A bar for the models, on a terminal."""
    if call.as_json or not call.err.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=call.err, transient=True) as bar:
        task = bar.add_task("Models")

        def moved(done: int, of: int, report: Report) -> None:
            versions = report.brought["versions"] + report.there["versions"]
            bar.update(task, completed=done, total=of, description=f"Models ({versions:,} versions)")

        yield moved
