"""What goes over the wire about policies, for OpenAPI."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from muster.http.schemas import Body, Change, EnvironmentName, Name, Reason, Text

Expression = Annotated[str, Meta(min_length=1, max_length=4_000, description="CEL; it must be true")]
Kinds = Annotated[list[str], Meta(max_length=100, description="Kinds of changes; none: all")]
Environments = Annotated[list[EnvironmentName], Meta(max_length=100, description="None: all")]
Models = Annotated[list[Name], Meta(max_length=100, description="Patterns with *, ? and […]; none: all")]
Message = Annotated[str, Meta(min_length=1, max_length=4_000, description="For whom the policy stops")]


class PolicyRecord(Struct):
    """An expression that must be true of every change that it is about."""

    name: str
    description: str
    on: list[str]
    environments: list[str]
    models: list[str]
    expression: str
    message: str
    enabled: bool


class Policies(Struct):
    items: list[PolicyRecord]
    count: int
    next: str | None


class PolicyDraft(Body):
    """A policy; what is absent is as usual, whatever it was before."""

    expression: Expression
    message: Message
    name: EnvironmentName | None = None
    description: Text | None = None
    on: Kinds | None = None
    environments: Environments | None = None
    models: Models | None = None
    enabled: bool | None = None


class NewPolicy(PolicyDraft):
    reason: Reason | None = None


class ObjectionRecord(Struct):
    rule: str
    message: str
    help: str


class StoppedChange(Change, kw_only=True):
    """A change that was made, and what the policy has against it."""

    objections: list[ObjectionRecord]


class PolicyReplay(Struct):
    """What a policy would have stopped; it had a say in `asked` of the `seen` changes of this page."""

    items: list[StoppedChange]
    seen: int
    asked: int
    next: str | None
