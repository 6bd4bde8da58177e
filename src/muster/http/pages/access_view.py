"""Who is who and who may what, at the moment that a page shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from muster.domain import access, names
from muster.domain.access import Account, Team
from muster.domain.changes import Scope, SetAccount, SetRoles, SetTeam
from muster.domain.errors import Denied, NotFound
from muster.domain.snapshot import Records
from muster.http.api_checkpoints import check_sees_all
from muster.http.pages.page import Mark, Page
from muster.http.pages.reading import environments, model_record
from muster.service.accounts import Accounts
from muster.service.then import Then


@dataclass(frozen=True, slots=True)
class Person:
    """An account with its teams, and its roles on all of the registry."""

    account: Account
    href: str
    teams: tuple[str, ...]
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """Who has which roles at a place; `change` is where the form stands filled in for them."""

    subject: str
    href: str
    roles: tuple[str, ...]
    change: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where roles are given. `words` say of what; `barred` is why the visitor may give none."""

    scope: Scope
    name: str | None
    words: str
    href: str
    grants: Sequence[Grant]
    mark: Mark | None = None
    barred: Denied | None = None
    subject: str = ""
    held: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Whole:
    """All of it: people and services, teams, roles on the registry and in environments."""

    controlled: bool
    people: Sequence[Person]
    teams: Sequence[tuple[Team, str]]
    registry: Place
    environments: Sequence[Place]
    no_accounts: Denied | None
    no_teams: Denied | None


@dataclass(frozen=True, slots=True)
class One:
    """An account, and what it owns."""

    person: Person
    mark: Mark | None
    touched: str
    models: Sequence[tuple[str, str]]
    services: Sequence[tuple[str, str]]
    barred: Denied | None


@dataclass(frozen=True, slots=True)
class TeamView:
    """A team, and the roles on the models that it owns."""

    team: Team
    members: Sequence[tuple[str, str]]
    mark: Mark | None
    place: Place
    barred: Denied | None
    no_end: Denied | None


@contextmanager
def records(page: Page) -> Iterator[Records]:
    """The records of the moment that is shown."""
    registry = page.services.registry
    if page.at is not None:
        yield Then(page.at, page.services.past, registry.index, registry.history)
        return
    with registry.index.snapshot() as now:
        yield now


def whole(page: Page) -> Whole:
    """Everything about access. Raises Denied for who sees a part of the registry only."""
    check_sees_all(page.services, "who may what is about")
    with records(page) as then:
        accounts = [access.account_from_bytes(data) for _, data in then.documents(access.ACCOUNTS)]
        return Whole(
            controlled=access.controlled(then),
            people=[_person(page, then, each) for each in accounts],
            teams=[(each, page.to("access", "team", each.name)) for each in access.teams(then)],
            registry=_place(page, then, "registry", None),
            environments=[_place(page, then, "environment", each.name) for each in environments(page)],
            no_accounts=_barred(page, SetAccount("new", create=True)),
            no_teams=_barred(page, SetTeam("new", create=True)),
        )


def one(page: Page, name: str) -> One:
    """An account. Raises NotFound, and Denied for who sees a part of the registry only."""
    check_sees_all(page.services, "who may what is about")
    mark, touched = _touched(page, access.account_path(name))
    with records(page) as then:
        found = access.account(then, name)
        if found is None:
            raise NotFound("account", name)
        person = _person(page, then, found)
    index, gate = page.services.registry.index, page.services.gate
    models, owned = Accounts(index, gate).handing_over(name) if page.at is None else ([], [])
    return One(
        person,
        mark,
        touched,
        [(each, page.to("m", each)) for each in models],
        [(each, page.to("access", "account", each)) for each in owned],
        _barred(page, SetAccount(name)),
    )


def team(page: Page, name: str) -> TeamView:
    """A team. Raises NotFound, and Denied for who sees a part of the registry only."""
    check_sees_all(page.services, "who may what is about")
    with records(page) as then:
        found = access.team(then, name)
        if found is None:
            raise NotFound("team", name)
        return TeamView(
            found,
            [(each, page.to("access", "account", each)) for each in found.members],
            _touched(page, access.team_path(name))[0],
            _place(page, then, "team", name),
            _barred(page, SetTeam(name)),
            _barred(page, SetTeam(name, create=True)),
        )


def place_of_environment(page: Page, name: str) -> Place:
    """Who has which role in an environment. Raises NotFound and Denied."""
    check_sees_all(page.services, "who may what is about")
    if name not in {each.name for each in environments(page)}:
        raise NotFound("environment", name)
    with records(page) as then:
        return _place(page, then, "environment", name)


def place_of_model(page: Page, name: str) -> Place:
    """Who has which role on a model, for whoever sees it. Raises NotFound."""
    model_record(page, name)
    with records(page) as then:
        return _place(page, then, "model", name)


def _place(page: Page, then: Records, scope: Scope, name: str | None) -> Place:
    path, words, where = _where(scope, name or "")
    href = page.to(*where)
    subject = page.query.get("subject", "")
    grants = access.grants_at(then, path)
    return Place(
        scope,
        name,
        words,
        href,
        [
            Grant(each, _of(page, each), roles, page.to(*where, subject=each) + "#give")
            for each, roles in sorted(grants.items())
        ],
        _touched(page, path)[0],
        _barred(page, SetRoles(scope, name, "anybody", ())),
        subject,
        grants.get(subject, ()),
    )


def _where(scope: Scope, name: str) -> tuple[str, str, tuple[str, ...]]:
    """The path of the record that gives the roles, of what they are in words, the page's segments."""
    match scope:
        case "registry":
            return access.REGISTRY, "the registry", ("access",)
        case "environment":
            return access.environment_access_path(name), name, ("access", scope, name)
        case "team":
            return access.team_path(name), f"the models of team {name}", ("access", scope, name)
        case "model":
            return names.access_path(name), name, ("access", scope, name)


def _of(page: Page, subject: str) -> str:
    if subject.startswith(access.TEAM):
        return page.to("access", "team", subject.removeprefix(access.TEAM))
    return page.to("access", "account", subject)


def _person(page: Page, then: Records, found: Account) -> Person:
    return Person(
        found,
        page.to("access", "account", found.id),
        access.teams_of(then, found.id),
        access.roles_at(then, found.id, [access.REGISTRY]),
    )


def _touched(page: Page, path: str) -> tuple[Mark | None, str]:
    """The change that touched a record last, and its commit; for the present only."""
    found = None if page.at else page.services.registry.index.document(path)
    return (page.mark(found.by), found.by.commit) if found else (None, "")


def _barred(page: Page, change: SetAccount | SetTeam | SetRoles) -> Denied | None:
    return None if page.at else page.barred(change)
