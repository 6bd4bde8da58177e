"""Plans for accounts, teams and roles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from muster.domain import access
from muster.domain import changes as c
from muster.domain.access import Account, Grants, Right, Team
from muster.domain.errors import Conflict, Immutable, Invalid, NotFound, Taken
from muster.domain.names import access_path
from muster.domain.placing import environment_of
from muster.domain.plan import check_expected, live_model, plan
from muster.domain.rule_references import check_team_unnamed
from muster.domain.snapshot import Plan, Snapshot


def place(before: Snapshot, change: c.SetRoles) -> str:
    """The path of the record that holds the roles there. Raises NotFound."""
    if change.scope == "registry":
        return access.REGISTRY
    if change.name is None:
        raise Invalid.one("name", None, f"must name the {change.scope}")
    if change.scope == "environment":
        return access.environment_access_path(environment_of(before, change.name).name)
    if change.scope == "team":
        return access.team_path(team_of(before, change.name).name)
    return access_path(live_model(before, change.name).name)


def team_of(before: Snapshot, name: str) -> Team:
    """The team. Raises NotFound."""
    found = access.team(before, name)
    if found is None:
        raise NotFound("team", name)
    return found


def account_of(before: Snapshot, name: str) -> Account:
    """The account. Raises NotFound."""
    found = access.account(before, name)
    if found is None:
        raise NotFound("account", name)
    return found


def admins(before: Snapshot, grants: Grants, without: str | None = None) -> list[str]:
    """The enabled accounts that are admin of the registry by these grants."""
    found: list[str] = []
    for subject, roles in grants.items():
        if access.right_of(roles) < Right.ADMIN:
            continue
        if subject.startswith(access.TEAM):
            team = access.team(before, subject.removeprefix(access.TEAM))
            found += team.members if team else ()
        else:
            found.append(subject)
    return [
        name
        for name in dict.fromkeys(found)
        if name != without and (there := access.account(before, name)) is not None and not there.disabled
    ]


def _check_admins(left: Iterable[str]) -> None:
    if not list(left):
        raise Immutable("nobody would be admin of the registry any more; make somebody else admin first")


def _check_subject(before: Snapshot, subject: str) -> None:
    if subject.startswith(access.TEAM):
        team_of(before, subject.removeprefix(access.TEAM))
    else:
        account_of(before, subject)


@plan.register
def _(change: c.BeginAccess, before: Snapshot) -> Plan:
    if access.controlled(before):
        raise Conflict("access is controlled already")
    there = access.account(before, change.admin)
    admin = replace(there, disabled=False) if there else Account(change.admin)
    return Plan(
        f"Control access, with {change.admin} as admin",
        edits={
            access.REGISTRY: access.grants_to_bytes({change.admin: ("admin",)}),
            access.account_path(change.admin): access.account_to_bytes(admin),
        },
    )


@plan.register
def _(change: c.SetRoles, before: Snapshot) -> Plan:
    if not access.controlled(before):
        raise Conflict("access is not controlled yet: `muster access begin` makes the first admin")
    path = place(before, change)
    check_expected(before.document_touched(path), change.expected)
    grants = dict(access.grants_at(before, path))
    roles = access.ordered(change.roles)
    model = change.name if change.scope == "model" else None
    environment = change.name if change.scope == "environment" else None
    if grants.get(change.subject, ()) == roles:
        return Plan("", model, environment=environment)
    if roles:
        _check_subject(before, change.subject)
    before_this = grants.pop(change.subject, ())
    if roles:
        grants[change.subject] = roles
    if change.scope == "registry":
        _check_admins(admins(before, grants))
    where = "the registry" if change.name is None else f"{change.scope} {change.name}"
    if change.scope == "team":
        where = f"the models of team {change.name}"
    told = f"Make {change.subject} {' and '.join(roles)} of {where}"
    if not roles:
        told = f"Take {' and '.join(before_this)} of {where} from {change.subject}"
    if change.scope == "team" and change.name is not None:
        data = access.team_to_bytes(replace(team_of(before, change.name), grants=grants))
    else:
        data = access.grants_to_bytes(grants)
    emptied = not grants and change.scope in ("environment", "model")
    return Plan(told, model, environment=environment, edits={path: None if emptied else data})


@plan.register
def _(change: c.SetTeam, before: Snapshot) -> Plan:
    path = access.team_path(change.team)
    old = access.team(before, change.team)
    if change.create and old is not None:
        raise Taken("team", change.team)
    if not change.create and old is None:
        raise NotFound("team", change.team)
    check_expected(before.document_touched(path), change.expected)
    for name in change.add:
        account_of(before, name)
    there = old or Team(change.team)
    members = tuple(sorted({*there.members, *change.add} - set(change.remove)))
    new = replace(
        there,
        members=members,
        description=there.description if change.description == c.UNSET else change.description,
        claims=there.claims if change.claims == c.UNSET else tuple(sorted(set(change.claims))),
    )
    if new == old:
        return Plan("")
    if old is not None and set(old.members) - set(members):
        _check_admins(_left(before, new))
    return Plan(_told(old, new), edits={path: access.team_to_bytes(new)})


def _left(before: Snapshot, new: Team | None, gone: str = "") -> list[str]:
    """The admins once the team is `new`, or, without, gone; everybody where access is not controlled."""
    if not access.controlled(before):
        return ["everybody"]
    grants = access.grants_at(before, access.REGISTRY)
    name = new.name if new else gone
    subject = f"{access.TEAM}{name}"
    others = {each: roles for each, roles in grants.items() if each != subject}
    found = admins(before, others)
    if new is not None and access.right_of(grants.get(subject, ())) == Right.ADMIN:
        found += [each for each in new.members if not account_of(before, each).disabled]
    return found


def _told(old: Team | None, new: Team) -> str:
    if old is None:
        return f"Create team {new.name}"
    came = sorted(set(new.members) - set(old.members))
    went = sorted(set(old.members) - set(new.members))
    parts = [f"{word} {', '.join(names)}" for word, names in (("adding", came), ("removing", went)) if names]
    return f"Update team {new.name}" + (f", {' and '.join(parts)}" if parts else "")


@plan.register
def _(change: c.DeleteTeam, before: Snapshot) -> Plan:
    team_of(before, change.team)
    path = access.team_path(change.team)
    check_expected(before.document_touched(path), change.expected)
    check_team_unnamed(change.team, before)
    _check_admins(_left(before, None, change.team))
    subject = f"{access.TEAM}{change.team}"
    edits: dict[str, bytes | None] = {path: None}
    for place, data in before.documents("access"):
        if place == access.REGISTRY or place.startswith("access/environments/"):
            grants = access.grants_from_bytes(data)
            if subject in grants:
                edits[place] = access.grants_to_bytes({k: v for k, v in grants.items() if k != subject})
    return Plan(f"Delete team {change.team}", edits=edits)


@plan.register
def _(change: c.SetAccount, before: Snapshot) -> Plan:
    path = access.account_path(change.account)
    old = access.account(before, change.account)
    if change.create and old is not None:
        raise Taken("account", change.account)
    if not change.create and old is None:
        raise NotFound("account", change.account)
    check_expected(before.document_touched(path), change.expected)
    there = old or Account(change.account)
    new = Account(
        change.account,
        there.kind if change.account_kind == c.UNSET else change.account_kind,
        there.disabled if change.disabled == c.UNSET else change.disabled,
        there.owner if change.owner == c.UNSET else change.owner,
        there.users if change.users == c.UNSET else tuple(sorted(set(change.users))),
        there.trusts if change.trusts == c.UNSET else tuple(sorted(set(change.trusts))),
    )
    _check_account(before, old, new)
    if new == old:
        return Plan("")
    verb = "Create" if old is None else "Update"
    if old is not None and old.disabled != new.disabled:
        verb = "Disable" if new.disabled else "Enable"
    what = "service account" if new.kind == "service" else "account"
    return Plan(f"{verb} {what} {new.id}", edits={path: access.account_to_bytes(new)})


def _check_account(before: Snapshot, old: Account | None, new: Account) -> None:
    if old is not None and old.kind != new.kind:
        raise Immutable(f"{new.id} is a {old.kind} and stays one: the history says what it did as such")
    if new.kind == "person" and (new.owner is not None or new.users or new.trusts):
        raise Invalid.one("owner", new.owner, "goes with service accounts only, as do users and trusts")
    if new.kind == "service" and new.owner is None:
        raise Invalid.one("owner", None, "must say who answers for a service account")
    for name in (new.owner, *new.users):
        if name is not None and account_of(before, name).kind == "service":
            raise Invalid.one("owner", name, "must be a person")
    if new.disabled and old is not None and not old.disabled and access.controlled(before):
        _check_admins(admins(before, access.grants_at(before, access.REGISTRY), without=new.id))
