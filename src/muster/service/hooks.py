"""Webhooks: what is kept of them, and the ports behind which that is kept and sent.

They are state of this server and not of the registry: an address is often a
credential, and a secret always is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Protocol

from muster.domain.messages import Entry

MAX_HOOKS: Final = 100
EXCERPT: Final = 1_024  # characters of a receiver's answer that are kept

State = Literal["pending", "delivered", "failed"]
STATES: Final[tuple[State, ...]] = ("pending", "delivered", "failed")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which changes a webhook is told of. A field that is empty takes all, else one of it must apply."""

    kinds: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()

    def takes(self, entry: Entry) -> bool:
        """Whether that change is among them; a renamed model's counts under both names."""
        return (
            (not self.kinds or entry.kind in self.kinds)
            and (not self.models or any(each in self.models for each in (*entry.models, entry.renamed)))
            and (not self.environments or entry.environment in self.environments)
        )


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook.

    `id` is never used again, even if the name is. `position` is that of the last
    change of which it is settled whether it is told. `delivered` and `failed` count
    attempts. `failing_since` is when the first of the latest `failures` attempts in a
    row failed. While it is `disabled` nothing is sent; `why` says who or what did that.
    """

    id: str
    name: str
    url: str
    secret: str = field(repr=False)
    wanted: Wanted
    description: str
    created: datetime
    created_by: str
    updated: datetime
    position: int
    disabled: datetime | None = None
    why: str = ""
    failures: int = 0
    failing_since: datetime | None = None
    delivered: int = 0
    failed: int = 0

    @property
    def revision(self) -> str:
        """40 hex digits that are others once a person has changed it."""
        said = f"{self.id} {self.updated.isoformat()} {self.disabled}"
        return hashlib.sha256(said.encode()).hexdigest()[:40]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time that something was sent. Without a `status` nothing was answered, and `error` says why."""

    at: datetime
    status: int | None
    response: str
    error: str
    seconds: float

    @property
    def success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Delivery:
    """A change that a webhook is told: `id` goes along as `webhook-id`, the same at each attempt.

    `sequence` is its place in the order of all deliveries. `due` is when it is tried
    next, None if it is not by itself. `tries` counts the attempts since it was put in
    line, which is done again by hand for one that failed for good.
    """

    sequence: int
    id: str
    hook: str
    position: int
    commit: str
    kind: str
    created: datetime
    state: State
    due: datetime | None
    tries: int = 0
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True)
class Schedule:
    """When what failed is tried again: seconds after each attempt, then never by itself.

    The default is the one that Standard Webhooks recommends: over three days. A webhook
    of which nothing was delivered for `disable_s` seconds is disabled.
    """

    pauses_s: Sequence[float] = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
    disable_s: float = 432_000

    def pause(self, attempts: int) -> float | None:
        """Seconds to wait after that many attempts; None if they were enough."""
        return self.pauses_s[attempts - 1] if attempts <= len(self.pauses_s) else None


@dataclass(frozen=True, slots=True)
class Answered:
    """What a receiver said. `retry_after_s` is how long it asks to be left alone."""

    status: int
    body: str
    retry_after_s: float | None = None

    @property
    def success(self) -> bool:
        return 200 <= self.status < 300


class Unreachable(Exception):
    """Nothing was sent, or nothing answered; the message says why."""


class Sender(Protocol):
    """Reaches receivers: signed, at addresses that may be reached. Any thread may call."""

    def check(self, url: str) -> None:
        """Raises Invalid if webhooks may not go there. May look the name up."""
        ...

    def check_secret(self, secret: str) -> None:
        """Raises Invalid, which does not repeat it, if one cannot sign with it."""
        ...

    def new_secret(self) -> str:
        """One that nobody can guess."""
        ...

    def send(self, url: str, secret: str, message: str, at: datetime, body: bytes) -> Answered:
        """Send `body` as the message of that id; what was answered, a redirect too. Blocks for a while.

        Raises:
            Unreachable: it could not be sent, or nothing was answered.
        """
        ...


class Outbox(Protocol):
    """Webhooks and what they are told, kept for good. Any thread may call, and several processes.

    Every method raises Unavailable if it cannot be read or written.
    """

    # --- webhooks

    def hooks(self) -> list[Hook]:
        """All, by name."""
        ...

    def hook(self, name: str) -> Hook | None: ...

    def add(self, hook: Hook, request: tuple[str, str] | None) -> None:
        """Keep a new one, durably, with the idempotency key and digest of its request.

        Raises:
            Taken: another goes by that name.
            Conflict: there are as many as there may be.
        """
        ...

    def answered(self, key: str) -> tuple[str, Hook] | None:
        """The digest of the request that came with that idempotency key, and the webhook it made."""
        ...

    def change(self, hook: Hook) -> None:
        """Keep what a person may change: address, secret, filter, description, whether it is disabled.

        When it is no longer disabled, what waits is due at once.
        """
        ...

    def remove(self, hook: str) -> None:
        """Forget the webhook of that id, its secret, and its deliveries."""
        ...

    # --- deliveries

    def feed(self, hook: str, position: int, deliveries: Sequence[Delivery]) -> None:
        """Put `deliveries` in line and say that all up to `position` is settled: both or neither.

        One that is there already stays as it is.
        """
        ...

    def waiting(self, hook: str) -> tuple[int, datetime | None]:
        """How many deliveries are pending, and when the first of them is due."""
        ...

    def due(self, hook: str, now: datetime, limit: int) -> list[Delivery]:
        """Pending ones whose time has come, in the order of the changes."""
        ...

    def attempted(self, delivery: Delivery, attempt: Attempt, state: State, due: datetime | None) -> None:
        """Keep an attempt and what comes of it, for the delivery and for the counts of its webhook.

        One that was delivered before stays delivered.
        """
        ...

    def disable(self, hook: str, at: datetime, why: str) -> None:
        """Send it nothing more until a person says so; not if it is disabled already."""
        ...

    def hurry(self, hook: str, now: datetime) -> None:
        """All that is pending is due now."""
        ...

    def recover(self, hook: str, now: datetime) -> int:
        """What failed for good is pending again, as if it had not been tried; how many those are."""
        ...

    def deliveries(self, hook: str, state: State | None, *, before: int | None, limit: int) -> list[Delivery]:
        """Newest first, from below the sequence `before`, with all their attempts."""
        ...

    def count_deliveries(self, hook: str, state: State | None) -> int: ...

    def delivery(self, hook: str, id_: str) -> Delivery | None: ...
