"""Delivery: a thread for each active webhook follows the log from its place, and tells what happened.

One whose receiver is slow or dead holds up no other. A delivery is tried three
times; then it is given up, with a line in the log.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import structlog

from muster.dialects import mlflow_events as events
from muster.dialects.mlflow_call import Answer, Call
from muster.dialects.mlflow_events import Event, Told
from muster.dialects.mlflow_webhooks import Webhook, Webhooks, found
from muster.domain.errors import MusterError
from muster.http.services import Services
from muster.sending import posting, signing
from muster.service.hooks import Answered, Unreachable
from muster.service.values import Logged

ATTEMPTS: Final = 3
_AGAIN: Final = frozenset({429, 500, 502, 503, 504})
_BATCH: Final = 100
_PATIENCE_S: Final = 1.0

log = structlog.get_logger(__name__)


class Delivery:
    """Tells webhooks what was recorded, from `begin` to `end`."""

    def __init__(self, services: Services, webhooks: Webhooks) -> None:
        self._services = services
        self._webhooks = webhooks
        self._threads: dict[str, threading.Thread] = {}
        self._happened = threading.Condition()
        self._running = False
        webhooks.changed = self._changed
        services.recorded(self._recorded)

    def begin(self) -> None:
        """Follow the log for all active webhooks, from where each was."""
        self._running = True
        self._changed()

    def end(self) -> None:
        """Stop after what is being sent just now; what is left is told after the next start."""
        with self._happened:
            self._running = False
            self._happened.notify_all()
            threads = list(self._threads.values())
        until = time.monotonic() + _PATIENCE_S
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._webhooks.keep()

    def _recorded(self, _: Sequence[Logged]) -> None:
        if self._threads:
            with self._happened:
                self._happened.notify_all()

    def _changed(self) -> None:
        with self._happened:
            for webhook in self._webhooks.all() if self._running else ():
                if webhook.active and webhook.webhook_id not in self._threads:
                    follow = threading.Thread(
                        target=self._follow,
                        args=(webhook.webhook_id,),
                        name=f"webhook {webhook.name}",
                        daemon=True,
                    )
                    self._threads[webhook.webhook_id] = follow
                    follow.start()
            self._happened.notify_all()

    def _follow(self, webhook_id: str) -> None:
        index = self._services.registry.index
        while (webhook := self._active(webhook_id)) is not None:
            batch = index.changes_after(webhook.position, _BATCH)
            if not batch:
                with self._happened:
                    newest = index.newest()
                    if self._running and newest is not None and newest.position == webhook.position:
                        self._happened.wait()
                continue
            for logged in batch:
                told = self._tell(webhook_id, logged)
                if not self._running:
                    break  # perhaps in the middle of it: then it is told again
                self._webhooks.passed(webhook_id, logged.position, told=told)

    def _active(self, webhook_id: str) -> Webhook | None:
        """The webhook as it is now; None if it is to be told nothing more, and its thread ends."""
        with self._happened:
            webhook = self._webhooks.one(webhook_id)
            if webhook is None or not webhook.active or not self._running:
                self._threads.pop(webhook_id, None)
                return None
            return webhook

    def _tell(self, webhook_id: str, logged: Logged) -> bool:
        """Tell the webhook what it wants to hear of a change; whether that was anything."""
        try:
            happened = events.told(logged, self._services.past)
        except MusterError as error:
            log.warning("a change cannot be told to webhooks", commit=logged.commit, error=str(error))
            return False
        sent = False
        for nth, told in enumerate(happened):
            webhook = self._webhooks.one(webhook_id)
            if webhook is not None and webhook.active and told.event in webhook.events:
                delivery = str(uuid.uuid5(uuid.UUID(webhook_id), f"{logged.commit}/{nth}"))
                self._deliver(webhook, told, delivery, logged)
                sent = True
        return sent

    def _deliver(self, webhook: Webhook, told: Told, delivery: str, logged: Logged) -> None:
        content = _content(told.event, told.data, logged.entry.time.isoformat())
        failed = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                with self._happened:
                    self._happened.wait_for(lambda: not self._running, 2.0 ** (attempt - 1))
            try:
                answered = self.send(webhook, content, delivery)
            except Unreachable as error:
                failed = str(error)
                continue
            if answered.success:
                return
            failed = f"it answered {answered.status}"
            if answered.status not in _AGAIN:
                break
        log.warning("a webhook was not delivered", webhook=webhook.name, delivery=delivery, reason=failed)

    def send(self, webhook: Webhook, content: bytes, delivery: str) -> Answered:
        """Send it once. Raises Unreachable."""
        now = datetime.now(UTC)
        headers = {"X-MLflow-Delivery-Id": delivery, "X-MLflow-Timestamp": str(int(now.timestamp()))}
        if webhook.secret:  # a text of any kind, where Standard Webhooks has bytes in base64
            headers["X-MLflow-Signature"] = signing.signed(webhook.secret.encode(), delivery, now, content)
        return posting.post(webhook.url, content, headers, allowed=self._webhooks.allowed)

    def test(self, call: Call, webhooks: Webhooks) -> Answer:
        """Send an example, and say what became of it."""
        webhook = found(call, webhooks)
        event = call.arguments.take("event", events.event, webhook.events[0])
        now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
        result: dict[str, Any]
        try:
            answered = self.send(webhook, _content(event, events.example(event), now), str(uuid.uuid4()))
        except Unreachable as error:
            result = {"success": False, "error_message": str(error)}
        else:
            result = {
                "success": answered.success,
                "response_status": answered.status,
                "response_body": answered.body,
            }
        return {"result": result}


def _content(event: Event, data: Any, timestamp: str) -> bytes:
    return msgspec.json.encode(
        {"entity": event.entity.lower(), "action": event.action.lower(), "timestamp": timestamp, "data": data}
    )
