"""Logging in by what an organisation's own log-in service says; programs, by what their CI says."""

from __future__ import annotations

import re
import threading
import time
from datetime import timedelta
from typing import Final

from muster.domain import access
from muster.domain.access import Account
from muster.domain.changes import Actor, SetAccount, SetTeam
from muster.domain.errors import Denied, Unauthenticated
from muster.service.gate import Gate
from muster.service.identities import Claims, Credential, Going, Issuers, LogIn, Profile
from muster.service.registry import Registry

SESSION: Final = timedelta(hours=12)
JOB: Final = timedelta(hours=1)
_MUSTER: Final = Actor("muster", internal=True)
_WAY_S: Final = 600.0  # that somebody may take to log in
_ON_THEIR_WAY: Final = 10_000


class Entrance:
    """People come in through the log-in service, if there is one, and programs with tokens of their CI."""

    def __init__(
        self,
        registry: Registry,
        gate: Gate,
        service: LogIn | None,
        issuers: Issuers,
        *,
        audience: str,
        makes_accounts: bool,
    ) -> None:
        """Tokens of CI are for `audience`. Who has no account gets one if it `makes_accounts`."""
        self._registry = registry
        self._gate = gate
        self._service = service
        self._issuers = issuers
        self._audience = audience
        self._makes_accounts = makes_accounts
        self._going: dict[str, tuple[float, Going, bytes, str]] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close what connections there are."""
        self._issuers.close()

    @property
    def has_service(self) -> bool:
        """Whether there is a log-in service."""
        return self._service is not None

    def go(self, back: str, browser: bytes, to: str) -> str:
        """Where to send a browser to log in; it comes back to the address `back` and goes on to `to`.

        Raises:
            Unavailable: the service does not answer.
            Denied: there is none.
        """
        if self._service is None:
            raise Denied.one("log-in", "this registry has no log-in service", "log in with a token")
        going = self._service.go(back)
        now = time.monotonic()
        with self._lock:
            self._going = {key: each for key, each in self._going.items() if now - each[0] < _WAY_S}
            if len(self._going) < _ON_THEIR_WAY:
                self._going[going.state] = (now, going, browser, to)
        return going.url

    def came(self, state: str, code: str, browser: bytes) -> tuple[str, str]:
        """The session of who came back, and where they wanted to go.

        Raises:
            Unauthenticated: it is not who went, or the service does not say who it is.
        """
        with self._lock:
            found = self._going.pop(state, None)
        if found is None or found[2] != browser or self._service is None:
            raise Unauthenticated("this log-in was not begun in this browser, or too long ago; begin again")
        claims = self._service.came(found[1], code)
        account = self._account(claims)
        self._belong(account, claims.groups)
        secret, _ = self._gate.give(account, kind="session", proof="oidc", note="browser", lasts=SESSION)
        return secret, found[3]

    def job(self, token: str, issuer: str) -> tuple[str, Credential]:
        """A token for an hour, for the service account that trusts what `issuer` signed.

        Raises:
            Unauthenticated: the token is not good, or no account trusts it.
        """
        trusting = [each for each in self._services() if any(issuer == one for one, _ in each.trusts)]
        if not trusting:
            raise Unauthenticated(f"no service account here trusts {issuer}")
        claims = self._issuers.verified(token, issuer, self._audience)
        subject = str(claims["sub"])
        for each in trusting:
            if each.trusts_in(issuer, subject) and not each.disabled:
                return self._gate.give(each.id, proof="oidc", note=f"{subject} of {issuer}"[:256], lasts=JOB)
        raise Unauthenticated(f"no service account here trusts {subject!r} of {issuer}")

    def _services(self) -> list[Account]:
        found = self._registry.index.documents(access.ACCOUNTS)
        return [access.account_from_bytes(each.record) for each in found]

    def _account(self, claims: Claims) -> str:
        """The account of who the service says it is; a new one if there is none."""
        known = self._gate.credentials.account_of(claims.issuer, claims.subject)
        if known is None:
            known = re.sub(r"[^A-Za-z0-9._@+-]", "-", claims.account)[:128].lstrip("._@+-")
            if self._registry.index.document(access.account_path(known)) is not None:
                raise Denied.one(
                    "log-in",
                    f"the account {known} is somebody else's, or was made before this log-in service",
                    "an admin can link it: muster user link",
                )
            if not self._makes_accounts:
                raise Denied.one("log-in", f"there is no account {known}", "an admin can make one")
            change = SetAccount(known, "person", create=True)
            self._registry.submit(change, _MUSTER, f"first log-in through {claims.issuer}").result()
        profile = Profile(known, claims.full_name, claims.email, claims.issuer, claims.subject)
        self._gate.credentials.set_profile(profile)
        return known

    def _belong(self, account: str, groups: tuple[str, ...]) -> None:
        """Have the account belong to the teams of its groups, and to no other that has groups."""
        for document in self._registry.index.documents(access.TEAMS):
            team = access.team_from_bytes(document.record)
            if not team.claims:
                continue
            belongs, there = bool(set(team.claims) & set(groups)), account in team.members
            if belongs != there:
                change = SetTeam(
                    team.name, add=(account,) if belongs else (), remove=() if belongs else (account,)
                )
                self._registry.submit(change, _MUSTER, "as the log-in service says").result()
