"""Bodies that do not fit into memory: in, as they arrive, and out, a piece at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from muster.domain.errors import Invalid
from muster.http.services import Receive, Services

CHUNK: Final = 256 * 1024
STALLED_S: Final = 60.0


def incoming(receive: Receive, loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
    """The body as it arrives, for a thread other than the loop's, which asks for each chunk.

    Raises:
        Invalid: it ended early, or nothing came for a minute.
    """
    while True:
        # The longer wait is for a loop that ends at this very moment and never gets to it.
        message = asyncio.run_coroutine_threadsafe(arriving(receive), loop).result(STALLED_S + 1)
        if message["type"] == "http.disconnect":
            raise Invalid.one("body", "what came", "must be whole: the connection ended early")
        if chunk := message.get("body"):
            yield chunk
        if not message.get("more_body"):
            return


async def arriving(receive: Receive) -> Any:
    """The next message of the body. Raises Invalid if nothing came for a minute."""
    try:
        async with asyncio.timeout(STALLED_S):
            return await receive()
    except TimeoutError:
        raise Invalid.one("body", "what came", f"must not stall for {STALLED_S:g} s") from None


async def outgoing(services: Services, stored: Path, start: int, stop: int) -> AsyncIterator[bytes]:
    """The bytes of a file in the store from `start` up to before `stop`."""
    with stored.open("rb") as file:
        file.seek(start)
        while start < stop:
            chunk = await services.pools.downloads.run(partial(file.read, min(CHUNK, stop - start)))
            if not chunk:
                raise OSError(f"a file in the store is shorter than its record says ({stop - start} bytes)")
            start += len(chunk)
            yield chunk
