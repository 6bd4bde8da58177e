"""`muster env protect` and `unprotect`: the rules of an environment."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from muster.cli import completing
from muster.cli.call import Call, command
from muster.cli.options import DryRun, Reason, document
from muster.cli.writes import wrote
from muster.domain.errors import Invalid

NONE: Final = "none"
Name = Annotated[
    str, typer.Argument(metavar="ENV", help="The environment's name", autocompletion=completing.environments)
]
_WHO: Final = "ID|team:NAME,…"
Deployers = Annotated[
    list[str] | None,
    typer.Option("--deployers", metavar=_WHO, help="Who may deploy; 'none': whoever has that role"),
]
Rollbackers = Annotated[
    list[str] | None,
    typer.Option("--rollbackers", metavar=_WHO, help="Who may roll back; 'none': whoever is deployer"),
]
Counts = Annotated[
    list[int] | None,
    typer.Option("--approvals", min=0, metavar="N", help="How many have to approve; 0 for none"),
]
From = Annotated[
    list[str] | None, typer.Option("--from", metavar="TEAM", help="Of which team; once for each --approvals")
]
Evidence = Annotated[
    list[str] | None,
    typer.Option("--evidence", metavar="RULE", help="As 'auc >= 0.9 by team:validation'; 'none' for none"),
]
NeedsReason = Annotated[
    bool | None, typer.Option("--reason/--no-reason", help="Whether every change there takes a reason")
]
SoakTime = Annotated[
    str | None,
    typer.Option("--soak", metavar="ENV:TIME", help="As staging:24h, how long to run where first; or 'none'"),
]
Freezes = Annotated[
    list[str] | None,
    typer.Option(
        "--freeze",
        metavar="WINDOW",
        help="KEY=VALUE words, JSON or @file: name, dtstart, duration or dtend, rrule, timezone; or 'none'",
    ),
]
Stages = Annotated[
    list[str] | None,
    typer.Option(
        "--stages",
        metavar="STAGE,…",
        help="Stages that count as it; 'none': its own",
        autocompletion=completing.stages,
    ),
]
Aliases = Annotated[
    list[str] | None, typer.Option("--alias", metavar="ALIAS,…", help="Aliases that count as it; or 'none'")
]
Public = Annotated[
    bool | None, typer.Option("--public/--no-public", help="Whether predicting there takes no right")
]
Because = Annotated[str, typer.Option("--because", "-m", metavar="TEXT", help="Why, for the history")]


def add(group: typer.Typer) -> None:
    """Give the group of commands about environments these."""
    command(group)(protect)
    command(group)(unprotect)


def protect(
    call: Call,
    name: Name,
    deployers: Deployers = None,
    rollbackers: Rollbackers = None,
    approvals: Counts = None,
    from_teams: From = None,
    evidence: Evidence = None,
    reason: NeedsReason = None,
    soak: SoakTime = None,
    freeze: Freezes = None,
    stages: Stages = None,
    alias: Aliases = None,
    public: Public = None,
    because: Because = "",
    dry_run: DryRun = False,
) -> None:
    """Give an environment rules; those that are not named stay as they are."""
    lists = {"deploy": deployers, "rollback": rollbackers, "stages": stages, "aliases": alias}
    rules: dict[str, Any] = {key: _words(given) for key, given in lists.items() if given is not None}
    if approvals is not None or from_teams is not None:
        rules["approvals"] = _approvals(approvals or [], from_teams or [])
    if evidence is not None:
        rules["evidence"] = [each for each in evidence if each != NONE]
    if soak is not None:
        rules["soak"] = None if soak == NONE else _soak(soak)
    if freeze is not None:
        rules["freeze"] = [_freeze(each) for each in freeze if each != NONE]
    rules |= {key: given for key, given in (("reason", reason), ("public", public)) if given is not None}
    if not rules:
        raise Invalid.one("rules", None, "must be given: see muster env protect --help")
    with call.connected(writes=not dry_run) as session:
        found = session.client.protect_environment(name, rules, reason=because, dry_run=dry_run)
    wrote(call, found, dry_run, lambda _: f"The rules of {name} are changed.", f"muster env show {name}")


def unprotect(call: Call, name: Name, reason: Reason = "", dry_run: DryRun = False) -> None:
    """Take all rules away from an environment."""
    with call.connected(writes=not dry_run) as session:
        found = session.client.unprotect_environment(name, reason=reason, dry_run=dry_run)
    wrote(call, found, dry_run, lambda _: f"{name} has no rules any more.")


def _words(given: Sequence[str]) -> list[str]:
    """What was given, each by an option of its own or with commas between."""
    words = [word.strip() for each in given for word in each.split(",")]
    return [word for word in words if word and word != NONE]


def _approvals(counts: Sequence[int], teams: Sequence[str]) -> list[dict[str, Any]]:
    if list(counts) == [0] and not teams:
        return []
    if len(counts) != len(teams):
        raise Invalid.one("--approvals", len(counts), f"must be given once for each --from ({len(teams)})")
    pairs = zip(teams, counts, strict=True)
    return [{"from": team.removeprefix("team:"), "count": count} for team, count in pairs]


def _soak(given: str) -> dict[str, Any]:
    """`staging:24h` or `staging:3d`."""
    found = re.fullmatch(r"(?P<environment>[^:]+):(?P<time>\d+(\.\d+)?)(?P<unit>[hd])", given)
    if found is None:
        raise Invalid.one("--soak", given, "must be an environment and hours or days, as staging:24h")
    hours = float(found["time"]) * (24 if found["unit"] == "d" else 1)
    return {"environment": found["environment"], "hours": int(hours) if hours.is_integer() else hours}


def _freeze(given: str) -> dict[str, Any]:
    """A window of `name="year end" dtstart=2026-12-20 duration=P14D`, or of JSON."""
    if given.startswith(("{", "@")):
        return document(given, "--freeze")
    found: dict[str, Any] = {}
    try:
        words = shlex.split(given)
    except ValueError as error:
        raise Invalid.one("--freeze", given, f"must be KEY=VALUE words ({error})") from None
    for word in words:
        key, sign, value = word.partition("=")
        if not sign or key in found:
            raise Invalid.one("--freeze", given, "must be KEY=VALUE words, each key once")
        found[key] = value
    return found
