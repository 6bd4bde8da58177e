"""Accounts, teams, roles and tokens as people ask for them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from muster.domain import access
from muster.domain.access import Account, Right, Team
from muster.domain.changes import Actor, Limits
from muster.domain.errors import Denied, NotFound
from muster.domain.messages import rfc3339
from muster.domain.records import Json
from muster.service.gate import Gate
from muster.service.identities import Credential
from muster.service.ports import IndexReads
from muster.service.values import Document, Logged


@dataclass(frozen=True, slots=True)
class Standing:
    """Who somebody is here: their account, teams, and roles on all of the registry."""

    account: Account
    teams: tuple[str, ...]
    roles: tuple[str, ...]

    def view(self) -> dict[str, Json]:
        """It as the API shows it."""
        return account_view(self.account) | {"teams": list(self.teams), "roles": list(self.roles)}


class Accounts:
    """Reads of who is who, and the tokens that prove it."""

    def __init__(self, index: IndexReads, gate: Gate) -> None:
        self._index = index
        self._gate = gate

    # ------------------------------------------------------------ who is who

    def accounts(self) -> list[Document]:
        """The records of all accounts, by path."""
        return self._index.documents(access.ACCOUNTS)

    def account(self, name: str) -> tuple[Standing, Logged]:
        """An account and the change that touched it last. Raises NotFound."""
        found = self._index.document(access.account_path(name))
        if found is None:
            raise NotFound("account", name)
        return self.standing(access.account_from_bytes(found.record)), found.by

    def standing(self, account: Account) -> Standing:
        """The account with its teams and roles."""
        with self._index.snapshot() as now:
            teams = access.teams_of(now, account.id)
            return Standing(account, teams, access.roles_at(now, account.id, [access.REGISTRY]))

    def teams(self) -> list[Team]:
        """All teams, by name."""
        return [access.team_from_bytes(each.record) for each in self._index.documents(access.TEAMS)]

    def team(self, name: str) -> tuple[Team, Logged]:
        """A team and the change that touched it last. Raises NotFound."""
        found = self._index.document(access.team_path(name))
        if found is None:
            raise NotFound("team", name)
        return access.team_from_bytes(found.record), found.by

    def handing_over(self, name: str) -> tuple[list[str], list[str]]:
        """The models and service accounts that somebody owns, for others to take over."""
        models = [model.name for model in self._index.models(owner=name, limit=2**31)]
        owned = (access.account_from_bytes(each.record) for each in self.accounts())
        return models, [each.id for each in owned if each.owner == name]

    def recorded(self, logged: Sequence[Logged]) -> None:
        """Take the credentials of whoever was disabled: a listener of the committer's."""
        for each in logged:
            if each.entry.kind != "account":
                continue
            for path in each.entry.records:
                found = self._index.document(path)
                account = access.account_from_bytes(found.record) if found else None
                if account is not None and account.disabled:
                    self._gate.credentials.revoke_all(account.id)

    # ------------------------------------------------------------ tokens

    def tokens(self, actor: Actor, account: str | None) -> list[Credential]:
        """The tokens and sessions of an account; without one the actor's own, or for an admin all.

        Raises:
            Denied: they are not the actor's to see.
        """
        if account is None and self._gate.right_anywhere(actor) < Right.ADMIN:
            account = actor.name
        if account is not None:
            self._check(actor, account)
        return list(self._gate.credentials.of(account))

    def give(
        self, actor: Actor, account: str, note: str, limits: Limits | None, lasts: timedelta | None
    ) -> tuple[str, Credential]:
        """A new token of an account.

        Raises:
            Denied: it is not the actor's to give.
            NotFound: there is no such account.
        """
        self._check(actor, account)
        if actor.limits is not None and not _within(limits, actor.limits):
            raise Denied.one("token", "a token gives out no token that is good for more than itself")
        return self._gate.give(account, note=note, limits=limits, lasts=lasts)

    def revoke(self, actor: Actor, number: str) -> Credential:
        """A token is good for nothing from now on. Raises NotFound, for others' too."""
        found = next((each for each in self._gate.credentials.of() if each.id == number), None)
        if found is None:
            raise NotFound("token", number)
        try:
            self._check(actor, found.account)
        except Denied:
            raise NotFound("token", number) from None
        self._gate.credentials.revoke(number)
        return found

    def _check(self, actor: Actor, account: str) -> None:
        """Let pass whose the account's tokens are: itself, admins, and whoever a service has."""
        if account == actor.name or self._gate.right_anywhere(actor) >= Right.ADMIN:
            return
        found = self._index.document(access.account_path(account))
        there = access.account_from_bytes(found.record) if found else None
        if there is not None and actor.name in (there.owner, *there.users):
            return
        raise Denied.one(
            "token", f"the tokens of {account} are not {actor.name}'s to give", "an admin can give them out"
        )


def _within(limits: Limits | None, outer: Limits) -> bool:
    if limits is None:
        return False
    lower = access.right_of([limits.role or ""]) <= access.right_of([outer.role or ""])
    models = not outer.models or (bool(limits.models) and set(limits.models) <= set(outer.models))
    places = not outer.environments or (
        bool(limits.environments) and set(limits.environments) <= set(outer.environments)
    )
    return lower and models and places


def account_view(account: Account) -> dict[str, Json]:
    """An account as the API shows it."""
    view: dict[str, Json] = {"id": account.id, "kind": account.kind, "disabled": account.disabled}
    if account.kind == "service":
        view |= {"owner": account.owner, "users": list(account.users)}
        view["trusts"] = [{"issuer": issuer, "subject": whose} for issuer, whose in account.trusts]
    return view


def team_view(team: Team) -> dict[str, Json]:
    """A team as the API shows it; `grants` are the roles on the models that it owns."""
    return {
        "name": team.name,
        "description": team.description,
        "members": list(team.members),
        "claims": list(team.claims),
        "grants": {subject: list(roles) for subject, roles in team.grants.items()},
    }


def token_view(credential: Credential) -> dict[str, Json]:
    """A token as the API shows it: never its secret."""
    limits = credential.limits
    return {
        "id": credential.id,
        "account": credential.account,
        "kind": credential.kind,
        "note": credential.note,
        "limits": None
        if limits is None
        else {
            "role": limits.role,
            "models": list(limits.models),
            "environments": list(limits.environments),
        },
        "created": rfc3339(credential.created),
        "expires": credential.expires and rfc3339(credential.expires),
        "last_used": credential.last_used and rfc3339(credential.last_used),
    }


def grants_of(found: Document | None) -> dict[str, list[str]]:
    """The roles that a record gives, as the API shows them."""
    grants: dict[str, list[str]] = json.loads(found.record).get("grants", {}) if found else {}
    return grants
