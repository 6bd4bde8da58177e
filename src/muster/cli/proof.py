"""Commands that prove the history: signed checkpoints, and the check of a home or of a plain clone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from muster.cli.admin import PANEL
from muster.cli.call import Call, command
from muster.cli.exporting import signature_of
from muster.cli.options import DryRun, Limit, Reason
from muster.cli.server_part import imported
from muster.domain.errors import Conflict, Invalid


def add(app: typer.Typer) -> None:
    """Give `app` these commands."""
    command(app, panel=PANEL)(verify)
    command(app, panel=PANEL)(checkpoint)
    command(app, panel=PANEL)(redact)


def verify(
    call: Call,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            "--against",
            metavar="FILE",
            help="Check a clone against this file of signed checkpoints; repeat it for copies of the file",
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="KEY", help="The registry's public key, or a file that holds it"),
    ] = None,
    clone: Annotated[
        Path, typer.Option("--clone", metavar="DIR", help="The clone to check, bare or not")
    ] = Path(),
    ref: Annotated[
        str, typer.Option("--ref", metavar="REF", help="The branch or commit of the clone that is checked")
    ] = "HEAD",
    exported: Annotated[
        Path | None,
        typer.Option("--export", metavar="FILE", help="Check an export against the signature in FILE.sig"),
    ] = None,
    objects: Annotated[
        bool, typer.Option("--objects", help="Read every object of the clone, too, as `git fsck` does")
    ] = False,
) -> None:
    """Prove that Git, the index and the files agree, or say what does not.

    With --against no home and no server are needed: a clone's history is checked
    against what was signed, and an edited, dropped, moved or back-dated commit is found.
    With --export neither is needed to check what `muster export --sign` wrote.
    """
    if (against or exported) and key is None:
        raise Invalid.one("--key", key, "must be given: what `muster checkpoint key` printed")
    if exported and key:
        _prove_export(call, exported, key)
        if not against:
            return
    if against and key:
        _prove(call, against, key, clone, ref, objects=objects)
        return
    from muster.cli.session import require_home

    require_home(call.settings)
    problems: list[str] = imported("muster.bootstrap.server").verify(call.settings)
    answer = {"home": str(call.settings.home), "problems": problems}
    call.emit(answer, lambda: "\n".join(problems) or f"{call.settings.home}: Git, index and files agree.")
    if problems:
        call.note("Next: muster reindex makes the index anew; files come back by registering them again")
        raise typer.Exit(1)


def _prove(call: Call, against: list[Path], key: str, clone: Path, ref: str, *, objects: bool) -> None:
    proven = imported("muster.auditing").prove(against, key, clone, ref, objects=objects)
    problems, facts = proven.problems, proven.facts
    call.emit(
        {"clone": str(clone), "problems": problems, **facts}, lambda: "\n".join(problems) or _agrees(facts)
    )
    if problems:
        call.note(
            "Next: compare with another clone, or with a copy of the checkpoints that somebody else keeps"
        )
        raise typer.Exit(1)
    if facts["covered"] < facts["commits"]:
        beyond = facts["commits"] - facts["covered"]
        call.note(
            f"The last {beyond:,} commits came after the last checkpoint: nothing is signed of them yet."
        )


def _prove_export(call: Call, exported: Path, key: str) -> None:
    problems, facts = imported("muster.auditing").prove_export(exported, signature_of(exported), key)
    agrees = f"{exported} is what was signed, up to commit {facts['commit']}."
    found = {"export": str(exported), "problems": problems, **facts}
    call.emit(found, lambda: "\n".join(problems) or agrees)
    if problems:
        raise typer.Exit(1)


def _agrees(facts: dict[str, Any]) -> str:
    return (
        f"The history is what was signed: {facts['covered']:,} of {facts['commits']:,} commits are covered "
        f"by {facts['statements']:,} statements, the last checkpoint of {facts['last_checkpoint']}."
    )


def checkpoint(
    call: Call,
    what: Annotated[
        Literal["sign", "list", "key", "file"],
        typer.Argument(
            metavar="[WHAT]",
            help="sign: make one now; list: show them; key: the public key; file: all of them, a line each",
        ),
    ] = "sign",
    pem: Annotated[bool, typer.Option("--pem", help="The public key as PEM, for OpenSSL")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the file here")
    ] = None,
    limit: Limit = 30,
    dry_run: DryRun = False,
) -> None:
    """Sign where the history is now, so that `muster verify --against` finds it if it is rewritten.

    A server does so by itself (the setting `checkpoint_every_s`).
    """
    with call.connected(writes=what == "sign" and not dry_run) as session:
        client = session.client
        match what:
            case "sign":
                _signed(call, client.checkpoint(dry_run=dry_run), dry_run=dry_run)
            case "key":
                _shown(call, client.checkpoint_key(), pem=pem)
            case "list":
                _listed(call, client.checkpoints(limit=limit))
            case "file":
                _written(call, client.checkpoint_file(), output)


def _signed(call: Call, made: dict[str, Any], *, dry_run: bool) -> None:
    if dry_run:
        from muster.cli.writes import previewed

        previewed(call, made)
        return
    call.emit(
        made, lambda: f"Checkpoint {made['sequence']}: {made['commit']}, the {made['position']:,}. commit."
    )


def _shown(call: Call, found: dict[str, Any], *, pem: bool) -> None:
    if call.as_json:
        call.emit(found, str)
    else:
        call.line(found["pem"].strip() if pem else found["key"])


def _listed(call: Call, found: Any) -> None:
    from muster.cli.rendering import table

    columns = ("STATEMENT", "TIME", "WHAT", "COMMITS", "COMMIT")
    rows = [
        (
            each["sequence"],
            each["time"],
            each["format"].split("-")[1],
            each.get("position"),
            each.get("commit"),
        )
        for each in found
    ]
    if not rows and not call.as_json:
        call.note("Nothing was signed yet. Next: muster checkpoint")
        return
    call.emit({"items": found, "count": found.total}, lambda: table(columns, rows))
    call.left_out(found)


def _written(call: Call, content: bytes, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(content.decode())
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise Invalid.one("--output", str(output), f"must be writable ({error.strerror})") from error
    count = content.count(b"\n")
    call.note(f"Wrote {count:,} statements to {output}.")


def redact(
    call: Call,
    commit: Annotated[str, typer.Argument(metavar="COMMIT", help="The commit of the change that said it")],
    field: Annotated[
        str,
        typer.Option(
            "--field",
            metavar="FIELD",
            help="What has to go: reason, message (of a note), or a field as `muster diff COMMIT` names it",
        ),
    ],
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Take a text out of the history for ever, and sign which commits have another id for it.

    No server may run on the home meanwhile. Clones and backups that others have still hold the text.
    """
    from muster.cli.session import owner, require_home

    require_home(call.settings)
    if (url := owner(call.settings)) is not None:
        raise Conflict(f"a server at {url} has {call.settings.home} open; stop it first")
    done = imported("muster.bootstrap.redacting").redact(
        call.settings, commit, field, reason, dry_run=dry_run
    )
    answer = {"position": done.change.position, "commits": done.commits, "redacted": list(done.redacted)}
    lost = "1 commit loses" if len(done.redacted) == 1 else f"{len(done.redacted):,} commits lose"
    said = f"{lost} the text, and {done.commits:,} get another id."
    word = "Would be so" if dry_run else "Redacted"
    call.emit({"dry_run": dry_run, **answer}, lambda: f"{word}: {said}")
    if not dry_run:
        call.note("Next: make the mirror and every clone anew. The map is among the statements.")
