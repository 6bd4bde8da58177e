"""What every page asks, looked at when a server begins, so that no visitor has to wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from muster.domain.errors import MusterError
from muster.http.services import Services


@asynccontextmanager
async def warming(services: Services) -> AsyncIterator[None]:
    """Look while what is inside goes on; give up when it ends."""
    looking = asyncio.create_task(_look(services))
    try:
        yield
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking


async def _look(services: Services) -> None:
    with suppress(MusterError):  # whoever visits is told
        await services.pools.reads.run(services.standings.look)
        await services.pools.reads.run(services.rosters.roster)
        await services.pools.reads.run(services.duties.lacking)
        await services.pools.reads.run(partial(services.rosters.built_on, ""))
