"""What goes over the wire about evaluations and required fields, for OpenAPI."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from muster.http.schemas import Body, FileRecord, Name, Reason, Sha256, Text


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
