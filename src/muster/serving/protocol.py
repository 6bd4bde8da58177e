"""The ASGI application of a worker: Open Inference Protocol V2 and MLflow's `/invocations`."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, ParamSpec, TypeVar
from urllib.parse import unquote

import msgspec

from muster.domain.errors import Invalid
from muster.serving.inference import answer, describe, parse_inference
from muster.serving.invocations import parse_invocation, predictions
from muster.serving.runtimes import AnswersInvocations, BadInput, Model

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Reply = tuple[int, object]
P = ParamSpec("P")
T = TypeVar("T")

_JSON: Final = "application/json"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Protocol:
    """Answers for one loaded model, which goes by its name and by its model id."""

    def __init__(
        self, model: Model, runtime: str, name: str, model_id: str, number: int, timeout_s: float
    ) -> None:
        """Whoever asked waits `timeout_s` for an answer: a computation beyond that is a sign of no life."""
        self._model = model
        self._timeout_s = timeout_s
        self._began: float | None = None  # the computation under way
        self._name = name
        self._names = {name, model_id}
        self._number = number
        self._metadata = {
            "name": name,
            "versions": [str(number)],
            "platform": model.platform,
            "inputs": [describe(tensor) for tensor in model.inputs],
            "outputs": [describe(tensor) for tensor in model.outputs],
            "parameters": {"model_id": model_id, "runtime": runtime},
        }
        # One computation at a time, which the runtime spreads over its threads:
        # so `threads` is what a worker takes, and health answers meanwhile.
        self._computing = ThreadPoolExecutor(1, "computing")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        try:
            status, content = await self._reply(scope, body)
        except (Invalid, BadInput) as error:
            status, content = 400, {"error": str(error)}
        except Exception as error:  # noqa: BLE001  # the model is foreign code; its traceback is for the output
            traceback.print_exc()
            status, content = 500, {"error": f"the model failed: {type(error).__name__}"}
        await _send(send, status, content)

    async def _reply(self, scope: Scope, body: bytes) -> Reply:
        path = [unquote(part) for part in scope["raw_path"].decode("ascii").strip("/").split("/")]
        post = scope["method"] == "POST"
        match path:
            case ["v2"]:
                return 200, {"name": "muster", "version": "2", "extensions": []}
            case ["v2", "health", "live"] | ["ping"]:
                return (200, {"live": True}) if self._lives() else (503, {"live": False})
            case ["v2", "health", "ready"]:
                return 200, {"ready": True}
            case ["invocations"]:
                return await self._invoke(scope, body) if post else _use("POST")
            case ["v2", "models", model, *rest]:
                if model not in self._names:
                    return 404, {"error": f"{model} is not served here; {self._name} is"}
                if rest[:1] == ["versions"]:
                    if rest[1:2] != [str(self._number)]:
                        return 404, {
                            "error": f"version {'/'.join(rest[1:2])} is not served here; {self._number} is"
                        }
                    rest = rest[2:]
                match rest:
                    case []:
                        return 200, self._metadata
                    case ["ready"]:
                        return 200, {"name": self._name, "ready": True}
                    case ["infer"]:
                        return (_not_json(scope) or await self._infer(body)) if post else _use("POST")
        return 404, {"error": f"there is no /{'/'.join(path)} here"}

    async def _infer(self, body: bytes) -> Reply:
        inference = parse_inference(_json(body), self._model.inputs, self._model.outputs)
        results = await self._compute(self._model.predict, inference.inputs, inference.outputs)
        return 200, answer(inference, results, self._name, self._number)

    async def _invoke(self, scope: Scope, body: bytes) -> Reply:
        if isinstance(self._model, AnswersInvocations):
            status, encoded = await self._compute(self._model.invoke, body, _kind(scope) or _JSON)
            return status, msgspec.Raw(encoded)
        if (refused := _not_json(scope)) is not None:
            return refused
        inputs = parse_invocation(_json(body), self._model.inputs)
        wanted = [tensor.name for tensor in self._model.outputs]
        return 200, predictions(await self._compute(self._model.predict, inputs, wanted))

    async def _compute(self, compute: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        def computed() -> T:
            self._began = time.monotonic()
            try:
                return compute(*args, **kwargs)
            finally:
                self._began = None

        return await asyncio.get_running_loop().run_in_executor(self._computing, computed)

    def _lives(self) -> bool:
        began = self._began
        return began is None or time.monotonic() - began <= self._timeout_s


def _not_json(scope: Scope) -> Reply | None:
    """What to say to a request whose body says that it is something else."""
    kind = _kind(scope).partition(";")[0].strip().lower()
    if kind.endswith("json") or kind == "":
        return None
    return 415, {"error": f"the body must be JSON (Content-Type: application/json), not {kind}"}


def _kind(scope: Scope) -> str:
    """What the request says that its body is; empty if nothing, or what curl says of every body."""
    kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"").decode("latin-1")
    return "" if kind.startswith("application/x-www-form-urlencoded") else kind


def _use(method: str) -> Reply:
    return 405, {"error": f"use {method} here"}


def _json(body: bytes) -> object:
    try:
        return _decode(body)
    except msgspec.DecodeError as error:
        raise Invalid.one("body", body[:60].decode("utf-8", "replace"), f"must be JSON ({error})") from error
    except RecursionError as error:
        raise Invalid.one("body", "a deeper one", "must be JSON of a depth that can be read") from error


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    chunks = [body]
    while message.get("more_body"):
        message = await receive()
        chunks.append(message.get("body", b""))
    return b"".join(chunks)


async def _send(send: Send, status: int, content: object) -> None:
    body = _encode(content)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
