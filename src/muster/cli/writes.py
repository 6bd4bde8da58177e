"""What all writes of the command line have in common: a dry run, and files with a progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from muster.cli.call import Call
from muster.cli.exits import code_of
from muster.domain.errors import MusterError

if TYPE_CHECKING:
    from muster.client import Record


def previewed(call: Call, preview: Mapping[str, Any]) -> None:
    """Show a dry run; with an objection the exit code is the one that the write would have."""
    from muster.cli.rendering import preview as shown
    from muster.client.problems import BY_CODE

    call.emit(preview, lambda: shown(preview))
    if preview["objections"]:
        raise typer.Exit(code_of(BY_CODE.get(preview["objections"][0]["code"], MusterError)))


def wrote(call: Call, answer: Record, dry_run: bool, said: Callable[[Record], str], then: str = "") -> None:
    """Show what a write did: a sentence and the next command, or the answer as JSON."""
    if dry_run:
        previewed(call, answer)
        return
    if call.as_json:
        call.emit(answer, lambda: "")
        return
    from muster.cli.rendering import plain

    call.line(plain(said(answer)))
    if then:
        call.note(f"Next: {then}")


def stepping(call: Call) -> Callable[[Mapping[str, Any]], None]:
    """Tells a person each step of a deployment."""

    def step(event: Mapping[str, Any]) -> None:
        if event["step"] not in ("done", "failed"):
            detail = event["detail"]
            if event["step"] == "recorded":
                detail = f"commit {detail[:10]}"
            call.note(f"  {event['step']} ({detail})" if detail else f"  {event['step']}")

    return step


@contextmanager
def progress_bar(call: Call) -> Iterator[Callable[[str, int, int], None] | None]:
    """A bar for each file that goes, on a terminal."""
    if call.as_json or not call.err.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=call.err) as progress:

        def moved(path: str, done: int, size: int) -> None:
            if path not in tasks:
                tasks[path] = progress.add_task(path, total=size)
            progress.update(tasks[path], completed=done)

        yield moved
