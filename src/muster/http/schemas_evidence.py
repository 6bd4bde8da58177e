"""What goes over the wire about evaluations and required fields, for OpenAPI."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from muster.http.schemas import Body, EnvironmentName, FileRecord, Name, Reason, Sha256, Text


class Data(Body):
    """The data that a version was evaluated on; at least one of its fields."""

    name: Name | None = None
    sha256: Sha256 | None = None
    uri: Text | None = None


class NewEvaluation(Body):
    """At least one metric, or a report: that goes with a form, see the reference."""

    metrics: dict[str, float] | None = None
    dataset: Data | None = None
    evaluator: Annotated[
        str | None, Meta(description="Yourself (if left out), or team:NAME of a team of yours")
    ] = None
    notes: Text | None = None
    tool: Name | None = None
    reason: Reason | None = None


class EvaluationRecord(Struct):
    number: int
    metrics: dict[str, float]
    dataset: dict[str, Any] | None
    report: FileRecord | None
    evaluator: str
    notes: str
    tool: str | None
    by: Annotated[str, Meta(description="Who recorded it")]
    verified: Annotated[bool, Meta(description="Whether it is known that it was they")]
    teams: Annotated[list[str], Meta(description="The teams that they were of then")]
    same_files: Annotated[bool, Meta(description="Whether the version has the files that were evaluated")]
    recorded_at: str
    commit: str


class Evaluations(Struct):
    items: list[EvaluationRecord]
    count: int
    next: str | None


# ------------------------------------------------------------ required fields

Block = Literal["register", "deploy", "review"]


class NewRequirement(Body):
    """What is required of versions."""

    schema: Annotated[dict[str, Any], Meta(description="JSON Schema, held against a version")]
    block: Annotated[list[Block] | None, Meta(description="What is refused; else it is only shown")] = None
    environments: Annotated[
        list[EnvironmentName] | None,
        Meta(description="Where deploy and review are blocked; none: everywhere"),
    ] = None
    description: Text | None = None
    reason: Reason | None = None


class RequirementRecord(Struct):
    team: Annotated[str | None, Meta(description="Whose; null: the registry's")]
    description: str
    schema: dict[str, Any]
    block: list[Block]
    environments: list[str]


class Requirements(Struct):
    items: list[RequirementRecord]
    count: int
    next: str | None


class LackRecord(Struct):
    field: str
    rule: str
    team: str | None
    block: list[Block]


class LackingRecord(Struct):
    model_id: str
    name: str
    version: str
    number: int
    deployed_in: list[str]
    lacks: list[LackRecord]


class RequirementTest(Body):
    """A schema to try; what it is for, and on which versions."""

    schema: dict[str, Any]
    team: Annotated[str | None, Meta(description="Only on models of this team")] = None
    model: Annotated[Name | None, Meta(description="Only on this model")] = None
    limit: Annotated[int, Meta(ge=1, le=1000)] | None = None


class RequirementTested(Struct):
    checked: int
    lacking: int
    items: Annotated[list[LackingRecord], Meta(description="The first of those that lack something")]
