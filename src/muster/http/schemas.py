"""What goes over the wire, for OpenAPI. Bodies are parsed by `domain.parse`, which names every problem.

A field without a default is always there; `UNSET` marks one that may be absent.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

Text = Annotated[str, Meta(max_length=65_536)]
Name = Annotated[str, Meta(min_length=1, max_length=256)]
Reason = Annotated[str, Meta(max_length=4_000, description="Why; it becomes the commit's body")]
Tags = dict[str, str]
Sha256 = Annotated[str, Meta(pattern="^(sha256:)?[0-9a-fA-F]{64}$")]
Stage = Literal["development", "staging", "production", "archived"]
Kind = Literal["model", "adapter", "prompt", "external"]
EnvironmentName = Annotated[str, Meta(pattern="^[a-z][a-z0-9_-]{0,62}$")]


class Body(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The base of all bodies: a field that is not here is refused."""


# ------------------------------------------------------------ parts of records


class DataSet(Body):
    name: Name | None = None
    uri: Text | None = None
    sha256: Sha256 | None = None
    digest: Annotated[Name | None, Meta(description="As a tracking server makes it")] = None
    rows: Annotated[int, Meta(ge=0)] | None = None
    context: Annotated[Name | None, Meta(description="What it was for")] = None


class TrainingData(DataSet):
    others: Annotated[list[DataSet] | None, Meta(description="If there were several")] = None


class Source(Body):
    repository: Text | None = None
    commit: Text | None = None
    dirty: bool | None = None
    user: Annotated[Name | None, Meta(description="Who ran what made it")] = None
    run_url: Text | None = None
    run_id: Text | None = None
    uri: Annotated[Text | None, Meta(description="Where its files are said to be")] = None
    location: Annotated[Text | None, Meta(description="What `uri` led to when it was registered")] = None
    tracked_as: Annotated[Text | None, Meta(description="What a tracking server calls it")] = None


class Imported(Body):
    """How it was elsewhere: only for an import, which says `X-Muster-Import: true`."""

    from_: Annotated[Text | None, Meta(description="Where that was")] = field(default=None, name="from")
    created_at: str | None = None
    last_updated: str | None = None


class Base(Body):
    """What a version was made from: `ref` or `uri`."""

    ref: Text | None = None
    uri: Text | None = None
    digest: Sha256 | None = None
    relation: Literal["finetuned", "adapter", "merged", "quantized", "distilled", "derived"] | None = None


class External(Body):
    """A model that others run, with a dated snapshot."""

    provider: Name
    model: Name
    snapshot: Name | None = None
    endpoint: Text | None = None


class Config(Body):
    """How a version runs. A secret is only ever a reference."""

    replicas: Annotated[int, Meta(ge=1, le=64)] = 1
    threads: Annotated[int, Meta(ge=1, le=256)] = 1
    timeout_s: Annotated[float, Meta(ge=0.1, le=3600)] = 30.0
    env: dict[str, Any] = {}
    runtime: Name | None = None


class FileRecord(Struct):
    path: str
    size: int
    sha256: str


class Change(Struct):
    """One thing that happened: exactly one commit."""

    commit: str
    position: int
    time: str
    actor: str
    verified: bool
    change: str
    reason: str
    message: str
    model: str | UnsetType = UNSET
    number: int | UnsetType = UNSET
    environment: str | UnsetType = UNSET
    deployed: str | UnsetType = UNSET
    observed: str | UnsetType = UNSET
    instance: str | UnsetType = UNSET
    digest: str | UnsetType = UNSET
    imported: bool | UnsetType = UNSET
    proposal: str | UnsetType = UNSET
    mark: str | UnsetType = UNSET


class VersionRecord(Struct):
    model_id: str
    name: str
    version: str
    number: int
    kind: Kind
    state: Literal["pending", "final"]
    description: str
    training_data: str | dict[str, Any] | None
    deployment_status: str
    deployed_in: list[str]
    created_at: str
    last_updated: str
    owner: str | None
    tags: Tags
    metrics: dict[str, float]
    params: dict[str, Any]
    source: dict[str, Any] | None
    bases: list[dict[str, Any]]
    signature: dict[str, Any] | None
    files: list[FileRecord]
    external: dict[str, Any] | UnsetType = UNSET
    files_status: Literal["files elsewhere, not verified"] | UnsetType = UNSET
    last_deployed: str | UnsetType = UNSET
    last_rollback: str | UnsetType = UNSET
    imported: bool | UnsetType = UNSET
    imported_from: str | UnsetType = UNSET
    recorded_at: str | UnsetType = UNSET
    purged: bool | UnsetType = UNSET
    flags: list[FlagRecord] | UnsetType = UNSET


class FlagRecord(Struct):
    """Why somebody should look at a version: it is banned, or made of what is banned or retracted."""

    flag: Literal["banned", "built-on-banned", "retracted-data"]
    of: str
    through: list[str]
    reason: str
    by: str
    since: str
    commit: str


# ------------------------------------------------------------ the plain API


class ModelIds(Struct):
    models: list[str]
    count: int
    next: str | UnsetType = UNSET


class Registration(Body):
    name: Name
    version: Name
    description: Text
    training_data: Text | TrainingData
    deployment_status: Stage = "development"
    owner: Name | None = None
    tags: Tags | None = None
    metrics: dict[str, float] | None = None
    params: dict[str, Any] | None = None
    source: Source | None = None
    kind: Kind | None = None
    bases: list[Base] | None = None
    external: External | None = None
    reason: Reason | None = None


class Registered(Struct):
    message: str
    model_id: str


class PlainDeploy(Body):
    environment: EnvironmentName | None = None
    config: Config | None = None
    reason: Reason | None = None


class Deployed(Struct):
    message: str
    model: VersionRecord


class PlainRollback(Body):
    environment: EnvironmentName | None = None
    to: str | int | None = None
    empty: bool | None = None
    reason: Reason | None = None


class RolledBack(Struct):
    message: str
    model: VersionRecord
    restored: str | None


class HistoryEntry(Struct):
    commit: str
    time: str
    actor: str
    change: str
    reason: str
    message: str


class History(Struct):
    model_id: str
    history: list[HistoryEntry]


class PlainError(Struct):
    """What went wrong; `{"error": "Model not found"}` has no more fields."""

    error: str
    code: str | UnsetType = UNSET


class Problem(Struct):
    """An RFC 9457 problem; `code` is stable, and further members are its facts."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str


# ------------------------------------------------------------ models and versions


class ModelRecord(Struct):
    name: str
    owner: str | None
    description: str
    tags: Tags
    aliases: dict[str, int]
    next_number: int
    created_at: str
    last_updated: str
    card: str | None
    imported: bool | UnsetType = UNSET
    imported_from: str | UnsetType = UNSET
    recorded_at: str | UnsetType = UNSET


class ModelRecords(Struct):
    items: list[ModelRecord]
    count: int
    next: str | None


class NewModel(Body):
    name: Name
    owner: Name | None = None
    description: Text | None = None
    tags: Tags | None = None
    card: Text | None = None
    imported: Imported | None = None
    reason: Reason | None = None


class ModelUpdate(Body):
    """What is absent stays; null clears; a tag of null goes."""

    owner: Name | None = None
    description: Text | None = None
    tags: dict[str, str | None] | None = None
    card: Text | None = None
    imported: Imported | None = None
    reason: Reason | None = None


class VersionRecords(Struct):
    items: list[VersionRecord]
    count: int
    next: str | None


class NewVersion(Body):
    """A version without a label goes by its number."""

    version: Name | None = None
    description: Text | None = None
    training_data: Text | TrainingData | None = None
    deployment_status: Stage | None = None
    owner: Name | None = None
    tags: Tags | None = None
    metrics: dict[str, float] | None = None
    params: dict[str, Any] | None = None
    source: Source | None = None
    kind: Kind | None = None
    bases: list[Base] | None = None
    external: External | None = None
    pending: bool | None = None
    number: Annotated[int, Meta(ge=1, lt=2**31, description="Only for an import")] | None = None
    imported: Imported | None = None
    reason: Reason | None = None


class NewName(Body):
    name: Name
    reason: Reason | None = None


class VersionUpdate(Body):
    """What is absent stays; null clears; a tag of null goes."""

    description: Text | None = None
    owner: Name | None = None
    tags: dict[str, str | None] | None = None
    imported: Imported | None = None
    reason: Reason | None = None


class StageUpdate(Body):
    """With `archive_others` every other version in that stage becomes archived."""

    stage: Stage
    archive_others: bool | None = None
    imported: Imported | None = None
    reason: Reason | None = None


class NewNote(Body):
    """`message` becomes the subject of the commit; what follows its first line, the body."""

    message: Reason
    reason: Reason | None = None


class Finalization(Body):
    """What made the version, where its record does not say it already."""

    metrics: dict[str, float] | None = None
    params: dict[str, Any] | None = None
    training_data: Text | TrainingData | None = None
    source: Source | None = None
    reason: Reason | None = None


class OnlyReason(Body):
    reason: Reason | None = None


class Files(Struct):
    items: list[FileRecord]
    count: int
    next: str | None


class AliasRecord(Struct):
    alias: str
    number: int
    model_id: str


class Aliases(Struct):
    items: list[AliasRecord]
    count: int
    next: str | None


class AliasUpdate(Body):
    version: str | int
    reason: Reason | None = None
