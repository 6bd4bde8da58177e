"""What goes over the wire about accounts, teams, roles and tokens, for OpenAPI."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from muster.http.schemas import Body, Name, Reason, Text

Id = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$")]
TeamName = Annotated[str, Meta(pattern="^[a-z][a-z0-9_-]{0,62}$")]
Subject = Annotated[str, Meta(description="An account's id, or team:NAME")]
Role = Literal["viewer", "contributor", "deployer", "maintainer", "admin", "break-glass"]
Grants = dict[str, list[Role]]


class Trust(Body):
    """Whoever shows a token that the issuer signed for the subject; a `*` at its end is for anything."""

    issuer: Text
    subject: Name


class JobLogIn(Body):
    token: Annotated[Text, Meta(description="As the CI system gave it out, for this registry's audience")]
    issuer: Text


class NewAccount(Body):
    id: Id
    kind: Literal["person", "service"] = "person"
    owner: Annotated[Id | None, Meta(description="Who answers for a service account")] = None
    users: Annotated[list[Id], Meta(description="Who can act through it")] = field(default_factory=list)
    trusts: list[Trust] = field(default_factory=list)
    reason: Reason = ""


class AccountUpdate(Body):
    disabled: bool | None = None
    owner: Id | None = None
    users: list[Id] | None = None
    trusts: list[Trust] | None = None
    reason: Reason = ""


class AccountRecord(Struct):
    id: str
    kind: Literal["person", "service"]
    disabled: bool
    teams: list[str]
    roles: Annotated[list[Role], Meta(description="On all of the registry")]
    owner: str | UnsetType | None = UNSET
    users: list[str] | UnsetType = UNSET
    trusts: list[Trust] | UnsetType = UNSET
    handing_over: HandingOver | UnsetType = UNSET


class HandingOver(Struct):
    """What somebody who was disabled owns: for others to take over."""

    models: list[str]
    service_accounts: list[str]


class Accounts(Struct):
    items: list[AccountRecord]
    count: int
    next: str | None


class Me(Struct):
    """Who asks. `proven` says whether they showed that; `controlled`, whether they have to."""

    id: str
    controlled: bool
    proven: bool
    kind: str | None
    teams: list[str]
    roles: list[str]


class NewTeam(Body):
    name: TeamName
    description: Text = ""
    members: list[Id] = field(default_factory=list)
    claims: Annotated[list[Name], Meta(description="Groups of the log-in service")] = field(
        default_factory=list
    )
    reason: Reason = ""


class TeamUpdate(Body):
    description: Text | None = None
    claims: list[Name] | None = None
    add: list[Id] = field(default_factory=list)
    remove: list[Id] = field(default_factory=list)
    reason: Reason = ""


class TeamRecord(Struct):
    name: str
    description: str
    members: list[str]
    claims: list[str]
    grants: Annotated[Grants, Meta(description="The roles on the models that it owns")]


class Teams(Struct):
    items: list[TeamRecord]
    count: int
    next: str | None


class RolesUpdate(Body):
    subject: Subject
    roles: Annotated[list[Role], Meta(description="All that it is to have there; none takes them away")]
    scope: Literal["registry", "environment", "team", "model"] = "registry"
    name: Annotated[Name | None, Meta(description="Of the environment, team or model")] = None
    reason: Reason = ""


class RolesRecord(Struct):
    scope: str
    name: str | None
    grants: Grants


class TokenLimits(Body):
    role: Annotated[Role | None, Meta(description="At most; null: only requests to what is served")] = None
    models: list[Name] = field(default_factory=list)
    environments: list[Name] = field(default_factory=list)


class NewToken(Body):
    account: Id | None = None
    note: Annotated[str, Meta(max_length=256)] = ""
    days: Annotated[float, Meta(gt=0, le=3650, description="It lasts; without, until revoked")] | None = None
    limits: TokenLimits | None = None


class TokenRecord(Struct):
    """`token` is the secret: it is shown this once."""

    id: str
    account: str
    kind: str
    note: str
    limits: TokenLimits | None
    created: str
    expires: str | None
    last_used: str | None
    token: str | UnsetType = UNSET


class Tokens(Struct):
    items: list[TokenRecord]
    count: int
    next: str | None
