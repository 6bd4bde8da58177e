"""What goes over the wire about environments, deployments, operations and changes, for OpenAPI."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from muster.http.schemas import Body, Change, Config, EnvironmentName, Name, Reason, Sha256, Stage, Text

# ------------------------------------------------------------ environments and deployments


class ApprovalsNeeded(Body):
    """So many members of a team have to approve."""

    from_: Annotated[EnvironmentName, Meta(description="The team")] = field(name="from")
    count: Annotated[int, Meta(ge=1, le=20)]


class SoakTime(Body):
    """A version must have run so long in another environment first."""

    environment: EnvironmentName
    hours: Annotated[float, Meta(gt=0, le=8_784)]


class FreezeWindow(Body):
    """A time during which nothing changes there, once or again and again (RFC 5545)."""

    name: Name
    dtstart: Annotated[str, Meta(description="A local time, as 2026-12-20T18:00")]
    duration: Annotated[str | None, Meta(description="As P14D or PT62H; or else dtend")] = None
    dtend: str | None = None
    rrule: Annotated[str | None, Meta(description="As FREQ=WEEKLY;BYDAY=FR")] = None
    timezone: Annotated[str | None, Meta(description="As Europe/Berlin; UTC if none is said")] = None


class EnvironmentRulesRecord(Body):
    """What holds for everything that says that a version is there. In an update null takes one away."""

    deploy: Annotated[list[Text] | None, Meta(description="Who may deploy: ids of accounts, team:NAME")] = (
        None
    )
    rollback: Annotated[list[Text] | None, Meta(description="Who may roll back")] = None
    approvals: list[ApprovalsNeeded] | None = None
    evidence: Annotated[list[Text] | None, Meta(description="As auc >= 0.9 by team:validation")] = None
    reason: Annotated[bool | None, Meta(description="Whether every change takes a reason")] = None
    soak: SoakTime | None = None
    freeze: list[FreezeWindow] | None = None
    stages: Annotated[list[str] | None, Meta(description="Stages that count as it; else its own")] = None
    aliases: Annotated[list[Name] | None, Meta(description="Aliases that count as it")] = None
    public: Annotated[bool | None, Meta(description="Whether predicting there takes no right")] = None


class EnvironmentRecord(Struct):
    name: str
    target: str
    rank: int
    stage: str | None
    description: str
    allow_pickle: bool
    rules: EnvironmentRulesRecord | UnsetType = UNSET


class Environments(Struct):
    items: list[EnvironmentRecord]
    count: int
    next: str | None


class EnvironmentUpdate(Body):
    target: Literal["process", "external"] | None = None
    rank: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)] | None = None
    stage: Stage | None = None
    description: Text | None = None
    allow_pickle: bool | None = None
    rules: EnvironmentRulesRecord | None = None
    reason: Reason | None = None


class NewEnvironment(EnvironmentUpdate, kw_only=True):
    name: EnvironmentName


class Status(Struct):
    """Declared against observed, in a word and a sentence."""

    standing: str
    sentence: str
    since: str | None


class ReportRecord(Struct):
    instance: str
    number: int | None
    digest: str | None
    since: str
    seen: str
    known: bool


class DeploymentRecord(Struct):
    environment: str
    model: str
    number: int | None
    model_id: str | None
    version: str | None
    config: dict[str, Any]
    recorded: bool
    earlier: list[int]
    by: Change | None
    status: Status | UnsetType = UNSET
    observed: Change | UnsetType | None = UNSET
    reports: list[ReportRecord] | UnsetType = UNSET


class Deployments(Struct):
    items: list[DeploymentRecord]
    count: int
    next: str | None


class WorkerRecord(Struct):
    """One worker of a version. Requests, errors and latencies are those of the present process."""

    replica: int
    health: str
    reason: str
    output: str
    process: int | None
    ready_since: str | None
    restarts: int
    next_start: str | None
    requests: int
    errors: int
    latency_ms: dict[str, float]


class InstanceRecord(Struct):
    """A version there, all its workers together; `next_start`, if none is ready: when one is started."""

    number: int
    health: str
    active: bool
    reason: str
    output: str
    process: int | None
    ready_since: str | None
    restarts: int
    requests: int
    errors: int
    latency_ms: dict[str, float]
    in_flight: int
    leaving: bool
    runtime: str | None
    next_start: str | None
    workers: list[WorkerRecord]


class DeploymentDetail(DeploymentRecord, kw_only=True):
    """Declared and observed, side by side."""

    instances: list[InstanceRecord] | UnsetType = UNSET


class DeployRequest(Body):
    version: str | int
    config: Config | None = None
    reason: Reason | None = None


class RollbackRequest(Body):
    """`version`, if given, must be what is deployed there."""

    version: str | int | None = None
    to: str | int | None = None
    empty: bool | None = None
    reason: Reason | None = None


class DesiredFile(Struct):
    path: str
    size: int
    sha256: str
    url: str


class DesiredRecord(Struct):
    """What is to run there; `number` is null where nothing is."""

    environment: str
    model: str
    number: int | None
    model_id: str | None
    version: str | None
    config: dict[str, Any] | None
    files: list[DesiredFile]
    commit: str | None


class Observation(Body):
    """What runs: a version, or the sha256 of a file of it; or that the instance runs nothing any more."""

    version: str | int | None = None
    sha256: Sha256 | None = None
    stopped: bool | None = None
    instance: Name | None = None
    reason: Reason | None = None


class Observed(Struct):
    standing: str
    sentence: str
    since: str | None
    reports: list[ReportRecord]


# ------------------------------------------------------------ operations and changes


class Step(Struct):
    number: int
    step: str
    time: str
    detail: str


class OperationRecord(Struct):
    id: str
    kind: str
    environment: str
    model: str
    models: list[str]
    what: str
    state: str
    ended: bool
    events: list[Step]
    commit: str | None
    error: dict[str, Any] | UnsetType = UNSET


class BeforeImport(Struct):
    """What is known of the time before: that nothing is, since it was made."""

    recorded: bool
    created_at: str
    imported_from: str | None
    message: str


class Changes(Struct):
    """`count` is the number of changes that match, on whatever page.

    `before` is on the last page of the history of what was imported.
    """

    items: list[Change]
    count: int
    next: str | None
    before: BeforeImport | UnsetType = UNSET


class Difference(Struct):
    path: str
    field: str
    before: Any
    after: Any


class ChangeDetail(Change, kw_only=True):
    diff: list[Difference]


class Objection(Struct):
    code: str
    message: str


class Preview(Struct):
    """The answer to a dry run: nothing was written. `effects` says what would happen where versions run."""

    dry_run: bool
    subject: str
    nothing: bool
    changes: list[Difference]
    effects: list[str]
    objections: list[Objection]


class Health(Struct):
    status: str
