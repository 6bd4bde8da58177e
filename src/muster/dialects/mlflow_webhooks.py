"""Webhooks: who wants to hear of what, and their calls.

What is kept holds secrets, so it is not in the registry but in a file of the home's
`secrets/`. Each webhook has its own place in the log, kept there too: what happened
while the server was down is told when it is up again, at least once and in order.
"""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol

import msgspec

from muster.dialects import mlflow_events as events
from muster.dialects.mlflow_call import Answer, Call, Refused, integer
from muster.dialects.mlflow_events import Event
from muster.domain import parse
from muster.domain.errors import Conflict, Invalid
from muster.sending import addresses

MAX_WEBHOOKS: Final = 100
MAX_PAGE: Final = 1_000
_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_STATUSES: Final = ("ACTIVE", "DISABLED")


class Keeper(Protocol):
    """Where the webhooks are kept: one text, whole or not at all, that nobody else may read."""

    def read(self) -> bytes | None: ...

    def write(self, content: bytes) -> None: ...


class Webhook(msgspec.Struct, frozen=True):
    """A webhook. `position` is that of the last change that it was told of; times are milliseconds."""

    webhook_id: str
    name: str
    url: str
    events: tuple[Event, ...]
    status: str
    description: str
    secret: str
    created: int
    updated: int
    position: int

    @property
    def active(self) -> bool:
        return self.status == "ACTIVE"

    def shape(self) -> dict[str, Any]:
        """What a client sees: all but the secret."""
        shape: dict[str, Any] = {
            "webhook_id": self.webhook_id,
            "name": self.name,
            "url": self.url,
            "events": [{"entity": each.entity, "action": each.action} for each in self.events],
            "status": self.status,
            "creation_timestamp": self.created,
            "last_updated_timestamp": self.updated,
        }
        return shape | ({"description": self.description} if self.description else {})


class Webhooks:
    """All webhooks. Any thread may call; `changed` is told when a webhook came, changed or went."""

    def __init__(self, keeper: Keeper, allowed: Sequence[str] = ()) -> None:
        self._keeper = keeper
        self._lock = threading.Lock()
        self._all: dict[str, Webhook] | None = None
        self.allowed = allowed
        self.changed: Callable[[], None] = lambda: None

    def all(self) -> list[Webhook]:
        """Newest first."""
        with self._lock:
            return sorted(
                self._there().values(), key=lambda each: (each.created, each.webhook_id), reverse=True
            )

    def one(self, webhook_id: str) -> Webhook | None:
        """The webhook of that id."""
        with self._lock:
            return self._there().get(webhook_id)

    def add(self, webhook: Webhook) -> None:
        """Raises Conflict: there are as many as there may be."""
        with self._lock:
            if len(self._there()) >= MAX_WEBHOOKS:
                raise Conflict(f"there are {MAX_WEBHOOKS} webhooks already; delete one")
            self._keep({**self._there(), webhook.webhook_id: webhook})
        self.changed()

    def replace(self, webhook_id: str, **fields: Any) -> Webhook | None:
        """Change fields of one, if it is still there; what it is then."""
        with self._lock:
            there = self._there().get(webhook_id)
            if there is None:
                return None
            now = msgspec.structs.replace(there, **fields)
            self._keep({**self._there(), webhook_id: now})
        self.changed()
        return now

    def passed(self, webhook_id: str, position: int, *, told: bool) -> None:
        """It has come to that position. Kept at once if it was `told` anything, so as not to repeat it."""
        with self._lock:
            there = self._there()
            if webhook_id in there:
                there[webhook_id] = msgspec.structs.replace(there[webhook_id], position=position)
                if told:
                    self._keep(there)

    def keep(self) -> None:
        """Keep the positions of all."""
        with self._lock:
            if self._there():
                self._keep(self._there())

    def remove(self, webhook_id: str) -> bool:
        """Whether there was one."""
        with self._lock:
            left = dict(self._there())
            gone = left.pop(webhook_id, None)
            if gone is not None:
                self._keep(left)
        self.changed()
        return gone is not None

    def _there(self) -> dict[str, Webhook]:
        if self._all is None:
            kept = self._keeper.read()
            there = msgspec.json.decode(kept, type=list[Webhook]) if kept else []
            self._all = {each.webhook_id: each for each in there}
        return self._all

    def _keep(self, webhooks: dict[str, Webhook]) -> None:
        self._keeper.write(msgspec.json.encode(list(webhooks.values())))
        self._all = webhooks


# ------------------------------------------------------------ values


def _name(value: object, field: str) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise Invalid.one(
            field, value, "must be 1 to 63 letters, digits, '.', '_', '-', the first and last no sign"
        )
    return value


def _status(value: object, field: str) -> str:
    return parse.one_of(_STATUSES)(value, field)


def _secret(value: object, field: str) -> str:
    try:
        return parse.text(value, field, 1_024)
    except Invalid:  # what it holds is not repeated
        raise Invalid.one(field, "…", "must be a text of at most 1,024 characters") from None


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000


# ------------------------------------------------------------ calls


Handler = Callable[[Call, Webhooks], Answer]


def found(call: Call, webhooks: Webhooks) -> Webhook:
    """The webhook that the path names. Raises Refused."""
    webhook = webhooks.one(call.rest)
    if webhook is None:
        raise Refused(404, "RESOURCE_DOES_NOT_EXIST", f"Webhook with ID {call.rest} not found.")
    return webhook


def _newest(call: Call) -> int:
    newest = call.services.registry.index.newest()
    return newest.position if newest else 0


def create(call: Call, webhooks: Webhooks) -> Answer:
    given, now = call.arguments, _milliseconds()
    webhook = Webhook(
        webhook_id=str(uuid.uuid4()),
        name=given.need("name", _name),
        url=given.need("url", partial(addresses.url, allowed=webhooks.allowed)),
        events=given.need("events", events.events),
        status=given.take("status", _status, "ACTIVE"),
        description=given.take("description", parse.text, ""),
        secret=given.take("secret", _secret, ""),
        created=now,
        updated=now,
        position=_newest(call),
    )
    webhooks.add(webhook)
    return {"webhook": webhook.shape()}


def listing(call: Call, webhooks: Webhooks) -> Answer:
    limit = call.arguments.take("max_results", integer(1, MAX_PAGE), 100)
    token = call.arguments.take("page_token", parse.text, "")
    there = webhooks.all()
    ids = [each.webhook_id for each in there]
    if token and token not in ids:
        raise Invalid.one("page_token", token, "must be the next_page_token of the page before")
    start = ids.index(token) + 1 if token else 0
    page = there[start : start + limit]
    answer: dict[str, Any] = {"webhooks": [each.shape() for each in page]} if page else {}
    return answer | ({"next_page_token": ids[start + limit - 1]} if len(there) > start + limit else {})


def get(call: Call, webhooks: Webhooks) -> Answer:
    return {"webhook": found(call, webhooks).shape()}


def update(call: Call, webhooks: Webhooks) -> Answer:
    before, given = found(call, webhooks), call.arguments
    readers: dict[str, Callable[[object, str], Any]] = {
        "name": _name,
        "url": partial(addresses.url, allowed=webhooks.allowed),
        "events": events.events,
        "status": _status,
        "description": parse.text,
        "secret": _secret,
    }
    fields = {name: given.need(name, read) if name != "description" else given.take(name, read, "")
              for name, read in readers.items() if given.has(name)}  # fmt: skip
    if fields.get("status") == "ACTIVE" and not before.active:
        fields["position"] = _newest(call)  # what it did not want to hear of is not told later
    now = webhooks.replace(call.rest, updated=_milliseconds(), **fields)
    return {"webhook": (now or before).shape()}


def delete(call: Call, webhooks: Webhooks) -> Answer:
    found(call, webhooks)
    webhooks.remove(call.rest)
    return {}


ROUTES: Final[dict[tuple[str, str], Handler]] = {
    ("POST", "webhooks"): create,
    ("GET", "webhooks"): listing,
    ("GET", "webhooks/{id}"): get,
    ("PATCH", "webhooks/{id}"): update,
    ("DELETE", "webhooks/{id}"): delete,
}


def handler(webhooks: Webhooks, handle: Handler) -> Callable[[Call], Awaitable[Answer]]:
    """`handle` for admins, in a thread of its own: it writes a file, and looks names up."""

    async def answer(call: Call) -> Answer:
        call.services.gate.check_may_tell(call.actor)
        return await call.services.pools.writes.run(partial(handle, call, webhooks))

    return answer
