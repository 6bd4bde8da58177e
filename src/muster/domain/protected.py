"""Which approvals a change needs: said by what it writes, so that no other way to the same files avoids them.

An environment may demand approvals. They are needed for

    what says that a version is in it   its deployment, a stage, an alias: see `acts`
    files and facts of what is there    which come late into a version that is in it
    environments/<env>.json             its rules
    access/…                            its roles, those on the registry that hold in it, teams that it names
    policies/…  requirements/…          rules that hold everywhere
    bans/…                              when one is lifted

Going back to a version that ran there before needs none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from muster.domain import access, codec
from muster.domain import changes as c
from muster.domain.access import Right
from muster.domain.acts import Act, acts
from muster.domain.names import environment_path
from muster.domain.records import Environment, Version
from muster.domain.snapshot import Plan, Snapshot

_EVERYWHERE: Final = ("policies", "requirements")
_TEAM: Final = re.compile(r"\bteam:([a-z][a-z0-9_-]{0,62})")


@dataclass(frozen=True, slots=True, order=True)
class Demand:
    """An environment demands `count` approvals of members of `team`."""

    environment: str
    team: str
    count: int

    def __str__(self) -> str:
        number = "1 approval" if self.count == 1 else f"{self.count} approvals"
        return f"{number} of {self.team}"


def demands_of(environment: Environment) -> tuple[Demand, ...]:
    """What an environment demands, as its rules are now."""
    return tuple(Demand(environment.name, each.team, each.count) for each in environment.rules.approvals)


def demanding(before: Snapshot) -> dict[str, Environment]:
    """The environments that demand approvals, by name."""
    return {each.name: each for each in before.every_environment() if each.rules.approvals}


def demanded(
    change: c.Change, planned: Plan, before: Snapshot, done: tuple[Act, ...] | None = None
) -> tuple[Demand, ...]:
    """The approvals that a change needs as the rules are now; () if it needs none.

    `done` are its acts, for who has them already.
    """
    there = demanding(before)
    if not there:
        return ()
    done = acts(change, planned, before) if done is None else done
    touched = {each.environment.name for each in done if each.way != "back"}
    for path, data in planned.edits.items():
        touched.update(_touched(path, data, before, there))
    return tuple(each for name in sorted(touched & there.keys()) for each in demands_of(there[name]))


def _touched(
    path: str, data: bytes | None, before: Snapshot, there: Mapping[str, Environment]
) -> Iterator[str]:
    """The environments whose rules hold for what is written at `path`, where versions are left out."""
    match path.split("/"):
        case ["environments", _]:
            yield from (name for name in there if path == environment_path(name))
        case ["models", _, _, "versions", _, "version.json"] if data is not None:
            yield from _completed(codec.version_from_dict(codec.decode(data)), before, there)
        case ["access", *_]:
            yield from _entitled(path, data, before, there)
        case [root, _, *_] if root in _EVERYWHERE or (root == "bans" and data is None):
            yield from there


def _completed(new: Version, before: Snapshot, there: Mapping[str, Environment]) -> Iterator[str]:
    """Where a version is that is opened for files, or fixed with them."""
    if new.state == "deleted":
        return
    running = {each.environment for each in before.deployments_of(new.model) if each.version == new.number}
    found = [
        name
        for name, environment in there.items()
        if name in running or new.stage in environment.protected_stages
    ]
    # Asked last: most versions are in none.
    old = before.version(new.model, new.number) if found else None
    if old is not None and old.state != new.state:
        yield from found


def _entitled(
    path: str, data: bytes | None, before: Snapshot, there: Mapping[str, Environment]
) -> Iterator[str]:
    if path == access.REGISTRY and before.document(path) is None:
        return  # access is not controlled yet: there is nobody who could approve that it is
    if path == access.REGISTRY and _of_weight(before.document(path)) != _of_weight(data):
        yield from there
    for name, environment in there.items():
        named = {access.team_path(team) for team in named_teams(environment)}
        moved = path in named and _belonging(before.document(path)) != _belonging(data)
        if moved or path == access.environment_access_path(name):
            yield name


def named_teams(environment: Environment) -> frozenset[str]:
    """The teams that an environment's rules name: who approves, deploys, rolls back, measures."""
    rules = environment.rules
    said = " ".join((*rules.deploy, *rules.rollback, *rules.evidence))
    return frozenset(_TEAM.findall(said)) | {each.team for each in rules.approvals}


def _belonging(data: bytes | None) -> object:
    """What says who is of the team."""
    team = access.team_from_bytes(data) if data else None
    return team and (sorted(team.members), sorted(team.claims))


def _of_weight(data: bytes | None) -> dict[str, tuple[str, ...]]:
    """The roles on the registry that let somebody change what runs in any environment."""
    grants = access.grants_from_bytes(data) if data else {}
    weighty = {
        subject: tuple(role for role in roles if access.ROLES.get(role, Right.ADMIN) >= Right.DEPLOY)
        for subject, roles in grants.items()
    }
    return {subject: roles for subject, roles in weighty.items() if roles}
