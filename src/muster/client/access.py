"""Who is who and who may what: accounts, teams, roles, tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from muster.client.calls import given, path
from muster.client.proof import Proofs
from muster.client.tables import Board, Record


class Access(Proofs):
    """The methods about access. A write takes `reason`, and with `dry_run` only says what it would do."""

    def me(self) -> Record:
        """Who this client is to the server, and its roles on the registry."""
        return self.calls.record(path("me"))

    def begin_access(self, admin: str, *, reason: str = "") -> Record:
        """Control access from now on. The answer's `token` is the first admin's, shown this once."""
        return self.calls.write("POST", path("access"), given(admin=admin, reason=reason))

    def log_in_job(self, token: str, issuer: str) -> Record:
        """Exchange the token that a CI system gave this job for one of an hour, under `token`."""
        return self.calls.write("POST", path("login"), {"token": token, "issuer": issuer})

    # ------------------------------------------------------------ accounts

    def accounts(self, *, limit: int | None = None) -> Board:
        """All accounts, by id."""
        return self.calls.board(path("accounts"), limit)

    def account(self, name: str) -> Record:
        """An account with its teams and its roles on the registry."""
        return self.calls.record(path("accounts", name))

    def create_account(
        self,
        name: str,
        *,
        kind: str = "person",
        owner: str | None = None,
        users: Sequence[str] = (),
        trusts: Sequence[Mapping[str, str]] = (),
        reason: str = "",
        dry_run: bool = False,
    ) -> Record:
        """Make an account; a `service` has an owner, users who can act through it, and CI that it trusts.

        Each of `trusts` holds `issuer` and `subject` of the tokens of a CI system.
        """
        body = given(id=name, kind=kind, owner=owner, reason=reason)
        body |= given(users=list(users) or None, trusts=list(trusts) or None)
        return self.calls.write("POST", path("accounts"), body, dry_run=dry_run)

    def update_account(
        self, name: str, changes: Mapping[str, Any], *, reason: str = "", dry_run: bool = False
    ) -> Record:
        """Change `disabled`, `owner`, `users`, `trusts`. Disabled, it loses its tokens and sessions at once.

        The answer then says under `handing_over` what it owns.
        """
        body = dict(changes) | given(reason=reason)
        return self.calls.write("PATCH", path("accounts", name), body, dry_run=dry_run)

    # ------------------------------------------------------------ teams

    def teams(self, *, limit: int | None = None) -> Board:
        """All teams, by name."""
        return self.calls.board(path("teams"), limit)

    def team(self, name: str) -> Record:
        """A team: its members, and the roles on the models that it owns."""
        return self.calls.record(path("teams", name))

    def create_team(
        self,
        name: str,
        *,
        description: str = "",
        members: Sequence[str] = (),
        claims: Sequence[str] = (),
        reason: str = "",
        dry_run: bool = False,
    ) -> Record:
        """Make a team; `claims` are groups of the log-in service whose members belong to it."""
        body: dict[str, Any] = given(name=name, description=description, reason=reason)
        body |= {"members": list(members), "claims": list(claims)}
        return self.calls.write("POST", path("teams"), body, dry_run=dry_run)

    def update_team(
        self, name: str, changes: Mapping[str, Any], *, reason: str = "", dry_run: bool = False
    ) -> Record:
        """Change `description` and `claims`; `add` and `remove` members."""
        body = dict(changes) | given(reason=reason)
        return self.calls.write("PATCH", path("teams", name), body, dry_run=dry_run)

    def delete_team(self, name: str, *, reason: str = "", dry_run: bool = False) -> Record:
        """Delete a team, and the roles that it has on the registry and in environments."""
        return self.calls.write("DELETE", path("teams", name), reason=reason, dry_run=dry_run)

    # ------------------------------------------------------------ roles

    def roles(self, scope: str = "registry", name: str | None = None) -> Record:
        """Who has which role on the registry, in an `environment`, on a `team`'s models, on a `model`."""
        return self.calls.record(path("roles"), scope=scope, name=name)

    def set_roles(
        self,
        subject: str,
        roles: Sequence[str],
        scope: str = "registry",
        name: str | None = None,
        *,
        reason: str = "",
        dry_run: bool = False,
    ) -> Record:
        """Have `subject` (an account, or `team:NAME`) have just these roles there; none takes them away."""
        body = given(subject=subject, scope=scope, name=name, reason=reason) | {"roles": list(roles)}
        return self.calls.write("PUT", path("roles"), body, dry_run=dry_run)

    # ------------------------------------------------------------ tokens

    def tokens(self, account: str | None = None, *, limit: int | None = None) -> Board:
        """The tokens and sessions of an account; without one one's own, or for an admin all."""
        return self.calls.board(path("tokens"), limit, account=account)

    def create_token(
        self,
        account: str | None = None,
        *,
        note: str = "",
        days: float | None = None,
        limits: Mapping[str, Any] | None = None,
    ) -> Record:
        """Give out a token of an account, or of one's own; its `token` is shown this once.

        `limits` are `role` (at most; None: only requests to what is served), `models`
        and `environments`.
        """
        body = given(account=account, note=note, days=days, limits=limits)
        return self.calls.write("POST", path("tokens"), body)

    def revoke_token(self, number: str) -> None:
        """Make a token or session good for nothing."""
        self.calls.write("DELETE", path("tokens", number))
