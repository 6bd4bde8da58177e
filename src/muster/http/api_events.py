"""`/api/v1/events`: changes as they happen, and before that those since the reader was last there.

Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html):

id        the position of the change: where to go on, in `Last-Event-ID`
event     `change`, with the change as `/api/v1/changes` shows it
          `end`, the last one, with the reason: `until`, `shutdown`, or `access`, if the
          reader may not read any more
          none, with an id only: nothing was of interest up to there; sent as a heartbeat
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final, cast

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage

from muster.domain.errors import MusterError, Unavailable
from muster.http import callers
from muster.http.answers import encoded
from muster.http.api_changes import wanted_of
from muster.http.parameters import Given, Kinds, Number, Time, Wanted
from muster.http.services import Scope, Services
from muster.service.registry import change_view
from muster.service.stream import Following, beginning, place

EVENTS: Final = "/api/v1/events"
MOST: Final = 500  # streams that are open at once
HEARTBEAT_S: Final = 15.0
_LOOK_AGAIN_S: Final = 5.0  # what another process writes to the home pokes nobody here
_ASK_AGAIN_S: Final = 0.5  # who was disabled is told nothing more within a second
_RETRY_MS: Final = 2000

Last = Annotated[
    str | None,
    QueryParameter(
        name="after", description="A position or commit to go on after, where no Last-Event-ID can be sent"
    ),
]


@get(
    EVENTS,
    summary="Stream changes as they happen, oldest first",
    opt={"media": "text/event-stream"},
)
async def events(
    services: Given,
    request: Request[Any, Any, Any],
    model: Wanted = None,
    number: Number = None,
    environment: Wanted = None,
    actor: Wanted = None,
    kind: Kinds = None,
    since: Time = None,
    until: Time = None,
    after: Last = None,
) -> ServerSentEvent:
    wanted = wanted_of(model, number, environment, actor, kind, since, until)
    last = request.headers.get("last-event-id")
    whole = services.everything or services

    def begin() -> Following:
        field, text = ("Last-Event-ID", last) if last else ("after", after)
        log = whole.registry.index  # a place may be one of what the reader sees no more
        return Following(wanted, place(log, text, field) if text else beginning(log, wanted.since))

    if whole.changes.followers >= MOST:
        raise Unavailable(f"{MOST} streams of events are open already; try again later")
    following = await whole.pools.reads.run(begin)
    return ServerSentEvent(_stream(_Reader(whole, cast(Scope, request.scope)), following))


class _Reader:
    """Who reads: asked anew all the time, for a stream may outlive what its reader may see."""

    def __init__(self, services: Services, scope: Scope) -> None:
        self.services = services
        self._scope = scope

    def sees(self) -> Services | None:
        """The services as far as the reader sees now; None if it is nobody any more."""
        headers: dict[bytes, bytes] = dict(self._scope["headers"])
        try:
            return self.services.seen_by(callers.caller(self.services.gate, self._scope, headers, EVENTS))
        except MusterError:
            return None


async def _stream(reader: _Reader, following: Following) -> AsyncIterator[ServerSentEventMessage]:
    changes, pools = reader.services.changes, reader.services.pools
    with changes.followed():
        yield ServerSentEventMessage(None, id=following.position, retry=_RETRY_MS)
        told = looked = time.monotonic()
        ticket: int | None = None
        while not changes.ended:
            if (seen := reader.sees()) is None:
                yield _end(following, "access")
                return
            now = time.monotonic()
            if ticket == changes.ticket() and now - looked < _LOOK_AGAIN_S:
                await changes.after(ticket, _ASK_AGAIN_S)
                continue
            ticket, looked, over = changes.ticket(), now, following.over(datetime.now(UTC))
            found, all_there = await pools.reads.run(partial(following.take, seen.registry.index))
            for each in found:
                yield ServerSentEventMessage(encoded(change_view(each)), event="change", id=each.position)
            if all_there and over:
                yield _end(following, "until")
                return
            if found:
                told = now
            elif now - told >= HEARTBEAT_S:
                yield ServerSentEventMessage(None, id=following.position, comment="still here")
                told = now
            if not all_there:
                ticket = None
        yield _end(following, "shutdown")


def _end(following: Following, why: str) -> ServerSentEventMessage:
    return ServerSentEventMessage(encoded({"reason": why}), event="end", id=following.position)


def routes() -> list[HTTPRouteHandler]:
    """All routes of events."""
    return [events]
