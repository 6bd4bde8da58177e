"""What can happen to policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from muster.domain.changes.base import Change
from muster.domain.records import Policy


@dataclass(frozen=True, slots=True)
class SetPolicy(Change):
    """A policy is made, or takes the place of the one by its name."""

    kind: ClassVar[str] = "policy"
    policy: Policy
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class DeletePolicy(Change):
    """A policy goes."""

    kind: ClassVar[str] = "delete-policy"
    policy: str
    expected: str | None = None
