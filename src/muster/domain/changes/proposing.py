"""What can happen to changes that wait for approval, and to what was done without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from muster.domain.changes.base import Actor, Change

Verdict = Literal["approve", "reject"]


@dataclass(frozen=True, slots=True)
class Propose(Change):
    """`wanted` is to happen for `requester` once enough others have approved it."""

    kind: ClassVar[str] = "propose"
    wanted: Change
    requester: Actor
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Decide(Change):
    """`by` approves a proposal as it stands, or rejects it, which ends it."""

    kind: ClassVar[str] = "decide"
    proposal: str
    verdict: Verdict
    by: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Withdraw(Change):
    """A proposal is taken back."""

    kind: ClassVar[str] = "withdraw"
    proposal: str
    by: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Lapse(Change):
    """A proposal waited too long, or what it is about is gone. Muster itself says so."""

    kind: ClassVar[str] = "lapse"
    proposal: str
    why: str


@dataclass(frozen=True, slots=True)
class ReviewBreakGlass(Change):
    """`by` has looked at what was done with the break-glass role, and says what they found."""

    kind: ClassVar[str] = "review-break-glass"
    review: str
    by: str
    comment: str = ""
