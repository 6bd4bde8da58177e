"""`/api/v1/events`: changes as they happen, and before that those since the reader was last there.

Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html):

id        the position of the change: where to go on, in `Last-Event-ID`
event     `change`, with the change as `/api/v1/changes` shows it
          `end`, the last one, with the reason: `until` or `shutdown`
          none, with an id only: nothing was of interest up to there; sent as a heartbeat
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage

from muster.domain.errors import Unavailable
from muster.http.answers import encoded
from muster.http.api_changes import wanted_of
from muster.http.parameters import Given, Kinds, Number, Time, Wanted
from muster.http.services import Services
from muster.service.registry import change_view
from muster.service.stream import Following, place

EVENTS: Final = "/api/v1/events"
MOST: Final = 500  # streams that are open at once
HEARTBEAT_S: Final = 15.0
_LOOK_AGAIN_S: Final = 5.0  # what another process writes to the home pokes nobody here
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

    def begin() -> Following:
        log = services.registry.index
        field, text = ("Last-Event-ID", last) if last else ("after", after)
        return Following(log, wanted, place(log, text, field) if text else None)

    if services.changes.followers >= MOST:
        raise Unavailable(f"{MOST} streams of events are open already; try again later")
    return ServerSentEvent(_stream(services, await services.pools.reads.run(begin)))


async def _stream(services: Services, following: Following) -> AsyncIterator[ServerSentEventMessage]:
    changes = services.changes
    with changes.followed():
        yield ServerSentEventMessage(None, id=following.position, retry=_RETRY_MS)
        quiet_s = 0.0
        while not changes.ended:
            ticket, over = changes.ticket(), following.over(datetime.now(UTC))
            found, all_there = await services.pools.reads.run(following.take)
            for each in found:
                yield ServerSentEventMessage(encoded(change_view(each)), event="change", id=each.position)
            if found:
                quiet_s = 0.0
            if not all_there:
                continue
            if over:
                yield _end(following, "until")
                return
            if quiet_s >= HEARTBEAT_S:
                yield ServerSentEventMessage(None, id=following.position, comment="still here")
                quiet_s = 0.0
            quiet_s += await changes.after(ticket, _LOOK_AGAIN_S)
        yield _end(following, "shutdown")


def _end(following: Following, why: str) -> ServerSentEventMessage:
    return ServerSentEventMessage(encoded({"reason": why}), event="end", id=following.position)


def routes() -> list[HTTPRouteHandler]:
    """All routes of events."""
    return [events]
