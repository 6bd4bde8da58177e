"""Accounts, teams, roles: who may do what where, as records in the repository.

    access/registry.json               {"grants": {subject: [roles]}}; once it is there, access is controlled
    access/environments/<env>.json     the same for an environment
    models/<hh>/<name>/access.json     the same for a model
    access/teams/<team>.json           a team, and the roles on the models that belong to it
    access/accounts/<account>.json     a person, or a service with its owner and users

A subject is an account's id, or `team:<name>` for every member of that team. A model
belongs to the team that is its owner. Tokens, names and addresses are not here: what
is secret or personal never comes into the history.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import Final, Literal

from muster.domain import codec
from muster.domain.changes import Actor
from muster.domain.errors import Invalid
from muster.domain.names import access_path, actor_id, environment_name, segment
from muster.domain.records import Json, Model
from muster.domain.snapshot import Records, Snapshot

AccountKind = Literal["person", "service"]
ACCOUNT_KINDS: Final = ("person", "service")
TEAM: Final = "team:"
BREAK_GLASS: Final = "break-glass"

REGISTRY: Final = "access/registry.json"
TEAMS: Final = "access/teams"
ACCOUNTS: Final = "access/accounts"


class Right(IntEnum):
    """What may be done; whoever has one has those before it, at the same place."""

    NONE = 0
    READ = 1
    """See it, and send requests to what is served."""
    WRITE = 2
    """Register, describe, attach files, evaluate, move aliases and stages that no rule protects."""
    DEPLOY = 3
    """Deploy, roll back, take out of service."""
    MANAGE = 4
    """Delete, rename, say who else has which role there; an environment's rules."""
    ADMIN = 5
    """Everything, and who is who."""


ROLES: Final[Mapping[str, Right]] = {
    "viewer": Right.READ,
    "contributor": Right.WRITE,
    "deployer": Right.DEPLOY,
    "maintainer": Right.MANAGE,
    "admin": Right.ADMIN,
}
ALL_ROLES: Final = (*ROLES, BREAK_GLASS)

Grants = Mapping[str, tuple[str, ...]]
"""Subject → its roles, in the order of `ALL_ROLES`."""


@dataclass(frozen=True, slots=True)
class Team:
    """Some accounts. `claims` are the groups of the log-in service whose members belong to it, too."""

    name: str
    description: str = ""
    members: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    grants: Grants = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Account:
    """Who can be an actor. A service has an `owner`, and `users` who can act through it.

    `trusts` are pairs (issuer, subject): whoever shows a token that the issuer signed for
    that subject is the service, as CI systems do; a `*` at its end stands for anything.
    """

    id: str
    kind: AccountKind = "person"
    disabled: bool = False
    owner: str | None = None
    users: tuple[str, ...] = ()
    trusts: tuple[tuple[str, str], ...] = ()

    def trusts_in(self, issuer: str, subject: str) -> bool:
        """Whether that subject of that issuer is this service."""
        return any(
            issuer == each and (subject == whose or (whose[-1:] == "*" and subject.startswith(whose[:-1])))
            for each, whose in self.trusts
        )


# ------------------------------------------------------------ names and paths


def team_name(value: object, field: str = "team") -> str:
    """A team's name: as an environment's."""
    return environment_name(value, field)


def subject(value: object, field: str = "subject") -> str:
    """An account's id, or `team:<name>`."""
    if isinstance(value, str) and value.startswith(TEAM):
        return TEAM + team_name(value.removeprefix(TEAM), field)
    return actor_id(value, field)


def role(value: object, field: str = "role") -> str:
    """One of the roles."""
    if value not in ALL_ROLES or not isinstance(value, str):
        raise Invalid.one(field, value, f"must be one of {', '.join(ALL_ROLES)}")
    return value


def team_path(team: str) -> str:
    """The team's record in the repository."""
    return f"{TEAMS}/{team}.json"


def account_path(account: str) -> str:
    """The account's record in the repository."""
    return f"{ACCOUNTS}/{segment(account)}.json"


def environment_access_path(environment: str) -> str:
    """Who has which role in the environment."""
    return f"access/environments/{environment}.json"


def ordered(roles: Iterable[str]) -> tuple[str, ...]:
    """`roles`, each once, in the order of `ALL_ROLES`."""
    held = set(roles)
    return tuple(each for each in ALL_ROLES if each in held)


# ------------------------------------------------------------ files


def grants_to_bytes(grants: Grants) -> bytes:
    """The file of the roles at a place."""
    return codec.encode({"grants": _plain(grants)})


def _plain(grants: Grants) -> dict[str, Json]:
    return {each: list(roles) for each, roles in grants.items()}


def _grants(record: Mapping[str, Json]) -> Grants:
    return {each: tuple(roles) for each, roles in record.get("grants", {}).items()}


@lru_cache(maxsize=256)
def grants_from_bytes(data: bytes) -> Grants:
    """The reverse of `grants_to_bytes`."""
    return _grants(json.loads(data))


def team_to_bytes(team: Team) -> bytes:
    """The file of a team."""
    record: dict[str, Json] = {"name": team.name, "members": sorted(team.members)}
    if team.description:
        record["description"] = team.description
    if team.claims:
        record["claims"] = sorted(team.claims)
    if team.grants:
        record["grants"] = _plain(team.grants)
    return codec.encode(record)


@lru_cache(maxsize=256)
def team_from_bytes(data: bytes) -> Team:
    """The reverse of `team_to_bytes`."""
    record = json.loads(data)
    return Team(
        record["name"],
        record.get("description", ""),
        tuple(record.get("members", ())),
        tuple(record.get("claims", ())),
        _grants(record),
    )


def account_to_bytes(account: Account) -> bytes:
    """The file of an account."""
    record: dict[str, Json] = {"id": account.id, "kind": account.kind}
    if account.disabled:
        record["disabled"] = True
    if account.owner is not None:
        record["owner"] = account.owner
    if account.users:
        record["users"] = sorted(account.users)
    if account.trusts:
        record["trusts"] = [{"issuer": issuer, "subject": whose} for issuer, whose in sorted(account.trusts)]
    return codec.encode(record)


@lru_cache(maxsize=1024)
def account_from_bytes(data: bytes) -> Account:
    """The reverse of `account_to_bytes`."""
    record = json.loads(data)
    return Account(
        record["id"],
        record.get("kind", "person"),
        record.get("disabled", False),
        record.get("owner"),
        tuple(record.get("users", ())),
        tuple((each["issuer"], each["subject"]) for each in record.get("trusts", ())),
    )


# ------------------------------------------------------------ reading


def controlled(before: Records) -> bool:
    """Whether access is controlled: somebody has been given a role on the registry."""
    return before.document(REGISTRY) is not None


def account(before: Records, name: str) -> Account | None:
    """The account of that id."""
    data = before.document(account_path(name))
    return account_from_bytes(data) if data is not None else None


def team(before: Records, name: str) -> Team | None:
    """The team of that name."""
    data = before.document(team_path(name))
    return team_from_bytes(data) if data is not None else None


def teams(before: Records) -> Iterator[Team]:
    """All teams, by name."""
    return (team_from_bytes(data) for _, data in before.documents(TEAMS))


def grants_at(before: Records, path: str) -> Grants:
    """The roles that the record at `path` gives; none if it is not there."""
    data = before.document(path)
    if data is None:
        return {}
    return team_from_bytes(data).grants if path.startswith(TEAMS) else grants_from_bytes(data)


def is_member(before: Records, actor: str, name: str) -> bool:
    """Whether the account is of the team."""
    found = team(before, name)
    return found is not None and actor in found.members


def is_among(before: Records, actor: str, subjects: Iterable[str]) -> bool:
    """Whether the actor is one of `subjects`, or of a team that is; one whose account is disabled is not."""
    there = account(before, actor)
    if there is not None and there.disabled:
        return False
    return any(
        each == actor or (each.startswith(TEAM) and is_member(before, actor, each.removeprefix(TEAM)))
        for each in subjects
    )


def teams_of(before: Records, actor: str) -> tuple[str, ...]:
    """The names of the teams that the account is of."""
    return tuple(each.name for each in teams(before) if actor in each.members)


def roles_at(before: Records, actor: str, places: Iterable[str]) -> tuple[str, ...]:
    """The roles that the account has at any of `places` (paths of records with grants), by itself or a team.

    None without an account, or with one that is disabled.
    """
    there = account(before, actor)
    if there is None or there.disabled:
        return ()
    held: set[str] = set()
    for place in places:
        for each, roles in grants_at(before, place).items():
            if each == actor or (each.startswith(TEAM) and is_member(before, actor, each.removeprefix(TEAM))):
                held.update(roles)
    return ordered(held)


def right_of(roles: Iterable[str]) -> Right:
    """The highest right that any of the roles gives."""
    return max((ROLES[each] for each in roles if each in ROLES), default=Right.NONE)


def places_of(model: str, owner: str | None) -> list[str]:
    """Where roles on a model are given: for all the registry, its team's models, and it alone."""
    found = [REGISTRY, access_path(model)]
    if owner is not None and owner.startswith(TEAM):
        found.append(team_path(owner.removeprefix(TEAM)))
    return found


def limited(right: Right, actor: Actor, model: str | None = None, environment: str | None = None) -> Right:
    """`right`, as far as the actor's token is good for it there; for None at every place."""
    limits = actor.limits
    if limits is None:
        return right
    if not limits.covers(model, environment):
        return Right.NONE
    return min(right, ROLES[limits.role] if limits.role else Right.NONE)


def right_on(before: Snapshot, actor: Actor, model: Model | str, environment: str | None = None) -> Right:
    """What the actor may do with the model, in `environment` if that matters."""
    if isinstance(model, str):
        found = before.model(model)
        owner = found.owner if found is not None and not found.deleted else None
        return right_on_owned(before, actor, model, owner, environment)
    return right_on_owned(before, actor, model.name, model.owner, environment)


def right_on_owned(
    before: Snapshot, actor: Actor, model: str, owner: str | None, environment: str | None = None
) -> Right:
    """The same for a model that has, or is to have, that owner."""
    held = right_of(roles_at(before, actor.name, places_of(model, owner)))
    return limited(held, actor, model, environment)


def right_in(before: Snapshot, actor: Actor, environment: str, model: str | None = None) -> Right:
    """What the actor may do in the environment, with `model` if it is about one."""
    held = right_of(roles_at(before, actor.name, [REGISTRY, environment_access_path(environment)]))
    return limited(held, actor, model, environment)


def right_for_team(before: Snapshot, actor: Actor, name: str) -> Right:
    """What the actor may do with the team and all its models."""
    return limited(right_of(roles_at(before, actor.name, [REGISTRY, team_path(name)])), actor)


def right_anywhere(before: Snapshot, actor: Actor) -> Right:
    """What the actor may do with all of the registry."""
    return limited(right_of(roles_at(before, actor.name, [REGISTRY])), actor)
