"""HTTP/1.1 as uvicorn speaks it, with each answer sent in one piece."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_AT_ONCE: Final = 64 * 1024


class OneWriteProtocol(HttpToolsProtocol):
    """uvicorn writes the head and the body of an answer apart, and each write is a system call.

    They made up a quarter of the time of a point read.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_Joining(transport, self.loop))  # type: ignore[arg-type]


class _Joining:
    """A transport that sends what one turn of the event loop writes together, up to 64 KiB."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(data)
        self._size += len(data)
        if self._size >= _AT_ONCE:
            self._flush()  # so that a long stream is held back when its reader is slow

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._waiting:
            joined = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
            self._waiting, self._size = [], 0
            if not self._transport.is_closing():
                self._transport.write(joined)
