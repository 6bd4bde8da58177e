"""Telling others by webhook: who is told of what, what became of it, and the same once more."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Final

from muster.domain.errors import Conflict, KeyReused, NotFound, Stale
from muster.domain.messages import rfc3339
from muster.domain.records import Json
from muster.service.hooks import (
    EXCERPT,
    Attempt,
    Delivery,
    Hook,
    Outbox,
    Schedule,
    Sender,
    Unreachable,
    Wanted,
)
from muster.service.lookups import ChangeLog
from muster.service.ports import Clock
from muster.service.registry import change_view
from muster.service.submissions import Request
from muster.service.values import Logged

_GONE: Final = 410
_RECOVERED: Final = 5  # failures in a row after which one success says that the receiver is back
_LONGEST_PAUSE_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Standing:
    """A webhook and what waits for it: `lag` counts changes that it was not looked at for, or not told."""

    hook: Hook
    pending: int
    lag: int


class Telling:
    """Everything about webhooks but the threads that tell them. Any thread may call.

    `changed` is called when a webhook came, changed or went, or something is due at once.
    """

    def __init__(
        self, outbox: Outbox, sender: Sender, log: ChangeLog, clock: Clock, schedule: Schedule
    ) -> None:
        self.outbox = outbox
        self._sender = sender
        self._log = log
        self._clock = clock
        self._schedule = schedule
        self.changed: Callable[[], None] = lambda: None

    # ------------------------------------------------------------ webhooks

    def standings(self) -> list[Standing]:
        """All webhooks by name, and what waits for each."""
        return [self.standing(hook) for hook in self.outbox.hooks()]

    def standing(self, hook: Hook) -> Standing:
        """What waits for it."""
        newest = self._log.newest()
        pending, _ = self.outbox.waiting(hook.id)
        behind = max(0, newest.position - hook.position) if newest else 0
        return Standing(hook, pending, behind + pending)

    def hook(self, name: str) -> Hook:
        """The webhook of that name. Raises NotFound."""
        found = self.outbox.hook(name)
        if found is None:
            raise NotFound("webhook", name)
        return found

    def check(self, url: str, secret: str | None = None) -> None:
        """Raises Invalid if webhooks may not go there, or not be signed with that."""
        self._sender.check(url)
        if secret is not None:
            self._sender.check_secret(secret)

    def add(
        self,
        name: str,
        url: str,
        wanted: Wanted,
        actor: str,
        *,
        description: str = "",
        secret: str | None = None,
        request: Request | None = None,
    ) -> Hook:
        """A new webhook, told of what happens from now on. The answer is the only one with its secret.

        Raises:
            Invalid: webhooks may not go there.
            Taken: another goes by that name.
            KeyReused: the idempotency key came with another request.
        """
        if request is not None and (before := self.outbox.answered(request.key)) is not None:
            if before[0] != request.digest:
                raise KeyReused(f"the idempotency key {request.key!r} came with another request before")
            return before[1]
        self.check(url, secret)
        now, newest = self._clock(), self._log.newest()
        hook = Hook(
            id=uuid.uuid4().hex,
            name=name,
            url=url,
            secret=secret or self._sender.new_secret(),
            wanted=wanted,
            description=description,
            created=now,
            created_by=actor,
            updated=now,
            position=newest.position if newest else 0,
        )
        self.outbox.add(hook, None if request is None else (request.key, request.digest))
        self.changed()
        return hook

    def update(self, name: str, *, expected: str | None = None, **fields: Any) -> Hook:
        """Change `url`, `wanted` or `description`. Raises NotFound, Invalid and Stale."""
        before = self._expected(name, expected)
        if "url" in fields:
            self.check(fields["url"])
        return self._changed(replace(before, **fields))

    def disable(self, name: str, actor: str, *, expected: str | None = None) -> Hook:
        """Send it nothing more; what happens meanwhile is told when it is enabled again."""
        before = self._expected(name, expected)
        if before.disabled is not None:
            return before
        return self._changed(replace(before, disabled=self._clock(), why=f"disabled by {actor}"))

    def enable(self, name: str, *, expected: str | None = None) -> Hook:
        """Go on where it was disabled."""
        before = self._expected(name, expected)
        if before.disabled is None:
            return before
        return self._changed(replace(before, disabled=None, why="", failures=0, failing_since=None))

    def renew_secret(self, name: str, *, expected: str | None = None) -> Hook:
        """Sign with a new secret from now on. The answer is the only one with it."""
        return self._changed(replace(self._expected(name, expected), secret=self._sender.new_secret()))

    def remove(self, name: str, *, expected: str | None = None) -> Hook:
        """Forget it, and all that waits for it; what it was."""
        hook = self._expected(name, expected)
        self.outbox.remove(hook.id)
        self.changed()
        return hook

    def _expected(self, name: str, expected: str | None) -> Hook:
        hook = self.hook(name)
        if expected is not None and expected != hook.revision:
            raise Stale(f"the webhook {name!r} has changed since; read it again")
        return hook

    def _changed(self, hook: Hook) -> Hook:
        hook = replace(hook, updated=self._clock())
        self.outbox.change(hook)
        self.changed()
        return hook

    # ------------------------------------------------------------ sending

    def test(self, name: str, actor: str) -> Attempt:
        """Send a `ping`, which is kept nowhere, to a webhook that may be disabled. Blocks."""
        hook = self.hook(name)
        data = {"webhook": name, "actor": actor}
        body = _body("ping", rfc3339(self._clock()), data)
        return self._sent(hook, f"msg_{uuid.uuid4().hex}", body)

    def deliver(self, hook: Hook, delivery: Delivery) -> Attempt:
        """Send it once and keep what came of it. Blocks."""
        logged = self._told(delivery)
        attempt, asked_s = self._attempted(hook, delivery.id, content(logged)) if logged else self._lost()
        self._settle(hook, delivery, attempt, asked_s)
        return attempt

    def redeliver(self, name: str, delivery: str) -> Delivery:
        """Send it once more, now, whatever became of it before; how it stands then. Blocks."""
        hook = self.hook(name)
        self.deliver(hook, self.delivery(hook, delivery))
        return self.delivery(hook, delivery)

    def recover(self, name: str) -> int:
        """Put all that failed for good in line again; how many those are."""
        hook = self.hook(name)
        if hook.disabled is not None:
            raise Conflict(f"the webhook {name!r} is disabled ({hook.why}); enable it first")
        count = self.outbox.recover(hook.id, self._clock())
        self.changed()
        return count

    def delivery(self, hook: Hook, id_: str) -> Delivery:
        """The delivery of that id. Raises NotFound."""
        found = self.outbox.delivery(hook.id, id_)
        if found is None:
            raise NotFound("delivery", id_)
        return found

    def _told(self, delivery: Delivery) -> Logged | None:
        """The change, of another commit if a text in it was redacted; None if the history lost it."""
        if (found := self._log.change(delivery.commit)) is not None:
            return found
        there = self._log.changes_after(delivery.position - 1, 1)
        return there[0] if there and there[0].entry.kind == delivery.kind else None

    def _sent(self, hook: Hook, message: str, body: bytes) -> Attempt:
        return self._attempted(hook, message, body)[0]

    def _attempted(self, hook: Hook, message: str, body: bytes) -> tuple[Attempt, float]:
        """The attempt, and how many seconds the receiver asks to be left alone."""
        at, began = self._clock(), monotonic()
        try:
            said = self._sender.send(hook.url, hook.secret, message, at, body)
        except Unreachable as error:
            return Attempt(at, None, "", str(error), monotonic() - began), 0.0
        excerpt = said.body[:EXCERPT].replace("\0", "\ufffd")
        return Attempt(at, said.status, excerpt, "", monotonic() - began), said.retry_after_s or 0.0

    def _lost(self) -> tuple[Attempt, float]:
        return Attempt(self._clock(), None, "", "the change is not in the history any more", 0.0), 0.0

    def _settle(self, hook: Hook, delivery: Delivery, attempt: Attempt, asked_s: float) -> None:
        """Keep the attempt; say when the next one is, and whether there is to be any."""
        if attempt.success:
            self.outbox.attempted(delivery, attempt, "delivered", None)
            if hook.failures >= _RECOVERED:
                self.outbox.hurry(hook.id, attempt.at)
            return
        pause = self._schedule.pause(delivery.tries + 1)
        if delivery.state == "failed" or pause is None:
            self.outbox.attempted(delivery, attempt, "failed", None)
        else:
            wait = max(pause, min(asked_s, _LONGEST_PAUSE_S))
            self.outbox.attempted(delivery, attempt, "pending", attempt.at + timedelta(seconds=wait))
        since = hook.failing_since or attempt.at
        if attempt.status == _GONE:
            self._give_up(hook, attempt, "its receiver answered 410: gone for good")
        elif (attempt.at - since).total_seconds() >= self._schedule.disable_s:
            self._give_up(hook, attempt, f"nothing was delivered since {rfc3339(since)}")

    def _give_up(self, hook: Hook, attempt: Attempt, why: str) -> None:
        self.outbox.disable(hook.id, attempt.at, why)
        self.changed()


# ------------------------------------------------------------ what is told


def content(logged: Logged) -> bytes:
    """What a webhook is told of a change: the same bytes each time."""
    return _body(f"change.{logged.entry.kind}", rfc3339(logged.entry.time), change_view(logged))


def _body(kind: str, time: str, data: object) -> bytes:
    """The shape that Standard Webhooks recommends."""
    told = {"type": kind, "timestamp": time, "data": data}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def deliveries_of(hook: Hook, batch: Sequence[Logged], now: datetime) -> list[Delivery]:
    """What of a batch of changes the webhook is told, each under an id that is always the same."""
    return [
        Delivery(
            sequence=0,
            id=f"msg_{uuid.uuid5(uuid.UUID(hook.id), logged.commit).hex}",
            hook=hook.id,
            position=logged.position,
            commit=logged.commit,
            kind=logged.entry.kind,
            created=now,
            state="pending",
            due=now,
        )
        for logged in batch
        if hook.wanted.takes(logged.entry)
    ]


# ------------------------------------------------------------ views


def hook_view(standing: Standing) -> dict[str, Json]:
    """A webhook as the API shows it: all but its secret."""
    hook = standing.hook
    return {
        "name": hook.name,
        "url": hook.url,
        "kinds": list(hook.wanted.kinds),
        "models": list(hook.wanted.models),
        "environments": list(hook.wanted.environments),
        "description": hook.description,
        "created_at": rfc3339(hook.created),
        "created_by": hook.created_by,
        "updated_at": rfc3339(hook.updated),
        "active": hook.disabled is None,
        "disabled_at": rfc3339(hook.disabled) if hook.disabled else None,
        "disabled_because": hook.why or None,
        "failing_since": rfc3339(hook.failing_since) if hook.failing_since else None,
        "position": hook.position,
        "pending": standing.pending,
        "lag": standing.lag,
        "delivered": hook.delivered,
        "failed": hook.failed,
    }


def attempt_view(attempt: Attempt) -> dict[str, Json]:
    """An attempt as the API shows it."""
    return {
        "at": rfc3339(attempt.at),
        "delivered": attempt.success,
        "status": attempt.status,
        "response": attempt.response,
        "error": attempt.error or None,
        "ms": round(attempt.seconds * 1000, 1),
    }


def delivery_view(delivery: Delivery) -> dict[str, Json]:
    """A delivery as the API shows it."""
    return {
        "id": delivery.id,
        "type": f"change.{delivery.kind}",
        "position": delivery.position,
        "commit": delivery.commit,
        "created_at": rfc3339(delivery.created),
        "state": delivery.state,
        "attempts": [attempt_view(each) for each in delivery.attempts],
        "next_attempt_at": rfc3339(delivery.due) if delivery.due else None,
    }
