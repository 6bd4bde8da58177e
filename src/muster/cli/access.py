"""Commands about who is who and who may what."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from muster.cli.call import Call, command
from muster.cli.options import DryRun, Limit, Reason
from muster.cli.versions import listed
from muster.cli.writes import wrote

PANEL = "Who may what"
Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id")]
Team = Annotated[str, typer.Argument(metavar="TEAM", help="The team's name")]
Subject = Annotated[str, typer.Argument(metavar="WHO", help="An account, or team:NAME")]
Members = Annotated[list[str] | None, typer.Argument(metavar="ACCOUNT...", help="Accounts")]
OnModel = Annotated[str | None, typer.Option("--model", help="On that model")]
InEnvironment = Annotated[str | None, typer.Option("--env", help="In that environment")]
OfTeam = Annotated[str | None, typer.Option("--team", help="On the models of that team")]


def add(app: typer.Typer) -> None:
    """Give `app` the groups of these commands."""
    groups = {
        "access": ("Who has which role where.", (begin, show, grant, take)),
        "user": ("Accounts of people and services.", (users, user, create, disable, enable)),
        "team": ("Teams.", (teams, team, make, join, leave, dissolve)),
        "token": ("Tokens, which prove who somebody is.", (tokens, give, revoke)),
    }
    named = {users: "list", user: "show", teams: "list", team: "show", make: "create", join: "add"}
    named |= {leave: "remove", dissolve: "delete", tokens: "list", give: "create"}
    for name, (about, commands) in groups.items():
        group = typer.Typer(help=about, no_args_is_help=True)
        for each in commands:
            command(group, named.get(each))(each)
        app.add_typer(group, name=name, rich_help_panel=PANEL)
    command(app, panel=PANEL)(whoami)


def whoami(call: Call) -> None:
    """Show who you are to the registry, and your roles."""
    from muster.cli.rendering import fields

    with call.connected() as session:
        found = session.client.me()
    call.emit(found, lambda: fields(found, found["id"]))


# ------------------------------------------------------------ roles


def begin(
    call: Call,
    admin: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The first admin's id")] = "admin",
    reason: Reason = "",
) -> None:
    """Control access from now on; the first admin's token is shown this once."""
    with call.connected(writes=True) as session:
        found = session.client.begin_access(admin, reason=reason)
    call.emit(
        found, lambda: f"Access is controlled. The token of {admin}, shown this once:\n  {found['token']}"
    )
    call.note("Next: muster login URL --token TOKEN, or MUSTER_TOKEN=TOKEN")


def show(
    call: Call, model: OnModel = None, env: InEnvironment = None, team: OfTeam = None, limit: Limit = 100
) -> None:
    """Show who has which role on the registry, or where the option says."""
    from muster.cli.rendering import table

    with call.connected() as session:
        found = session.client.roles(*_place(model, env, team))
    rows = [(who, ", ".join(roles)) for who, roles in sorted(found["grants"].items())][:limit]
    call.emit(found, lambda: table(("WHO", "ROLES"), rows))


def grant(
    call: Call,
    who: Subject,
    roles: Annotated[
        list[str],
        typer.Argument(
            metavar="ROLE...", help="viewer, contributor, deployer, maintainer, admin, break-glass"
        ),
    ],
    model: OnModel = None,
    env: InEnvironment = None,
    team: OfTeam = None,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Have somebody have just these roles there, on the registry unless an option says where."""
    with call.connected(writes=not dry_run) as session:
        found = session.client.set_roles(
            who, roles, *_place(model, env, team), reason=reason, dry_run=dry_run
        )
    wrote(call, found, dry_run, lambda _: f"{who} is now {' and '.join(roles)} there.", "muster access show")


def take(
    call: Call,
    who: Subject,
    model: OnModel = None,
    env: InEnvironment = None,
    team: OfTeam = None,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Take every role that somebody has there."""
    with call.connected(writes=not dry_run) as session:
        found = session.client.set_roles(who, [], *_place(model, env, team), reason=reason, dry_run=dry_run)
    wrote(call, found, dry_run, lambda _: f"{who} has no role there any more.", "muster access show")


def _place(model: str | None, env: str | None, team: str | None) -> tuple[str, str | None]:
    for scope, name in (("model", model), ("environment", env), ("team", team)):
        if name is not None:
            return scope, name
    return "registry", None


# ------------------------------------------------------------ accounts


def users(call: Call, limit: Limit = 100) -> None:
    """List the accounts."""
    with call.connected() as session:
        found = session.client.accounts(limit=limit)
    columns = ("ACCOUNT", "KIND", "ROLES", "TEAMS", "STATE")
    rows = [
        (
            each["id"],
            each["kind"],
            ", ".join(each["roles"]) or None,
            ", ".join(each["teams"]) or None,
            "disabled" if each["disabled"] else "enabled",
        )
        for each in found
    ]
    listed(call, found, columns, rows, "No accounts. Next: muster access begin")


def user(call: Call, account: Account) -> None:
    """Show an account."""
    from muster.cli.rendering import fields

    with call.connected() as session:
        found = session.client.account(account)
    call.emit(found, lambda: fields(found, account))


def create(
    call: Call,
    account: Account,
    service: Annotated[bool, typer.Option("--service", help="A service account, for a program")] = False,
    owner: Annotated[str | None, typer.Option("--owner", help="Who answers for a service account")] = None,
    issuer: Annotated[
        str | None,
        typer.Option("--issuer", help="The CI system that it trusts, by its tokens' issuer"),
    ] = None,
    subject: Annotated[
        list[str] | None, typer.Option("--subject", help="Whose tokens; * at the end for any; repeat it")
    ] = None,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Make an account."""
    kind = "service" if service else "person"
    with call.connected(writes=not dry_run) as session:
        found = session.client.create_account(
            account,
            kind=kind,
            owner=owner,
            trusts=[{"issuer": issuer or "", "subject": each} for each in subject or ()],
            reason=reason,
            dry_run=dry_run,
        )
    wrote(call, found, dry_run, lambda _: f"Made account {account}.", f"muster token create {account}")


def disable(call: Call, account: Account, reason: Reason = "", dry_run: DryRun = False) -> None:
    """Disable an account: its tokens and sessions end at once. Says what it owns."""
    _switch(call, account, True, reason, dry_run)


def enable(call: Call, account: Account, reason: Reason = "", dry_run: DryRun = False) -> None:
    """Enable an account again; it needs new tokens."""
    _switch(call, account, False, reason, dry_run)


def _switch(call: Call, account: str, disabled: bool, reason: str, dry_run: bool) -> None:
    with call.connected(writes=not dry_run) as session:
        found = session.client.update_account(account, {"disabled": disabled}, reason=reason, dry_run=dry_run)

    def said(answer: Any) -> str:
        if not disabled:
            return f"Enabled {account}."
        left = answer["handing_over"]
        lines = [f"Disabled {account}: its tokens and sessions have ended."]
        lines += [f"  owns model {name}" for name in left["models"]]
        lines += [f"  owns service account {name}" for name in left["service_accounts"]]
        return "\n".join(lines)

    wrote(call, found, dry_run, said, "" if disabled else f"muster token create {account}")


# ------------------------------------------------------------ teams


def teams(call: Call, limit: Limit = 100) -> None:
    """List the teams."""
    with call.connected() as session:
        found = session.client.teams(limit=limit)
    rows = [(each["name"], ", ".join(each["members"]) or None, each["description"] or None) for each in found]
    listed(call, found, ("TEAM", "MEMBERS", "DESCRIPTION"), rows, "No teams. Next: muster team create NAME")


def team(call: Call, team: Team) -> None:
    """Show a team."""
    from muster.cli.rendering import fields

    with call.connected() as session:
        found = session.client.team(team)
    call.emit(found, lambda: fields(found, team))


def make(
    call: Call,
    team: Team,
    members: Members = None,
    description: Annotated[str, typer.Option("--description", help="What it is for")] = "",
    claim: Annotated[
        list[str] | None, typer.Option("--claim", help="A group of the log-in service; repeat it")
    ] = None,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    """Make a team."""
    with call.connected(writes=not dry_run) as session:
        found = session.client.create_team(
            team,
            description=description,
            members=members or (),
            claims=claim or (),
            reason=reason,
            dry_run=dry_run,
        )
    wrote(call, found, dry_run, lambda _: f"Made team {team}.", f"muster access grant team:{team} ROLE")


def join(
    call: Call, team: Team, members: Members = None, reason: Reason = "", dry_run: DryRun = False
) -> None:
    """Add accounts to a team."""
    _members(call, team, "add", members or [], reason, dry_run)


def leave(
    call: Call, team: Team, members: Members = None, reason: Reason = "", dry_run: DryRun = False
) -> None:
    """Take accounts out of a team."""
    _members(call, team, "remove", members or [], reason, dry_run)


def _members(call: Call, team: str, how: str, members: list[str], reason: str, dry_run: bool) -> None:
    with call.connected(writes=not dry_run) as session:
        found = session.client.update_team(team, {how: members}, reason=reason, dry_run=dry_run)
    wrote(call, found, dry_run, lambda each: f"Team {team}: {', '.join(each['members']) or 'nobody'}.")


def dissolve(call: Call, team: Team, reason: Reason = "", dry_run: DryRun = False) -> None:
    """Delete a team, with its roles on the registry and in environments."""
    with call.connected(writes=not dry_run) as session:
        found = session.client.delete_team(team, reason=reason, dry_run=dry_run)
    wrote(call, found, dry_run, lambda _: f"Deleted team {team}.")


# ------------------------------------------------------------ tokens


def tokens(
    call: Call,
    account: Annotated[str | None, typer.Argument(metavar="ACCOUNT", help="Whose; else your own")] = None,
    limit: Limit = 100,
) -> None:
    """List tokens and sessions, never their secrets."""
    with call.connected() as session:
        found = session.client.tokens(account, limit=limit)
    columns = ("TOKEN", "ACCOUNT", "KIND", "NOTE", "EXPIRES", "LAST USED")
    rows = [
        (t["id"], t["account"], t["kind"], t["note"] or None, t["expires"], t["last_used"]) for t in found
    ]
    listed(call, found, columns, rows, "No tokens. Next: muster token create ACCOUNT")


def give(
    call: Call,
    account: Annotated[str | None, typer.Argument(metavar="ACCOUNT", help="Whose; else your own")] = None,
    note: Annotated[str, typer.Option("--note", help="What it is for")] = "",
    days: Annotated[float | None, typer.Option("--days", help="How long it lasts")] = None,
    role: Annotated[
        str | None, typer.Option("--role", help="Good for that role's rights at most; or predict")
    ] = None,
    model: Annotated[list[str] | None, typer.Option("--model", help="Good for that model only")] = None,
    env: Annotated[list[str] | None, typer.Option("--env", help="Good for that environment only")] = None,
) -> None:
    """Give out a token, which is shown this once."""
    limits: dict[str, Any] | None = None
    if role is not None or model or env:
        limits = {"role": "admin" if role is None else role, "models": model or [], "environments": env or []}
        if role == "predict":
            limits["role"] = None
    with call.connected(writes=True) as session:
        found = session.client.create_token(account, note=note, days=days, limits=limits)
    call.emit(found, lambda: f"The token of {found['account']}, shown this once:\n  {found['token']}")


def revoke(
    call: Call, number: Annotated[str, typer.Argument(metavar="TOKEN", help="The token's id")]
) -> None:
    """Make a token or session good for nothing."""
    with call.connected(writes=True) as session:
        session.client.revoke_token(number)
    call.emit({"revoked": number}, lambda: f"Revoked {number}.")
