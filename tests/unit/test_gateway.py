"""The gateway, in front of workers that do what the test says."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvloop
from prometheus_client import CollectorRegistry, generate_latest

from muster.domain.errors import MusterError, Unavailable
from muster.service.values import Endpoint
from muster.serving.gateway import Gateway, Limits, not_deployed
from muster.serving.routes import RouteTable

Connection = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

QUICK = Limits(body_bytes=1000, hold_s=0.3)


class Reply:
    def __init__(self, messages: list[Any]) -> None:
        self.status: int = messages[0]["status"]
        self.headers: dict[bytes, bytes] = dict(messages[0]["headers"])
        self.json = json.loads(messages[1]["body"])


class Stage:
    """A gateway, and scripted workers."""

    def __init__(self, explain: Callable[[str, str], MusterError], limits: Limits) -> None:
        self.routes = RouteTable()
        self.gateway = Gateway(self.routes, explain, limits)
        self.seen: list[bytes] = []  # requests that reached a worker, whole
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Stage:
        self._folder = self._stack.enter_context(tempfile.TemporaryDirectory())
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.gateway.close()
        await self._stack.aclose()

    async def worker(self, name: str, *script: str) -> str:
        """A worker's socket. For each request it takes the next step of the script, and the last for ever.

        A step is what it answers, `die` (close the connection), `half` (half an
        answer, then close), `hang`, or `last` (answer, then close without a word).
        """
        path = str(Path(self._folder) / name)
        steps = list(script)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while head := await reader.readuntil(b"\r\n\r\n"):
                    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                    self.seen.append(head + await reader.readexactly(length))
                    step = steps.pop(0) if len(steps) > 1 else steps[0]
                    if step == "hang":
                        await reader.read()
                    if step in ("die", "hang"):
                        break
                    body = json.dumps({"from": name}).encode()
                    whole = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
                    writer.write(whole[:30] if step == "half" else whole)
                    if step in ("half", "last"):
                        break
            except (asyncio.IncompleteReadError, ConnectionError):
                pass  # the gateway has closed the connection
            finally:
                writer.close()

        server = await asyncio.start_unix_server(serve, path)
        self._stack.callback(server.close)
        return path

    def deploy(self, *sockets: str, key: str = "1", model: str = "m", timeout_s: float = 5) -> None:
        self.routes.switch("production", model, Endpoint(key, int(key), f"m_v{key}", timeout_s, sockets))

    async def ask(
        self, path: str = "/serve/production/m/infer", body: bytes = b"{}", headers: Headers = ()
    ) -> Reply:
        given = [(b"content-length", str(len(body)).encode()), *headers]
        scope = {"method": "POST", "raw_path": path.encode(), "query_string": b"", "headers": given}
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.gateway(scope, receive, send)
        return Reply(sent)


def on_stage(
    play: Callable[[Stage], Coroutine[Any, Any, None]],
    explain: Callable[[str, str], MusterError] = not_deployed,
    limits: Limits = QUICK,
) -> None:
    async def run() -> None:
        async with Stage(explain, limits) as stage:
            await play(stage)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def test_an_answer_says_which_version_gave_it() -> None:
    async def play(stage: Stage) -> None:
        stage.deploy(await stage.worker("a", "answer"))
        reply = await stage.ask()
        assert (reply.status, reply.json) == (200, {"from": "a"})
        assert reply.headers[b"muster-model-id"] == b"m_v1"
        assert reply.headers[b"muster-version"] == b"1"

    on_stage(play)


def test_the_path_is_the_workers_and_what_is_for_muster_stays_here() -> None:
    async def play(stage: Stage) -> None:
        stage.deploy(await stage.worker("a", "answer"), model="a %ü")
        headers = [(b"authorization", b"Bearer x"), (b"cookie", b"s=1"), (b"x-request-id", b"7")]
        await stage.ask("/serve/production/a%20%25%C3%BC/infer", headers=headers)
        head = stage.seen[0].lower()
        assert head.startswith(b"post /v2/models/a%20%25%c3%bc/infer http/1.1\r\n")
        assert b"x-request-id: 7\r\n" in head
        assert b"bearer" not in head
        assert b"cookie" not in head

    on_stage(play)


def test_where_nothing_is_deployed_it_says_why() -> None:
    async def play(stage: Stage) -> None:
        reply = await stage.ask()
        assert (reply.status, reply.json) == (404, {"error": "Deployment not found: m in production"})
        assert (await stage.ask("/serve/production")).status == 404

    on_stage(play)


def test_a_request_waits_for_what_is_declared_but_not_up_yet() -> None:
    async def play(stage: Stage) -> None:
        asking = asyncio.create_task(stage.ask())
        await asyncio.sleep(0)
        stage.deploy()
        stage.deploy(await stage.worker("a", "answer"))
        assert (await asking).status == 200

    on_stage(play, lambda environment, model: Unavailable("starting"))


def test_a_request_that_waited_too_long_is_told_to_come_again() -> None:
    async def play(stage: Stage) -> None:
        stage.deploy()
        reply = await stage.ask()
        assert (reply.status, reply.json) == (503, {"error": "No worker of m_v1 is ready"})
        assert reply.headers[b"retry-after"] == b"1"

    on_stage(play)


def test_health_is_answered_at_once() -> None:
    async def play(stage: Stage) -> None:
        stage.deploy()
        assert (await stage.ask("/serve/production/m/v2/health/ready")).status == 503

    on_stage(play, limits=Limits(hold_s=10_000))


def test_what_a_dying_worker_left_is_sent_again() -> None:
    async def play(stage: Stage) -> None:
        for step in ("die", "half"):
            stage.deploy(await stage.worker(step, step, "answer"))
            reply = await stage.ask()
            assert (reply.status, reply.json) == (200, {"from": step})

    on_stage(play)


def test_a_request_sent_again_goes_to_the_version_deployed_by_then() -> None:
    async def play(stage: Stage) -> None:
        gone = str(Path(await stage.worker("old", "answer")).with_name("nobody"))
        stage.deploy(gone)
        asking = asyncio.create_task(stage.ask())
        await asyncio.sleep(0.01)
        stage.deploy(await stage.worker("new", "answer"), key="2")
        assert (await asking).json == {"from": "new"}

    on_stage(play)


def test_a_request_that_kills_every_worker_is_given_up() -> None:
    async def play(stage: Stage) -> None:
        stage.deploy(await stage.worker("a", "die"))
        reply = await stage.ask()
        assert (reply.status, reply.json) == (502, {"error": "3 workers of m_v1 ended over this request"})
        assert len(stage.seen) == 3
        assert stage.routes.usage("1").errors == 1

    on_stage(play)


def test_a_connection_closed_while_idle_costs_no_request() -> None:
    async def play(stage: Stage) -> None:
        stage.deploy(await stage.worker("a", "last"))
        assert [(await stage.ask()).status for _ in range(5)] == [200] * 5

    on_stage(play)


def test_a_worker_that_takes_too_long_is_a_timeout() -> None:
    async def play(stage: Stage) -> None:
        stage.deploy(await stage.worker("a", "hang"), timeout_s=0.05)
        reply = await stage.ask()
        assert reply.status == 504
        assert reply.json == {"error": "m_v1 did not answer within 0.05 s, its timeout_s"}
        assert stage.routes.usage("1").in_flight == 0

    on_stage(play)


def test_a_body_beyond_the_limit_is_refused_declared_or_not() -> None:
    async def play(stage: Stage) -> None:
        stage.deploy(await stage.worker("a", "answer"))
        assert (await stage.ask(body=b"x" * 1001)).status == 413
        reply = await stage.ask(body=b"x" * 1001, headers=[(b"content-length", b"1")])
        assert reply.status == 413
        assert (await stage.ask(body=b"x" * 1000)).status == 200

    on_stage(play)


def test_bodies_that_wait_have_a_limit_in_sum() -> None:
    async def play(stage: Stage) -> None:
        stage.deploy()
        waiting = asyncio.create_task(stage.ask(body=b"x" * 900))
        await asyncio.sleep(0.01)
        reply = await stage.ask(body=b"x" * 900)
        assert reply.json == {"error": "Too many requests wait for an answer; try again later"}
        stage.deploy(await stage.worker("a", "answer"))
        assert (await waiting).status == 200

    on_stage(play, limits=Limits(body_bytes=1000, waiting_bytes=1000))


def test_workers_take_turns_and_a_busy_one_is_spared() -> None:
    async def play(stage: Stage) -> None:
        stage.deploy(await stage.worker("a", "answer"), await stage.worker("b", "answer"))
        assert {(await stage.ask()).json["from"] for _ in range(4)} == {"a", "b"}
        stage.deploy(await stage.worker("c", "hang"), await stage.worker("d", "answer"), key="2")
        busy = [asyncio.create_task(stage.ask()) for _ in range(2)]
        done, hanging = await asyncio.wait(busy, return_when=asyncio.FIRST_COMPLETED)
        assert {task.result().json["from"] for task in done} == {"d"}
        assert [(await stage.ask()).json["from"] for _ in range(4)] == ["d"] * 4
        for task in hanging:
            task.cancel()

    on_stage(play)


def test_metrics_show_each_version_with_its_latency() -> None:
    async def play(stage: Stage) -> None:
        registry = CollectorRegistry()
        registry.register(stage.routes)
        stage.deploy(await stage.worker("a", "answer"))
        await stage.ask()
        text = generate_latest(registry).decode()
        labels = '{environment="production",model="m",version="1"}'
        assert f"muster_serving_latency_seconds_count{labels} 1.0" in text
        assert f"muster_serving_errors_total{labels} 0.0" in text
        stage.routes.forget("1")
        assert "production" not in generate_latest(registry).decode()

    on_stage(play)
