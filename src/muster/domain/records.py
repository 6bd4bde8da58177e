"""What the files in the repository say, as frozen values.

Times are not in them: when and who are said by the commit that wrote a record,
in its trailers. Only times that came with an import are kept, marked `imported`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from muster.domain.rules import NO_RULES, EnvironmentRules

STAGES = ("development", "staging", "production", "archived")
KINDS = ("model", "adapter", "prompt", "external")
RELATIONS = ("finetuned", "adapter", "merged", "quantized", "distilled", "derived")

Kind = Literal["model", "adapter", "prompt", "external"]
State = Literal["pending", "final", "deleted"]
Json = Any  # what json.loads gives; shapes are checked where it is parsed
Fields = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of a version: its path there, its size in bytes, its sha256 in hex."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Model:
    """A named container of versions. `next_number` is the number of the next version."""

    name: str
    next_number: int = 1
    owner: str | None = None
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    card: str = ""  # the sha256 of card.md beside it; "" if there is none
    deleted: bool = False
    imported: Fields | None = None  # from, created_at, last_updated as they were elsewhere


@dataclass(frozen=True, slots=True)
class Version:
    """One registered instance of a model; once `final`, its content never changes.

    Content: `kind`, `metrics`, `params`, `training_data`, `source`, `bases`,
    `external` and the files. `description`, `owner`, `tags` and `stage` may change.
    `number` is given by the registry and never reused, nor is `model_id`.
    """

    model: str
    number: int
    label: str | None
    model_id: str
    state: State = "final"
    kind: Kind = "model"
    description: str = ""
    stage: str = "development"
    owner: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Fields = field(default_factory=dict)
    training_data: str | Fields | None = None
    source: Fields | None = None
    bases: tuple[Fields, ...] = ()
    external: Fields | None = None
    signature: Fields | None = None
    files: tuple[Artifact, ...] = ()
    files_attached: bool = False  # files came after the version was final; that happens once
    imported: Fields | None = None  # from, created_at, last_updated as they were elsewhere
    registered: str = ""  # sha256 of what was registered: a repeated registration is known by it
    purged: bool = False  # the bytes of its files are gone for good

    @property
    def reference(self) -> str:
        """`name/label`, or `name/number` without a label."""
        return f"{self.model}/{self.label or self.number}"


@dataclass(frozen=True, slots=True)
class Config:
    """How a version runs. `env` values are texts or references to secrets, never secrets."""

    replicas: int = 1
    threads: int = 1
    timeout_s: float = 30.0
    env: Mapping[str, Json] = field(default_factory=dict)
    runtime: str | None = None  # None: recognised from the files


@dataclass(frozen=True, slots=True)
class Earlier:
    """A version that a rollback can return to, with the configuration it ran with."""

    version: int
    config: Config


@dataclass(frozen=True, slots=True)
class Deployment:
    """The declaration that a version runs in an environment; `version` None: nothing does.

    `recorded` says that it has no files and so is declared only. `earlier` is what
    a rollback returns to, the last one first to be restored; each version at most once.
    """

    environment: str
    model: str
    version: int | None
    config: Config = field(default_factory=Config)
    recorded: bool = False
    earlier: tuple[Earlier, ...] = ()


@dataclass(frozen=True, slots=True)
class Environment:
    """A place where versions run. A higher `rank` is nearer to customers.

    `stage` is the label that a version gets while it is deployed here, if any;
    `target` names what runs the versions.
    """

    name: str
    target: str = "process"
    rank: int = 0
    stage: str | None = None
    description: str = ""
    allow_pickle: bool = False
    rules: EnvironmentRules = NO_RULES

    @property
    def protected_stages(self) -> tuple[str, ...]:
        """The stages that its rules hold for; none if it has no rules that protect."""
        if not self.rules.protects:
            return ()
        return self.rules.stages or ((self.stage,) if self.stage is not None else ())


@dataclass(frozen=True, slots=True)
class Policy:
    """An expression that must be true of a change, or `message` is said to who wanted it.

    `on` are kinds of changes, `models` patterns of names with `*`, `?` and `[…]`; empty
    `on`, `environments` and `models` leave nothing out.
    """

    name: str
    expression: str
    message: str
    description: str = ""
    on: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    enabled: bool = True


FIRST_ENVIRONMENTS = (
    Environment(
        "development",
        rank=10,
        stage="development",
        description="Where versions are tried out",
    ),
    Environment("staging", rank=20, stage="staging", description="Where versions are proven"),
    Environment("production", rank=30, stage="production", description="What customers use"),
)
