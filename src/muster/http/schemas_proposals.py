"""What goes over the wire about proposals and reviews, for OpenAPI."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from muster.http.schemas import Body, Change, Config, EnvironmentName, Name, Reason, Stage
from muster.http.schemas_deployed import Difference, OperationRecord

Comment = Annotated[str, Meta(max_length=4_000, description="What others are to know; it stays for ever")]


class NewProposal(Body, kw_only=True):
    """A deployment, the end of one, a version's stage, or what an alias means.

    All else is asked for at its own place, and becomes a proposal if it needs approval.
    """

    kind: Literal["deploy", "undeploy", "stage", "alias"]
    model: Name
    version: Name | None = None
    environment: EnvironmentName = "production"
    config: Config | None = None
    stage: Stage = "production"
    alias: Name | None = None
    reason: Reason = ""


class Word(Body):
    comment: Comment = ""


class DemandRecord(Struct, rename={"team": "from"}):
    environment: str
    team: str
    count: int


class ObjectionRecord(Struct):
    rule: str
    message: str
    help: str


class DecisionRecord(Struct):
    """`counts` and `why_not` are there while the proposal is open."""

    actor: str
    verdict: Literal["approve", "reject"]
    comment: str
    teams: list[str]
    time: str
    lapsed: list[str] | UnsetType = UNSET
    counts: bool | UnsetType = UNSET
    why_not: str | UnsetType = UNSET


class DifferenceRecord(Struct):
    part: str
    field: str
    before: Any
    after: Any


class EffectRecord(Struct):
    """`replaces` and `proposed` are model ids; `differences` is the second against the first."""

    replaces: str | None
    proposed: str | None
    differences: list[DifferenceRecord]
    changes: list[Difference]


class YouRecord(Struct):
    may_approve: bool
    objections: list[ObjectionRecord]


class ProposalSummary(Struct, kw_only=True):
    """`demands`, `missing` and `approvals` (whose count) are empty once it is closed."""

    id: str
    state: Literal["open", "applied", "rejected", "withdrawn", "lapsed"]
    subject: str
    kind: str
    model: str | None
    number: int | None
    environments: list[str]
    requester: str
    verified: bool
    reason: str
    created_at: str
    lapses_at: str
    last_updated: str
    demands: list[DemandRecord]
    missing: list[DemandRecord]
    approvals: list[str]
    changed: list[str]


class ProposalRecord(ProposalSummary, kw_only=True):
    """`you` says whether an approval of the caller would count; `carried_out` is the change it became.

    After an approval that was the last one needed `operation` is the deployment that was
    begun, or `refused` says why it could not be.
    """

    change: dict[str, Any]
    bound: dict[str, Any]
    decisions: list[DecisionRecord]
    effect: EffectRecord
    objections: list[ObjectionRecord]
    you: YouRecord | UnsetType = UNSET
    carried_out: Change | UnsetType = UNSET
    operation: OperationRecord | UnsetType = UNSET
    refused: dict[str, Any] | UnsetType = UNSET


class Proposals(Struct):
    items: list[ProposalSummary]
    count: int
    next: str | None


class Waits(Struct):
    """The plain API's answer to what waits for approval."""

    message: str
    proposal: ProposalRecord


class SaidRecord(Struct):
    actor: str
    comment: str


class ReviewRecord(Struct, kw_only=True):
    """What was done with the break-glass role; `by` is the change, `reviews` what others said of it."""

    id: str
    actor: str
    subject: str
    reason: str
    state: Literal["open", "reviewed"]
    reviews: list[SaidRecord]
    by: Change
    model: str | UnsetType = UNSET
    environment: str | UnsetType = UNSET


class Reviews(Struct):
    items: list[ReviewRecord]
    count: int
    next: str | None
