"""Asking a running version, through the gateway, as any client would."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import msgspec

from muster.domain.errors import MusterError, Unavailable
from muster.http.pages.forms import Posted
from muster.http.pages.signature_view import request
from muster.http.services import GatewayApp, Scope

_BEST: Final = 5
_SHOWN: Final = 40  # values of an output
_CLASSES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Odds:
    """A class and how sure the model is of it; `width` of its bar in per cent."""

    name: str
    value: str
    width: str
    best: bool


@dataclass(frozen=True, slots=True)
class Output:
    """What came out: one value as `hit`, several likelihoods as `odds`, anything else as `text`."""

    name: str
    hit: str = ""
    odds: tuple[Odds, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt: what was typed, and what the model said, or why it did not."""

    typed: Mapping[str, str]
    outputs: tuple[Output, ...] = ()
    ms: str = ""
    by: str = ""
    refused: MusterError | None = None
    status: int = 200


async def tried(
    gateway: GatewayApp, environment: str, model: str, signature: Mapping[str, Any], posted: Posted
) -> Tried:
    """Ask what runs of the model in `environment` with what was typed."""
    typed = {name: value for name, value in posted.fields if name.startswith("input-")}
    try:
        body = msgspec.json.encode(request(signature, typed))
        began = time.perf_counter()
        status, headers, content = await _asked(gateway, environment, model, body)
        ms = f"{(time.perf_counter() - began) * 1000:.1f}"
        said: Any = msgspec.json.decode(content)
        if status != 200:
            raise Unavailable(str(said.get("error", f"the model answered with status {status}")))
    except MusterError as refused:
        return Tried(typed, refused=refused, status=400 if refused.code == "invalid" else 502)
    version = headers.get(b"muster-version", b"").decode()
    return Tried(typed, tuple(map(_output, said.get("outputs", ()))), ms, version)


async def _asked(
    gateway: GatewayApp, environment: str, model: str, body: bytes
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, headers and body of the gateway's answer."""
    name = quote(model, safe="")
    path = f"/serve/{environment}/{name}/v2/models/{name}/infer"
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
    }
    sent: list[Mapping[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    await gateway(scope, receive, send)
    content = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), content


def _output(output: Mapping[str, Any]) -> Output:
    name, data = output["name"], output["data"]
    if len(data) == 1:
        return Output(name, hit=_said(data[0]))
    numbers = [each for each in data if isinstance(each, (int, float)) and math.isfinite(each)]
    if len(numbers) == len(data) and output["datatype"].startswith("FP") and len(data) <= _CLASSES:
        return Output(name, odds=_odds(numbers))
    more = f" … ({len(data):,} values)" if len(data) > _SHOWN else ""
    return Output(name, text=" ".join(map(_said, data[:_SHOWN])) + more)


def _odds(values: Sequence[float]) -> tuple[Odds, ...]:
    best = sorted(range(len(values)), key=lambda at: -values[at])[:_BEST]
    whole = 1.0 if all(0 <= value <= 1 for value in values) else max(map(abs, values)) or 1.0
    return tuple(
        Odds(str(at), f"{values[at]:.3f}", f"{max(0.0, values[at]) / whole * 100:.1f}%", rank == 0)
        for rank, at in enumerate(best)
    )


def _said(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
