"""A small HTTP/1.1 client over Unix sockets: pooled connections, one request at a time on each.

Ours because the general clients cost as much as the inference itself (aiohttp
0.33 ms a call, httpx 1.0 ms). httptools parses; this file only keeps connections.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import cast

import httptools

Headers = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Answer:
    """What a worker answered."""

    status: int = 0
    headers: Headers = field(default_factory=list)
    body: bytes = b""


class NotSent(Exception):
    """Nobody listens at the socket: the request has reached no worker."""


class Lost(Exception):
    """The connection ended before the answer was complete: the worker may have seen the request."""


class Connection(asyncio.Protocol):
    """One connection to a worker."""

    def __init__(self, pool: Connections, socket: str) -> None:
        self._pool = pool
        self._socket = socket
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._begin()

    async def send(self, request: bytes, body: bytes) -> Answer:
        """Raises Lost. If the caller is cancelled, the connection is closed."""
        if self._transport is None or self._transport.is_closing():
            raise Lost
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request + body if len(body) < 65536 else request)
        if len(body) >= 65536:
            self._transport.write(body)
        try:
            return await self._waiting
        except asyncio.CancelledError:
            self._transport.abort()
            raise
        finally:
            self._waiting = None

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # ------------------------------------------------------------ asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes, so there is nothing to check them against.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # the name is asyncio's
        self._transport = None
        self._pool.drop(self._socket, self)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(Lost())

    # ------------------------------------------------------------ httptools

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._answer = Answer()
        self._chunks: list[bytes] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._answer.headers.append((name.lower(), value))

    def on_body(self, chunk: bytes) -> None:
        self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        answer, parser = self._answer, self._parser
        answer.status = parser.get_status_code()
        answer.body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._answer, self._chunks = Answer(), []
        if not parser.should_keep_alive():
            self.close()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(answer)


class Connections:
    """Connections by socket, kept for the next request. On one event loop only."""

    def __init__(self) -> None:
        self._idle: defaultdict[str, list[Connection]] = defaultdict(list)

    async def send(self, socket: str, request: bytes, body: bytes) -> Answer:
        """One request to the worker at `socket`.

        Raises:
            NotSent: nobody listens there.
            Lost: the worker ended, or closed the connection, before it had answered.
        """
        idle = self._idle.get(socket)
        connection = idle.pop() if idle else await self._connect(socket)
        answer = await connection.send(request, body)
        self._idle[socket].append(connection)
        return answer

    def drop(self, socket: str, connection: Connection) -> None:
        """The connection has ended."""
        idle = self._idle.get(socket, [])
        if connection in idle:
            idle.remove(connection)
        if not idle:
            self._idle.pop(socket, None)

    def close(self) -> None:
        for connections in list(self._idle.values()):
            for connection in connections:
                connection.close()

    async def _connect(self, socket: str) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_unix_connection(lambda: Connection(self, socket), socket)
        except OSError as error:
            raise NotSent from error
        return connection
