"""`/api/v1/operations`: a deployment under way, to poll or to follow."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.response import ServerSentEvent, ServerSentEventMessage

from muster.domain.errors import Invalid
from muster.http import schemas_deployed
from muster.http.answers import Answer, encoded
from muster.http.parameters import Given, InPath
from muster.http.writes import stepping
from muster.service.operations import Operation, event_view

OPERATION: Final = "/api/v1/operations/{operation_id:str}"


@get(OPERATION, summary="Show how far a deployment has come")
async def operation(services: Given, operation_id: InPath) -> Answer[schemas_deployed.OperationRecord]:
    return Answer(encoded(services.deployer.operations.get(operation_id).view()))


@get(
    f"{OPERATION}/events",
    summary="Follow a deployment, step by step, until it has ended",
    opt={"media": "text/event-stream"},
)
async def events(services: Given, request: Request[Any, Any, Any], operation_id: InPath) -> ServerSentEvent:
    found = services.deployer.operations.get(operation_id)
    last = request.headers.get("last-event-id", "0")
    if not last.isdecimal() or len(last) > 9:
        raise Invalid.one("Last-Event-ID", last, "must be the id of an event")
    return ServerSentEvent(_events(found, int(last)))


async def _events(followed: Operation, seen: int) -> AsyncIterator[ServerSentEventMessage]:
    """The steps after number `seen`, as they happen; ends with the operation."""
    with stepping(followed) as step:
        while True:
            ended = followed.ended  # looked at first: the last step comes after it
            for event in followed.events[seen:]:
                seen = event.number
                yield ServerSentEventMessage(encoded(event_view(event)), event=event.step, id=event.number)
                if event.step in ("done", "failed"):
                    return
            if ended and not followed.events[seen:]:
                return
            await step.wait()
            step.clear()


def routes() -> list[HTTPRouteHandler]:
    """All routes of operations."""
    return [operation, events]
