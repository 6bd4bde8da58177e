"""Commands about evidence: what was measured of versions, and by whom."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from muster.cli.call import Call, command
from muster.cli.options import DryRun, Limit, Reason, Ref, numbers
from muster.cli.versions import PANEL, listed
from muster.cli.writes import progress_bar, wrote
from muster.domain.errors import Invalid


def add(app: typer.Typer) -> None:
    """Give `app` these commands."""
    command(app, panel=PANEL)(evaluate)
    command(app, panel=PANEL)(evaluations)


def evaluate(
    call: Call,
    ref: Ref,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", metavar="KEY=NUMBER", help="What was measured; repeat it")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            metavar="NAME[@SHA256]|JSON|@FILE",
            help="The data: by name and digest, as {name, sha256, uri}, or a data file that is here",
        ),
    ] = None,
    report: Annotated[
        str | None, typer.Option("--report", metavar="FILE", help="A file with the whole of it")
    ] = None,
    evaluator: Annotated[
        str | None, typer.Option("--as", metavar="team:NAME", help="The team of yours that you speak for")
    ] = None,
    tool: Annotated[str, typer.Option("--tool", metavar="TEXT", help="What measured it")] = "",
    notes: Annotated[str, typer.Option("--notes", metavar="TEXT", help="What else there is to say")] = "",
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Record an evaluation of a version; it is one more, and none is ever changed."""
    metrics, data = numbers(metric, "--metric"), _dataset(dataset)
    if not metrics and report is None:
        raise Invalid.one("--metric", "none", "must be given, unless there is a --report")
    with call.connected(writes=not dry_run) as session, progress_bar(call) as progress:
        found = session.client.evaluate(
            ref,
            metrics,
            dataset=data,
            report=report,
            evaluator=evaluator,
            notes=notes,
            tool=tool,
            reason=reason,
            progress=progress,
            dry_run=dry_run,
        )
    wrote(
        call,
        found,
        dry_run,
        lambda made: f"Evaluation {made['number']} of {ref}, by {made['by']}.",
        f"muster evaluations {ref}",
    )


def _dataset(given: str | None) -> dict[str, Any] | None:
    """What `--dataset` says. Raises Invalid."""
    from muster.client import dataset

    if given is None:
        return None
    if given.startswith("@"):
        return dataset(given[1:])
    if given.startswith("{"):
        try:
            found: dict[str, Any] = json.loads(given)
        except ValueError as error:
            raise Invalid.one("--dataset", given, f"must be JSON ({error})") from None
        return found
    name, sign, sha256 = given.rpartition("@")
    if sign:
        return {"name": name, "sha256": sha256}
    return {"sha256": given} if given.startswith("sha256:") else {"name": given}


def evaluations(
    call: Call,
    ref: Ref,
    number: Annotated[int | None, typer.Argument(metavar="[NUMBER]", help="Only this one, whole")] = None,
    report_to: Annotated[
        str | None,
        typer.Option("--report-to", metavar="FILE|DIR", help="Fetch the report of that one, too"),
    ] = None,
    limit: Limit = 100,
) -> None:
    """List the evaluations of a version, the newest first, or show one."""
    from muster.cli.rendering import fields, short_time

    if number is None and report_to is not None:
        raise Invalid.one("--report-to", report_to, "needs the NUMBER of the evaluation")
    with call.connected() as session:
        client = session.client
        if number is not None:
            one = client.evaluation(ref, number)
            call.emit(one, lambda: fields(one, f"Evaluation {number} of {ref}"))
            if report_to is not None:
                call.note(f"Fetched {client.download_report(ref, number, report_to)}.")
            return
        found = client.evaluations(ref, limit=limit)
    rows = [
        (
            each["number"],
            short_time(each["recorded_at"]),
            each["by"] if each["verified"] else f"{each['by']} (unverified)",
            each["evaluator"] if each["evaluator"] != each["by"] else None,
            each["metrics"],
            (each["dataset"] or {}).get("name") or (each["dataset"] or {}).get("sha256"),
            each["report"] and each["report"]["path"],
        )
        for each in found
    ]
    columns = ("NO", "TIME", "WHO", "FOR", "METRICS", "DATA", "REPORT")
    listed(call, found, columns, rows, f"No evaluations. Next: muster evaluate {ref} --metric KEY=NUMBER")
