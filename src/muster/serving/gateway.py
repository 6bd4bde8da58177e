"""`/serve/{environment}/{model}/…`: each request to the version that is deployed there now.

A request is read whole, so that it can be sent again: inference has no effects.
It waits while no worker is ready, and is sent again when a worker dies over it,
until a deadline; which version gets it is settled at the moment it is sent. So
neither a switch nor a worker's crash fails a request.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import msgspec

from muster.domain.errors import MusterError, NotFound, Unavailable
from muster.service.values import Endpoint
from muster.serving.connections import Answer, Connections, Headers, Lost, NotSent
from muster.serving.routes import RouteTable

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

# Hop by hop (RFC 9110, 7.6.1), or made anew; and what is for Muster alone.
_NOT_FORWARDED = frozenset(
    b"authorization connection content-length cookie expect host keep-alive proxy-authorization "
    b"proxy-connection te trailer transfer-encoding upgrade".split()
)
_NOT_RETURNED = frozenset(b"connection date keep-alive server transfer-encoding".split())
_AGAIN_S = 0.02  # after which a socket where nobody listened is tried again
_HEALTH = ("v2/health/live", "v2/health/ready", "ping")


@dataclass(frozen=True, slots=True)
class Limits:
    """What the gateway takes, and how long it tries."""

    body_bytes: int = 64 * 1024 * 1024  # of one request
    waiting_bytes: int = 256 * 1024 * 1024  # of all requests that have no answer yet
    hold_s: float = 30.0  # that a request waits for a worker
    deaths: int = 3  # of workers over one request, before it is taken to be the cause


def not_deployed(environment: str, model: str) -> MusterError:
    """Why nothing is routed there, for a gateway that is not told more."""
    return NotFound("deployment", f"{model} in {environment}")


class _Refused(Exception):
    """The gateway itself answers, with this status and sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Gateway:
    """A raw ASGI application.

    `explain` says why nothing is routed for a model in an environment:
    Unavailable if something will be (the request waits then), any other error if
    not (unknown, recorded only, nothing deployed), which is answered with 404.
    """

    def __init__(
        self,
        routes: RouteTable,
        explain: Callable[[str, str], MusterError] = not_deployed,
        limits: Limits | None = None,
    ) -> None:
        self._routes = routes
        self._explain = explain
        self._limits = limits or Limits()
        self._connections = Connections()
        self._load: Counter[str] = Counter()  # requests under way, by socket
        self._turn = 0
        self._waiting_bytes = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._switched = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._routes.watch(self._wake)
        endpoint = None
        try:
            environment, model, path = _place(scope)
            body = await self._body(scope, receive)
            self._waiting_bytes += len(body)
            try:
                request = _request(scope, path, len(body))
                endpoint, answer = await self._forward(environment, model, path, request, body)
            finally:
                self._waiting_bytes -= len(body)
        except _Refused as refused:
            answer = _error(refused.status, str(refused))
        await _reply(send, answer, endpoint)

    async def close(self) -> None:
        """Close the idle connections."""
        self._connections.close()
        await asyncio.sleep(0)  # so that the loop closes the sockets too

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        limit = self._limits.body_bytes
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        too_large = _Refused(413, f"The body is larger than the {limit} bytes that are taken here")
        if int(declared) > limit:
            raise too_large
        if self._waiting_bytes + int(declared) > self._limits.waiting_bytes:
            raise _Refused(503, "Too many requests wait for an answer; try again later")
        chunks, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Refused(400, "The body ended early")
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > limit:
                raise too_large
            if not message.get("more_body"):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _forward(
        self, environment: str, model: str, path: str, request: bytes, body: bytes
    ) -> tuple[Endpoint, Answer]:
        """Send until a worker has answered. Raises _Refused."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        deadline = began + (0 if path in _HEALTH else self._limits.hold_s)
        deaths = 0
        while True:
            endpoint, socket = await self._ready(environment, model, deadline)
            meter = self._routes.meter(endpoint.key)
            of_worker = self._routes.worker_meter(endpoint.key, socket)
            meter.in_flight += 1
            self._load[socket] += 1
            status = 503
            try:
                async with asyncio.timeout(endpoint.timeout_s):
                    answer = await self._connections.send(socket, request, body)
                status = answer.status
                return endpoint, answer
            except TimeoutError:
                status = 504
                raise _Refused(
                    504, f"{endpoint.model_id} did not answer within {endpoint.timeout_s:g} s, its timeout_s"
                ) from None
            except NotSent:
                status = 0 if loop.time() < deadline else 503
                if status:
                    raise _Refused(503, f"No worker of {endpoint.model_id} answers") from None
                await self._wait(min(deadline, loop.time() + _AGAIN_S))
            except Lost:
                deaths += 1
                status = 502 if deaths >= self._limits.deaths else 0
                if status:
                    raise _Refused(
                        502, f"{deaths} workers of {endpoint.model_id} ended over this request"
                    ) from None
            finally:
                meter.in_flight -= 1
                self._load[socket] -= 1
                if not self._load[socket]:
                    del self._load[socket]
                if status:
                    seconds = loop.time() - began
                    meter.add(seconds, status >= 500)
                    of_worker.add(seconds, status >= 500)

    async def _ready(self, environment: str, model: str, deadline: float) -> tuple[Endpoint, str]:
        """The endpoint to send to now, and the socket of its least busy worker; wait for one if need be."""
        loop = asyncio.get_running_loop()
        while True:
            endpoint = self._routes.route(environment, model)
            if endpoint is not None and endpoint.sockets:
                return endpoint, self._least_busy(endpoint.sockets)
            if endpoint is None:
                why = self._explain(environment, model)
                if not isinstance(why, Unavailable):
                    raise _Refused(404, why.message)
                message = why.message
            else:
                message = f"No worker of {endpoint.model_id} is ready"
            if loop.time() >= deadline:
                raise _Refused(503, message)
            await self._wait(deadline)

    def _least_busy(self, sockets: tuple[str, ...]) -> str:
        if len(sockets) == 1:
            return sockets[0]
        self._turn += 1  # so that idle workers take turns
        start = self._turn % len(sockets)
        return min(sockets[start:] + sockets[:start], key=self._load.__getitem__)

    async def _wait(self, until: float) -> None:
        """Until some route has changed, or until that time."""
        try:
            async with asyncio.timeout_at(until):
                await self._switched.wait()
        except TimeoutError:
            return

    def _wake(self) -> None:
        """Called by targets, on their threads."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake_all)

    def _wake_all(self) -> None:
        self._switched.set()
        self._switched = asyncio.Event()


def _place(scope: Scope) -> tuple[str, str, str]:
    """Environment, model, and the path at the worker, from the path as it was sent.

    Not from the decoded path: a model's name may hold what looks like an escape.
    """
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    parts = raw.split(b"/", 4)
    if len(parts) < 4 or not parts[2] or not parts[3]:
        raise _Refused(404, "Use /serve/{environment}/{model}/v2/models/{model}/infer or …/invocations")
    try:
        environment, model = (unquote_to_bytes(part).decode() for part in parts[2:4])
    except UnicodeDecodeError:
        raise _Refused(404, "The path is not UTF-8") from None
    rest = parts[4].decode("latin-1") if len(parts) == 5 else ""
    if rest == "infer":
        rest = f"v2/models/{parts[3].decode('latin-1')}/infer"
    return environment, model, rest or "v2"


def _request(scope: Scope, path: str, length: int) -> bytes:
    query: bytes = scope.get("query_string", b"")
    lines = [f"{scope['method']} /{path}".encode("latin-1") + (b"?" + query if query else b"") + b" HTTP/1.1"]
    lines.append(b"host: worker")
    lines += [name + b": " + value for name, value in scope["headers"] if name not in _NOT_FORWARDED]
    lines.append(b"content-length: %d" % length)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _error(status: int, message: str) -> Answer:
    headers: Headers = [(b"content-type", b"application/json")]
    if status == 503:
        headers.append((b"retry-after", b"1"))
    return Answer(status, headers, msgspec.json.encode({"error": message}))


async def _reply(send: Send, answer: Answer, endpoint: Endpoint | None) -> None:
    headers = [(name, value) for name, value in answer.headers if name not in _NOT_RETURNED]
    if endpoint is not None:
        headers.append((b"muster-model-id", quote(endpoint.model_id, safe=" ~@:/").encode()))
        headers.append((b"muster-version", str(endpoint.number).encode()))
    if not any(name == b"content-length" for name, _ in headers):
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
