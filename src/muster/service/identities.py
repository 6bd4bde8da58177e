"""Who asks: tokens and sessions, and the port to where they are kept, outside of the registry.

What an account may do is in the repository (`domain.access`); what proves that somebody
is it, and names and addresses of people, never are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from muster.domain.changes import Limits

Proof = Literal["token", "oidc"]


@dataclass(frozen=True, slots=True)
class Credential:
    """A token or a session, but for its secret. Times are UTC; without `expires` it lasts until revoked.

    `once` is one that is good for one request only.
    """

    id: str
    account: str
    kind: Literal["token", "session"]
    proof: Proof
    note: str
    limits: Limits | None
    created: datetime
    expires: datetime | None = None
    last_used: datetime | None = None
    once: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of the person behind an account; never in the history."""

    account: str
    full_name: str = ""
    email: str = ""
    issuer: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Going:
    """Somebody on the way to the log-in service: where to, and what proves that it is they who come back."""

    url: str
    state: str
    nonce: str
    verifier: str
    back: str


@dataclass(frozen=True, slots=True)
class Claims:
    """What a log-in service says of somebody: who they are there, and what they belong to."""

    issuer: str
    subject: str
    account: str
    groups: tuple[str, ...] = ()
    full_name: str = ""
    email: str = ""


class LogIn(Protocol):
    """The log-in service of an organisation."""

    def go(self, back: str) -> Going:
        """Where to send somebody to log in, who comes back to the address `back`. Raises Unavailable."""
        ...

    def came(self, going: Going, code: str) -> Claims:
        """Who came back with `code`. Raises Unauthenticated and Unavailable."""
        ...


class Issuers(Protocol):
    """Whoever signs tokens for programs."""

    def verified(
        self, token: str, issuer: str, audience: str, nonce: str | None = None
    ) -> Mapping[str, object]:
        """The claims of a token that `issuer` signed for `audience`. Raises Unauthenticated, Unavailable."""
        ...

    def close(self) -> None:
        """Close what connections there are."""
        ...


class Credentials(Protocol):
    """The credentials of a home, by the sha256 of their secrets. Any thread may call; all is durable."""

    def add(self, credential: Credential, digest: bytes) -> None:
        """Keep a credential, known from then on by the sha256 of its secret."""
        ...

    def by_digest(self, digest: bytes) -> Credential | None:
        """The credential whose secret has that sha256, be it expired."""
        ...

    def of(self, account: str | None = None) -> Sequence[Credential]:
        """Those of an account, or all; oldest first."""
        ...

    def used(self, id: str, at: datetime) -> None:  # noqa: A002  what it is called everywhere
        """Note when it was last used; need not be durable at once."""
        ...

    def revoke(self, id: str) -> Credential | None:  # noqa: A002
        """It is good for nothing from now on; what it was, None if there is none."""
        ...

    def revoke_all(self, account: str) -> int:
        """The same for all of an account; how many."""
        ...

    def profile(self, account: str) -> Profile | None: ...

    def set_profile(self, profile: Profile) -> None: ...

    def account_of(self, issuer: str, subject: str) -> str | None:
        """The account that somebody at a log-in service has here."""
        ...
