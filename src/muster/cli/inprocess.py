"""The client's way to a registry without a server: the same application, called in this process.

So a command has one code path, whether a server is there or not.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import Future
from typing import Any, Final

import httpx

from muster.domain.errors import Unavailable

Message = MutableMapping[str, Any]
Application = Callable[[Any, Any, Any], Awaitable[None]]

URL: Final = "http://localhost"  # a Host that the application knows
_WAITING: Final = 16  # pieces of an answer that nobody has read yet


class InProcess(httpx.BaseTransport):
    """Runs an ASGI application in an event loop of its own thread. Threads may share it."""

    def __init__(self, application: Application) -> None:
        """Start the application. Raises Unavailable if it does not start."""
        self._application = application
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="in-process", daemon=True)
        self._thread.start()
        self._life = self._on_loop(_Life.begin(application)).result()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The application's answer; its body may be read while it is made."""
        exchange = _Exchange(request)
        running = self._on_loop(exchange.run(self._application))
        start = exchange.first()
        stream = _Body(exchange, running, self._loop)
        return httpx.Response(start["status"], headers=list(start["headers"]), stream=stream)

    def close(self) -> None:
        """Stop the application and the loop."""
        if not self._loop.is_closed():
            self._on_loop(self._life.end()).result()
            self._on_loop(self._loop.shutdown_default_executor()).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _on_loop(self, work: Any) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)


class _Life:
    """The application's lifespan (ASGI 3, lifespan protocol 2.0)."""

    def __init__(self) -> None:
        self._to: asyncio.Queue[Message] = asyncio.Queue()
        self._from: asyncio.Queue[Message] = asyncio.Queue()

    @classmethod
    async def begin(cls, application: Application) -> _Life:
        life = cls()
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        life._task = asyncio.ensure_future(application(scope, life._to.get, life._from.put))
        await life._pass("startup")
        return life

    _task: asyncio.Future[None]

    async def end(self) -> None:
        await self._pass("shutdown")
        await self._task

    async def _pass(self, stage: str) -> None:
        await self._to.put({"type": f"lifespan.{stage}"})
        answer = asyncio.ensure_future(self._from.get())
        waiting: set[asyncio.Future[Any]] = {answer, self._task}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            self._task.result()
            raise Unavailable(f"the registry ended during its {stage}")
        if answer.result()["type"].endswith(".failed"):
            raise Unavailable(f"the registry failed in its {stage}: {answer.result().get('message', '')}")


class _Exchange:
    """One request and its answer, between the caller's thread and the loop."""

    def __init__(self, request: httpx.Request) -> None:
        self._request = request
        self._sent: Iterator[bytes] = iter(request.stream)  # type: ignore[arg-type]  # a sync client's
        self._parts: queue.Queue[Message | BaseException | None] = queue.Queue(_WAITING)
        self._answered: asyncio.Event | None = None
        self._abandoned = False

    async def run(self, application: Application) -> None:
        """Have the application answer; called on the loop."""
        self._answered = asyncio.Event()
        try:
            await application(self._scope(), self._receive, self._send)
        except BaseException as error:
            await self._put(error)
            raise
        finally:
            await self._put(None)

    def first(self) -> Message:
        """Block until status and headers are there."""
        part = self._parts.get()
        if isinstance(part, dict):
            return part
        if isinstance(part, BaseException):
            raise part
        raise httpx.RemoteProtocolError("the application gave no answer")

    def rest(self) -> Iterator[bytes]:
        """The body, as it comes."""
        while (part := self._parts.get()) is not None:
            if isinstance(part, BaseException):
                raise part
            yield part.get("body", b"")

    def abandon(self, running: Future[Any], loop: asyncio.AbstractEventLoop) -> None:
        """Let the application finish, unheard; one that streams without end sees that its caller has left."""
        self._abandoned = True
        if self._answered is not None:
            loop.call_soon_threadsafe(self._answered.set)
        while not running.done():
            try:
                self._parts.get(timeout=0.01)
            except queue.Empty:
                continue

    def _scope(self) -> Message:
        url = self._request.url
        raw_path, _, query = url.raw_path.partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": self._request.method,
            "scheme": url.scheme,
            "path": url.path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": [(key.lower(), value) for key, value in self._request.headers.raw],
            "client": ("127.0.0.1", 0),
            "server": (url.host, url.port or 80),
            "state": {},
        }

    async def _receive(self) -> Message:
        """A piece of the request's body; then nothing, until the answer is complete."""
        assert self._answered is not None
        if self._sent is _NOTHING:
            await self._answered.wait()
            return {"type": "http.disconnect"}
        piece = await asyncio.to_thread(next, self._sent, None)
        if piece is None:
            self._sent = _NOTHING
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def _send(self, message: Message) -> None:
        assert self._answered is not None
        if message["type"] in ("http.response.start", "http.response.body"):
            await self._put(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self._answered.set()

    async def _put(self, part: Message | BaseException | None) -> None:
        if self._abandoned and part is not None:
            return
        try:
            self._parts.put_nowait(part)
        except queue.Full:
            await asyncio.to_thread(self._parts.put, part)


_NOTHING: Final[Iterator[bytes]] = iter(())


class _Body(httpx.SyncByteStream):
    """An answer's body; closing it early lets the application finish, unheard."""

    def __init__(self, exchange: _Exchange, running: Future[Any], loop: asyncio.AbstractEventLoop) -> None:
        self._exchange = exchange
        self._running = running
        self._loop = loop

    def __iter__(self) -> Iterator[bytes]:
        return self._exchange.rest()

    def close(self) -> None:
        self._exchange.abandon(self._running, self._loop)
