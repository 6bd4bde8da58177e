"""`/live`: says whenever something was recorded, so that a page fetches itself again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.response import ServerSentEvent, ServerSentEventMessage

from muster.http.parameters import Given
from muster.http.services import Services

LOOK_AGAIN_S: Final = 5.0  # what another process writes to the home pokes nobody here
_ROUNDS: Final = 120  # then the browser asks anew by itself


@get("/live")
async def live(services: Given) -> ServerSentEvent:
    return ServerSentEvent(_changes(services))


async def _changes(services: Services) -> AsyncIterator[ServerSentEventMessage]:
    """The newest commit to `begin` with, and a `change` whenever that is another one."""
    seen = _newest(services)
    yield ServerSentEventMessage(seen, event="begin", retry=3000)
    for _ in range(_ROUNDS):
        ticket = services.changes.ticket()
        if (now := _newest(services)) != seen:
            seen = now
            yield ServerSentEventMessage(now, event="change")
        await services.changes.after(ticket, LOOK_AGAIN_S)
        if services.changes.ended:
            return


def _newest(services: Services) -> str:
    return services.registry.index.head() or ""


def routes() -> list[HTTPRouteHandler]:
    """All routes of this module."""
    return [live]
