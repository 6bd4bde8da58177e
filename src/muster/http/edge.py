"""The outermost layer: who may ask, under which id, and how the path is read.

/serve/…             to the gateway, with the path as it was sent
what is mounted      to the application of another protocol, likewise
GET /models/{id}     straight to the record's bytes: asked most, and Litestar's
                     own way to them costs several times what reading them does
POST /models         straight to the registration, for the same reason
everything else      to Litestar
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import structlog

from muster.domain.changes import Actor
from muster.domain.errors import Denied, Invalid, MusterError, NotFound
from muster.http import callers, plain
from muster.http.metrics import Durations
from muster.http.pages.errors import refusal_page
from muster.http.problems import Refusal, refusal
from muster.http.services import LOOPBACK, AsgiApp, Mount, Receive, Scope, Send, Services
from muster.http.writes import asked_of

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_RUN: Final = secrets.token_hex(4).encode()  # request ids of one run begin alike
_REQUESTS: Final = count(1)
_NOSNIFF: Final = (b"x-content-type-options", b"nosniff")
_NO_STORE: Final = (b"cache-control", b"no-store")
_HOSTS_SEEN: Final = 64
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_MODEL: Final = b"/models/"
_DRAINED_BYTES: Final = 8 << 20  # of a refused body: read, so that the client comes to read the answer
_DRAINED_S: Final = 2.0

log = structlog.get_logger(__name__)


class Edge:
    """An ASGI application around `inner`."""

    def __init__(
        self, services: Services, inner: AsgiApp, durations: Durations, mounts: Sequence[Mount] = ()
    ) -> None:
        self._services = services
        self._mounts = mounts
        self._inner = inner
        self._durations = durations
        self._senders = Senders(LOOPBACK | {host.lower() for host in services.allowed_hosts})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        began = time.perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        exchange = _Exchange(scope, receive, send, headers)
        template = "other"
        try:
            self._senders.check(scope["method"], headers)
            template = await self._passed_on(exchange, scope, headers)
        except MusterError as error:
            await exchange.refuse(refusal(error))
        except Exception as error:
            if exchange.status:
                raise  # the answer has begun: all that is left is to end the connection
            log.exception("request failed", request_id=exchange.request_id, path=exchange.path)
            await exchange.refuse(refusal(error))
        finally:
            seconds = time.perf_counter() - began
            self._durations.add(scope["method"], template, exchange.status, seconds)
            if scope["method"] not in _SAFE and template != "/serve":
                log.info(
                    "request",
                    request_id=exchange.request_id,
                    method=scope["method"],
                    path=exchange.path,
                    status=exchange.status,
                    ms=round(seconds * 1000, 2),
                )

    async def _passed_on(self, exchange: _Exchange, scope: Scope, headers: dict[bytes, bytes]) -> str:
        """Have it answered, and say which route that was."""
        raw: bytes = scope["raw_path"]
        if raw.startswith(b"/serve/"):
            callers.check_may_predict(self._services.gate, scope, headers)
            await self._services.gateway(scope, exchange.receive, exchange.send)
            return "/serve"
        for mount in self._mounts:
            if mount.takes(raw):
                return await self._mounted(mount, exchange, scope, headers)
        path = exchange.path = decoded(raw)
        actor = exchange.actor = callers.caller(self._services.gate, scope, headers, path)
        services = self._services.seen_by(actor)
        plainly = scope["method"] == "GET" and not scope["query_string"]
        if plainly and raw.startswith(_MODEL) and raw.find(b"/", len(_MODEL)) < 0:
            if_none_match = headers.get(b"if-none-match")
            tag = None if if_none_match is None else if_none_match.decode("latin-1")
            content, status, answer = plain.record_of(services, path[len(_MODEL) :], tag)
            await exchange.answer(status, "application/json", content, answer)
            return "/models/{model_id}"
        structlog.contextvars.bind_contextvars(request_id=exchange.request_id)
        if scope["method"] == "POST" and raw == b"/models" and not scope["query_string"]:
            text = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
            asked = await asked_of(actor, text, exchange.receive, "POST", "/models?", services)
            registered = await plain.registered(services, asked)
            await exchange.answer(
                registered.status_code or 201, "application/json", registered.content, registered.headers
            )
            return "/models"
        known = {"request_id": exchange.request_id, "actor": actor, "services": services}
        inner = {**scope, **known, "path": path}
        if scope["method"] == "HEAD":
            # The server leaves the body out by itself; `head` spares the work to make it.
            inner |= {"method": "GET", "head": True}
        await self._inner(inner, exchange.receive, exchange.send)
        return str(inner.get("path_template", "other"))

    async def _mounted(
        self, mount: Mount, exchange: _Exchange, scope: Scope, headers: dict[bytes, bytes]
    ) -> str:
        """Have it answered by another protocol's application, in that protocol's words."""
        structlog.contextvars.bind_contextvars(request_id=exchange.request_id)
        try:
            path = scope["raw_path"].decode("latin-1")
            actor = callers.caller(self._services.gate, scope, headers, path)
        except MusterError as error:
            if mount.refuse is None:
                raise
            status, content = mount.refuse(error)
            await exchange.answer(status, "application/json", content, refusal(error).headers)
            return "other"
        services = self._services.seen_by(actor)
        mounted = {**scope, "request_id": exchange.request_id, "actor": actor, "services": services}
        await mount.app(mounted, exchange.receive, exchange.send)
        return str(mounted.get("path_template", "other"))


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, headers: dict[bytes, bytes]) -> None:
        self._receive, self._send = receive, send
        given = headers.get(b"x-request-id")
        if given is None or not _REQUEST_ID.fullmatch(given):
            given = b"%s-%x" % (_RUN, next(_REQUESTS))
        self._id = given
        self.request_id = given.decode()
        self.path: str = scope["path"]
        self.actor: Actor | None = None  # once it is known
        self._scheme: str = scope["scheme"]
        self._headers = headers
        self.status = 0
        # Whether more of the body is on its way; who sent Expect waits for a word first.
        self._reading = b"expect" not in headers

    async def receive(self) -> Any:
        message = await self._receive()
        self._reading = bool(message.get("more_body"))
        return message

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.status >= 400 and self._reading:
                await self._drain()
            headers = [*message.get("headers", ()), (b"x-request-id", self._id), _NOSNIFF]
            if not any(name == b"cache-control" for name, _ in headers):
                headers.append(_NO_STORE)
            message = {**message, "headers": headers}
        await self._send(message)

    async def _drain(self) -> None:
        """Read a little on: a client that is still sending would miss an answer that comes with a reset."""
        size = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAINED_S):
                while self._reading and size < _DRAINED_BYTES:
                    size += len((await self.receive()).get("body", b""))

    async def answer(self, status: int, media_type: str, content: bytes, headers: dict[str, str]) -> None:
        """Answer here and now."""
        sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        if status != 304:
            sent += [(b"content-type", media_type.encode()), (b"content-length", b"%d" % len(content))]
        await self.send({"type": "http.response.start", "status": status, "headers": sent})
        await self.send({"type": "http.response.body", "body": content})

    async def refuse(self, refused: Refusal) -> None:
        """Answer with an error."""
        text = {name.decode("latin-1"): value.decode("latin-1") for name, value in self._headers.items()}
        page = refusal_page(refused, text, self._scheme, self.path, self.request_id, self.actor)
        if page is not None:
            status = page.status_code or refused.status
            await self.answer(status, "text/html; charset=utf-8", page.content, page.headers)
            return
        status, media_type, content = refused.body(self.path, self.request_id)
        await self.answer(status, media_type, content, refused.headers)


class Senders:
    """Refuses what another site's page had a browser send."""

    def __init__(self, hosts: Collection[str]) -> None:
        self._hosts = hosts
        self._seen: set[bytes] = set()  # Host headers that were found good

    def check(self, method: str, headers: Mapping[bytes, bytes]) -> None:
        """Raises Denied, saying which header told so."""
        sent = headers.get(b"host", b"")
        if sent not in self._seen:
            self._check_host(sent)
        if method in _SAFE:
            return
        origin = headers.get(b"origin")
        if origin is not None and origin.lower().partition(b"://")[2] != sent.lower():
            shown = origin.decode("latin-1")
            raise Denied.one("sender", f"Origin {shown!r} is another site: a page there may not write here")
        if headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site"):
            raise Denied.one(
                "sender", "Sec-Fetch-Site says that another site's page sent this: it may not write here"
            )

    def _check_host(self, sent: bytes) -> None:
        authority = sent.decode("latin-1").lower()
        if re.sub(r":\d*$", "", authority) not in self._hosts:
            raise Denied.one(
                "sender", f"Host {authority!r} is not a name of this server (setting allowed_hosts)"
            )
        if len(self._seen) < _HOSTS_SEEN:
            self._seen.add(sent)


def decoded(raw: bytes) -> str:
    """The path as it is routed.

    A segment that holds an encoded `/` names nothing, for no name holds one; in a
    file's path it is a `/` like any other.

    Raises:
        NotFound: there can be nothing of that path.
        Invalid: it is no UTF-8.
    """
    try:
        path = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise Invalid.one("path", raw.decode("latin-1"), "must be percent-encoded UTF-8") from None
    if b"%" in raw and b"%2f" in raw.partition(b"/files/")[0].lower():
        kind = "model" if raw.startswith(_MODEL) else "path"
        raise NotFound(kind, path)
    if "//" in path or (path.endswith("/") and "/files/" in path):
        raise NotFound("path", path)
    return path
