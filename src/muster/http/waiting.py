"""What waits for approval instead of being refused for want of it, whichever way it was asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar, cast

from muster.domain.changes import Actor, Change
from muster.domain.errors import ApprovalNeeded
from muster.http.services import Services
from muster.service.operations import Operation
from muster.service.submissions import Recorded, Request

T = TypeVar("T", Recorded, Operation)


async def or_proposed(
    work: Callable[[], Awaitable[T]],
    services: Services,
    change: Change,
    actor: Actor,
    reason: str,
    request: Request | None = None,
) -> T:
    """What `work` gives, which is to have `change` done; also if it had been approved and not done yet.

    Raises:
        ApprovalNeeded: it waits, and comes with the record of the proposal.
    """
    try:
        return await work()
    except ApprovalNeeded:
        instead = partial(services.proposals.instead, change, actor, reason, request)

        def proposed() -> T:
            try:
                return cast(T, instead())
            except ApprovalNeeded as waits:
                raise with_record(services, waits, actor) from None

        return await services.pools.writes.run(proposed)


def with_record(services: Services, waits: ApprovalNeeded, actor: Actor) -> ApprovalNeeded:
    """The refusal with the record of the proposal that it names. Blocks."""
    if waits.proposal is not None:
        sight = services.gate.sight(actor)
        waits.record = services.proposal_views.one(waits.proposal, actor, sight)
    return waits
