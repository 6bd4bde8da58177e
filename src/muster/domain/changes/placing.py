"""What can happen to environments, and to what runs in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from muster.domain.changes.base import Change
from muster.domain.records import Config, Environment


@dataclass(frozen=True, slots=True)
class Initialize(Change):
    """The first commit of a registry: its format, and the environments that it begins with."""

    kind: ClassVar[str] = "init"


@dataclass(frozen=True, slots=True)
class SetEnvironment(Change):
    """An environment is made or gets new rules."""

    kind: ClassVar[str] = "environment"
    environment: Environment
    create: bool = False
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteEnvironment(Change):
    """An environment in which nothing is deployed goes."""

    kind: ClassVar[str] = "delete-environment"
    environment: str
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class Deploy(Change):
    """The version is declared to run in the environment.

    With `guarded`, `expected` is the deployment's last commit as it was when the
    candidate was started, None where there was none, and anything else is a conflict.
    """

    kind: ClassVar[str] = "deploy"
    model: str
    number: int
    environment: str
    config: Config = field(default_factory=Config)
    expected: str | None = None
    guarded: bool = False


@dataclass(frozen=True, slots=True)
class RollBack(Change):
    """Return from version `number` to the one before, or to version `to`."""

    kind: ClassVar[str] = "rollback"
    model: str
    number: int
    environment: str
    to: int | None = None
    empty: bool = False
    expected: str | None = None
    guarded: bool = False


@dataclass(frozen=True, slots=True)
class Undeploy(Change):
    """Nothing of the model is to run in the environment."""

    kind: ClassVar[str] = "undeploy"
    model: str
    environment: str
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class AttemptFailed(Change):
    """A version was to be deployed (or restored) and did not start; no record changes."""

    kind: ClassVar[str] = "deploy-failed"
    model: str
    number: int
    environment: str
    why: str


@dataclass(frozen=True, slots=True)
class Observe(Change):
    """What runs at a target changed; no record changes.

    `state` is a health word; `number` is the version seen running, None if it is
    not one of ours; `instance` is what reported it, if that has a name.
    """

    kind: ClassVar[str] = "observe"
    model: str
    environment: str
    state: str
    number: int | None = None
    instance: str | None = None
    digest: str | None = None
    detail: str = ""
