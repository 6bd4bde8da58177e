"""An application called in this process is reached as over a network."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest

from muster.cli.inprocess import URL, InProcess
from muster.domain.errors import Unavailable

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
MIB = 1024 * 1024


class App:
    """Answers with what it was sent; `/fail` raises, `/late` does after its headers."""

    def __init__(self, startup: str = "lifespan.startup.complete") -> None:
        self.startup = startup
        self.lived: list[str] = []
        self.ended = threading.Event()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        try:
            await self._answer(scope, receive, send)
        finally:
            self.ended.set()

    async def _live(self, receive: Receive, send: Send) -> None:
        for answer in (self.startup, "lifespan.shutdown.complete"):
            self.lived.append((await receive())["type"])
            await send({"type": answer})

    async def _answer(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["path"] == "/fail":
            raise LookupError("no answer")
        headers = [(b"x-raw", scope["raw_path"]), (b"x-query", scope["query_string"])]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        if scope["path"] == "/late":
            raise LookupError("half an answer")
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            await send({"type": "http.response.body", "body": message["body"], "more_body": True})
        await send({"type": "http.response.body", "body": b"."})
        assert (await receive())["type"] == "http.disconnect"


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def client(app: App) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=URL, transport=InProcess(app)) as client:
        yield client


def test_a_request_and_its_answer_arrive_as_they_were_sent(client: httpx.Client) -> None:
    answer = client.post("/a%2Fb c?q=%C3%BC", content=b"body")
    assert (answer.status_code, answer.content) == (201, b"body.")
    assert (answer.headers["x-raw"], answer.headers["x-query"]) == ("/a%2Fb%20c", "q=%C3%BC")


def test_large_bodies_stream_both_ways(client: httpx.Client) -> None:
    pieces = [bytes([at]) * MIB for at in range(64)]
    with client.stream("POST", "/", content=iter(pieces)) as answer:
        assert b"".join(answer.iter_bytes()) == b"".join(pieces) + b"."


def test_an_answer_that_nobody_reads_to_its_end_does_not_hold_the_application_up(
    client: httpx.Client, app: App
) -> None:
    with client.stream("POST", "/", content=(b"x" * MIB for _ in range(64))) as answer:
        next(answer.iter_bytes())
    assert app.ended.wait(60)
    assert client.get("/").content == b"."


@pytest.mark.parametrize("path", ["/fail", "/late"])
def test_an_error_of_the_application_is_raised_where_it_was_called(client: httpx.Client, path: str) -> None:
    with pytest.raises(LookupError, match="answer"):
        client.get(path)
    assert client.get("/").status_code == 201


def test_the_application_is_started_and_stopped(app: App) -> None:
    with httpx.Client(base_url=URL, transport=InProcess(app)) as client:
        assert app.lived == ["lifespan.startup"]
        client.get("/")
    assert app.lived == ["lifespan.startup", "lifespan.shutdown"]


def test_an_application_that_does_not_start_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="failed in its startup"):
        InProcess(App("lifespan.startup.failed"))
