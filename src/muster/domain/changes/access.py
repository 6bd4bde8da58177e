"""What can happen to accounts, teams and roles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from muster.domain.changes.base import UNSET, Change, Unset

Scope = Literal["registry", "environment", "team", "model"]


@dataclass(frozen=True, slots=True)
class BeginAccess(Change):
    """From now on access is controlled: `admin` is an account, with every right."""

    kind: ClassVar[str] = "begin-access"
    admin: str


@dataclass(frozen=True, slots=True)
class SetRoles(Change):
    """The roles of `subject` at a place are `roles`; () takes them away.

    The place is the registry, or the environment, the team's models or the model `name`.
    """

    kind: ClassVar[str] = "roles"
    scope: Scope
    name: str | None
    subject: str
    roles: tuple[str, ...]
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class SetTeam(Change):
    """A team is made, or described anew; `add` and `remove` are members."""

    kind: ClassVar[str] = "team"
    team: str
    description: str | Unset = UNSET
    claims: tuple[str, ...] | Unset = UNSET
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    create: bool = False
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteTeam(Change):
    """A team goes, and with it the roles that it has anywhere but on models."""

    kind: ClassVar[str] = "delete-team"
    team: str
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class SetAccount(Change):
    """An account is made, changed, disabled or enabled; it never goes, for the history names it."""

    kind: ClassVar[str] = "account"
    account: str
    account_kind: Literal["person", "service"] | Unset = UNSET
    disabled: bool | Unset = UNSET
    owner: str | Unset | None = UNSET
    users: tuple[str, ...] | Unset = UNSET
    trusts: tuple[tuple[str, str], ...] | Unset = UNSET
    create: bool = False
    expected: str | None = None
