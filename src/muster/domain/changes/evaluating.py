"""What can happen to the evidence about versions, and to what a registry requires of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from muster.domain.changes.base import Actor, Change
from muster.domain.records import Artifact, Fields


@dataclass(frozen=True, slots=True)
class Evaluate(Change):
    """A final version was evaluated: one more record of it, which nothing changes or takes away.

    `by` is who records it, and no other than who asks. `evaluator` is `by` or a team of
    theirs; None is `by`. The bytes of `report` are in the artifact store already; its
    path is its name.
    """

    kind: ClassVar[str] = "evaluate"
    model: str
    number: int
    by: Actor
    metrics: Mapping[str, float] = field(default_factory=dict)
    dataset: Fields | None = None
    report: Artifact | None = None
    evaluator: str | None = None
    notes: str = ""
    tool: str = ""


@dataclass(frozen=True, slots=True)
class SetRequirement(Change):
    """What the registry (`team` None) or a team requires of versions; see `domain.requirements`."""

    kind: ClassVar[str] = "require"
    team: str | None
    schema: Fields
    block: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    description: str = ""
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteRequirement(Change):
    """The registry, or the team, requires nothing more."""

    kind: ClassVar[str] = "delete-requirement"
    team: str | None
    expected: str | None = None
