"""Commands that keep a registry safe: backups, and a registry made of one or of a clone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from muster.cli.call import Call, by_itself, command
from muster.cli.exits import code_of
from muster.cli.options import DryRun
from muster.cli.server_part import imported
from muster.domain.errors import Conflict, Incomplete, Invalid

if TYPE_CHECKING:
    from rich.console import RenderableType

PANEL: Final = "The registry itself"

_SHOWN: Final = 20  # of a long list

Backup = Annotated[str, typer.Argument(metavar="BACKUP", help="A folder, or a file in .tar")]


def add(app: typer.Typer) -> None:
    """Give `app` these commands."""
    group = typer.Typer()
    by_itself(group)(backup)
    command(group)(verify)
    app.add_typer(group, name="backup", rich_help_panel=PANEL)
    command(app, panel=PANEL)(restore)
    command(app, panel=PANEL)(mirror)


def backup(
    call: Call,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="FOLDER|FILE", help="A folder, which later backups add to, or a file in .tar"
        ),
    ] = None,
    without_secrets: Annotated[
        bool, typer.Option("--without-secrets", help="Leave out webhooks, tokens and keys (secrets/)")
    ] = False,
) -> None:
    """Back up the registry's home, while a server runs on it and writes go on.

    One moment of the history, every file of its versions, and what is kept beside Git;
    read again before it counts as a backup.
    """
    from muster.cli.session import require_home

    if to is None:
        raise Invalid.one("--to", None, "must name a folder, or a file in .tar")
    require_home(call.settings)
    backing_up = imported("muster.bootstrap.backing_up")
    made = backing_up.back_up(call.settings.home, Path(to), secrets=not without_secrets, tell=call.note)
    call.emit(_summary(to, made), lambda: _told(to, made))
    _list_missing(call, made.missing)
    call.note(f"Next: muster restore {to} --home NEW, on a machine of your choice, to see that it works")


def verify(call: Call, backup: Backup) -> None:
    """Prove that a backup is whole: every byte is read, and Git checks every object."""
    made, problems = imported("muster.bootstrap.backing_up").verify(Path(backup))
    answer = _summary(backup, made) | {"problems": problems}
    call.emit(answer, lambda: "\n".join(problems) or f"{_told(backup, made)}\nIt is whole.")
    _list_missing(call, made.missing)
    if problems:
        raise typer.Exit(1)


def _summary(place: str, made: Any) -> dict[str, Any]:
    """A backup as JSON; sizes are in bytes."""
    return {
        "backup": place,
        "made": made.made,
        "head": made.head,
        "secrets": made.secrets,
        "files": len(made.files),
        "size": sum(part.size for part in made.parts()),
        "missing": [{"sha256": m.sha256, "size": m.size, "paths": list(m.paths)} for m in made.missing],
    }


def _told(place: str, made: Any) -> str:
    size = sum(part.size for part in made.parts())
    secrets = "with secrets" if made.secrets else "without secrets"
    return (
        f"{place}: commit {made.head[:10]} of {made.made[:19]}Z, {_files(len(made.files))}, "
        f"{secrets}, {size:,} bytes."
    )


def restore(
    call: Call,
    backup: Annotated[
        str | None, typer.Argument(metavar="[BACKUP]", help="A backup: a folder, or a file in .tar")
    ] = None,
    from_clone: Annotated[
        str | None,
        typer.Option(
            "--from-clone", metavar="URL|PATH", help="Any clone of the registry, in place of a backup"
        ),
    ] = None,
    files: Annotated[
        str | None,
        typer.Option(
            "--files", metavar="DIR", help="With --from-clone: where files are, whatever their names"
        ),
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Go on though something is missing")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Make a home (--home, empty or not there yet) of a backup, or of any clone of the registry.

    What is missing is listed first, and refused unless --allow-missing.
    """
    if (backup is None) == (from_clone is None):
        raise Invalid.one("BACKUP", backup, "must be there, or --from-clone in its place")
    if files is not None and from_clone is None:
        raise Invalid.one("--files", files, "goes with --from-clone")
    chosen = call.settings
    more = {"allow_missing": allow_missing, "dry_run": dry_run, "tell": call.note}
    try:
        if backup is not None:
            restoring = imported("muster.bootstrap.restoring")
            report = restoring.restore(chosen, Path(backup), **more)
        else:
            cloned = imported("muster.bootstrap.from_clone")
            folder = None if files is None else Path(files)
            report = cloned.restore_clone(chosen, from_clone, files=folder, **more)
    except Incomplete as incomplete:
        if not call.as_json:
            call.err.print(_lacking(incomplete.report))
        raise
    answer = report.view() | {"home": None if dry_run else str(chosen.home)}
    call.emit(answer, lambda: _restored(answer))
    if not dry_run:
        call.note(f"Next: muster verify --home {chosen.home}, then muster serve --home {chosen.home}")


def mirror(call: Call) -> None:
    """Say how far the mirror (mirror_url) is behind, and why."""
    from muster.cli.rendering import fields

    with call.connected() as session:
        found = session.client.mirror()
    call.emit(found, lambda: fields(found))
    if found["diverged"]:
        call.note("Next: look at both histories; the how-to on backups says how")
        raise typer.Exit(code_of(Conflict))
    if not session.served:
        call.note(f"No server runs on {session.where}, so nothing is pushed. Next: muster serve")


def _restored(answer: dict[str, Any]) -> RenderableType:
    from rich.console import Group

    from muster.cli.rendering import plain

    done = f"Restored {answer['home']}" if answer["home"] else "Nothing was written (dry run). Would restore"
    said = (
        f"{done} from {answer['source']}: {answer['changes']:,} changes up to {answer['head'][:10]}, "
        f"{_files(answer['files'])}, {answer['size']:,} bytes ({'; '.join(answer['notes'])})."
    )
    return Group(plain(said), _lacking(answer))


def _lacking(report: Any) -> RenderableType:
    """What is missing, and what is needed beside."""
    from rich.console import Group

    from muster.cli.rendering import table

    missing: list[tuple[str | None, ...]] = [
        *((_where(each), f"{each['size']:,}", each["sha256"]) for each in report["missing"]),
        *((path, None, None) for path in report["damaged"]),
    ]
    needs = [
        (need["what"], need["named_by"], "there" if need["there"] else "missing") for need in report["needs"]
    ]
    parts: list[RenderableType] = []
    if missing:
        parts.append(table(("MISSING FILE", "BYTES", "SHA256"), missing[:_SHOWN]))
    if len(missing) > _SHOWN:
        parts.append(f"... and {len(missing) - _SHOWN:,} more; --json lists them all")
    if needs:
        parts.append(table(("NOT IN IT", "NAMED BY", "HERE"), needs))
    return Group(*parts)


def _where(missing: Any) -> str:
    return ", ".join(missing["paths"][:3]) or "(of an older commit only)"


def _files(count: int) -> str:
    return "1 file of a version" if count == 1 else f"{count:,} files of versions"


def _list_missing(call: Call, missing: Any) -> None:
    for each in missing[:_SHOWN]:
        where = ", ".join(each.paths[:3]) or "an older commit"
        call.note(f"Missing in the registry itself, so in the backup: {where} (sha256:{each.sha256})")
    if len(missing) > _SHOWN:
        call.note(f"... and {len(missing) - _SHOWN:,} more; --json lists them all")
