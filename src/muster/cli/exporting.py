"""Commands that write the history out: the audit log, and changelogs, signed if that is wanted."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from muster.cli.call import Call, command
from muster.cli.completing import models
from muster.cli.history import PANEL
from muster.cli.options import At, ByActor, InEnvironment, Kinds, Since, Until
from muster.domain.errors import Conflict, Invalid
from muster.domain.exports import read_signature

if TYPE_CHECKING:
    from muster.client.proof import Wanted

PIECE: Final = 1 << 20


def add(app: typer.Typer) -> None:
    """Give `app` this command."""
    command(app, panel=PANEL)(export)


def export(
    call: Call,
    what: Annotated[
        Literal["audit", "changelog"],
        typer.Argument(metavar="[WHAT]", help="audit: the log of all changes; changelog: one model's"),
    ] = "audit",
    form: Annotated[
        Literal["jsonl", "csv"], typer.Option("--format", help="Of the audit log: JSON lines, or CSV")
    ] = "jsonl",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write here, not to the output")
    ] = None,
    sign: Annotated[
        bool,
        typer.Option("--sign", help="Sign it, in FILE.sig; `muster verify --export` checks that"),
    ] = False,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Only this model's", autocompletion=models)
    ] = None,
    env: InEnvironment = None,
    by: ByActor = None,
    kind: Kinds = None,
    since: Since = None,
    until: Until = None,
    at: At = None,
) -> None:
    """Write the audit log, or the changelog of a model, newest first; the same bytes for the same commit.

    In CSV a text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    if sign and output is None:
        raise Invalid.one("--sign", sign, "goes only with --output: the signature is a file beside it")
    if what == "changelog" and (model is None or env or by or kind or since or until or form != "jsonl"):
        raise Invalid.one("WHAT", what, "needs --model, and takes no other filter than --at")
    wanted: Wanted = {
        "model": model,
        "environment": env,
        "actor": by,
        "kinds": kind or (),
        "since": since,
        "until": until,
    }
    with call.connected() as session:
        client = session.client
        of_model = model if what == "changelog" else None
        begun = client.changelog(of_model, at=at) if of_model else client.audit_export(form, at=at, **wanted)
        with begun as exported:
            commit, size = exported.commit, _write(exported.pieces, output)
        if output is None:
            return
        if sign and of_model:
            _sign(output, client.changelog_signature(of_model, at=commit))
        elif sign:
            _sign(output, client.audit_signature(form, at=commit, **wanted))
    call.note(f"Wrote {size:,} bytes to {output}, up to commit {commit}.")


def _write(pieces: Iterator[bytes], output: Path | None) -> int:
    """The bytes that were written. Raises Invalid."""
    try:
        with output.open("wb") if output else nullcontext(sys.stdout.buffer) as out:
            return sum(out.write(piece) for piece in pieces)
    except OSError as error:
        raise Invalid.one("--output", str(output), f"must be writable ({error.strerror})") from error


def _sign(output: Path, line: bytes) -> None:
    """Put the signature beside the file. Raises Conflict if it is not one of these bytes."""
    said, _ = read_signature(line)
    for difference in said.differences(pieces_of(output)):
        raise Conflict(f"{output} is not what the registry signed: {difference}; export it again")
    signature_of(output).write_bytes(line + b"\n")


def signature_of(path: Path) -> Path:
    """The file beside an export that holds its signature."""
    return path.with_name(f"{path.name}.sig")


def pieces_of(path: Path) -> Iterator[bytes]:
    """The bytes of a file. OSError."""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
