"""What every change is, and who made it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

Auth = Literal["none", "token", "oidc", "import"]
Unset = Literal["unset"]
UNSET: Unset = "unset"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a token is good for, whatever its account may do: a role's rights, there and only there.

    `role` is None for a token that may only send requests to what is served. Without
    `models` or `environments` all of them are meant.
    """

    role: str | None
    models: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()

    def covers(self, model: str | None, environment: str | None) -> bool:
        """Whether it is good for the model (None: for all of them) and, if one is named, the environment."""
        return (not self.models or model in self.models) and (
            not self.environments or environment is None or environment in self.environments
        )


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it, by a stable id, and how that is known; `none` is unverified for ever.

    `internal` is Muster itself, which asks nobody; no request becomes it. `limits` are those
    of the token, if it has any. Neither is recorded.
    """

    name: str
    auth: Auth = "none"
    internal: bool = False
    limits: Limits | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """The base of all changes; `kind` is what the commit's `Muster-Change` trailer says.

    `carries_out` is the id of the proposal that others have approved and that this is; with
    `break_glass` it is to happen without their approval, by whoever has that role.
    """

    kind: ClassVar[str]
    carries_out: str | None = field(default=None, kw_only=True)
    break_glass: bool = field(default=False, kw_only=True)
