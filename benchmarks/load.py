"""A load generator in a process of its own: keep-alive connections that each send the next request at once.

    python -m benchmarks.load PORT CLIENTS SECONDS < requests

Standard input holds the requests, each as one JSON line `{"head": …, "body": …}`
with `{n}` where a running number goes. Prints one JSON line: how many answers,
how many of them not 2xx, and the latencies in milliseconds.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import uvloop


@dataclass(frozen=True, slots=True)
class Load:
    """What one run saw. Latencies are in milliseconds; `failed` counts answers that are not 2xx."""

    answers: int
    failed: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


def request(method: str, path: str, body: str = "", header: str = "") -> str:
    """One request as `run` takes it; `header` is one more line of its head."""
    head = f"{method} {path} HTTP/1.1"
    return json.dumps({"head": f"{head}\r\n{header}" if header else head, "body": body})


def run(port: int, requests: Sequence[str], *, clients: int = 16, seconds: float = 5.0) -> Load:
    """Send `requests` in turn, over and over, from `clients` connections for `seconds`."""
    command = (sys.executable, "-m", "benchmarks.load", str(port), str(clients), str(seconds))
    done = subprocess.run(command, input="\n".join(requests).encode(), stdout=subprocess.PIPE, check=True)
    return Load(**json.loads(done.stdout))


class _Client(asyncio.Protocol):
    """One connection: a request at a time, the next as soon as the answer is whole."""

    def __init__(
        self, requests: Iterator[bytes], until: float, latencies: list[float], failed: list[int]
    ) -> None:
        self._requests = requests
        self._until = until
        self._latencies = latencies
        self._failed = failed
        self._buffer = b""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < end + 4 + length:
            return
        self._latencies.append((time.perf_counter() - self._sent) * 1000)
        if not head.startswith(b"http/1.1 2"):
            self._failed[0] += 1
        self._buffer = b""
        if time.perf_counter() < self._until:
            self._send()
        else:
            self._transport.close()
            self.ended.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionError("the server closed the connection"))

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(next(self._requests))


def _endless(lines: Sequence[str]) -> Iterator[bytes]:
    """The requests as bytes; those without a number are made once."""
    templates = [json.loads(line) for line in lines]
    fixed = [None if "{n}" in t["head"] + t["body"] else _bytes(t["head"], t["body"]) for t in templates]
    for number in itertools.count():
        at = number % len(templates)
        yield fixed[at] or _bytes(
            templates[at]["head"].replace("{n}", str(number)),
            templates[at]["body"].replace("{n}", str(number)),
        )


def _bytes(head: str, body: str) -> bytes:
    content = body.encode()
    fields = f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return f"{head}\r\n{fields}\r\n".encode() + content


async def _drive(port: int, clients: int, seconds: float, lines: Sequence[str]) -> Load:
    loop = asyncio.get_running_loop()
    requests = _endless(lines)
    latencies: list[float] = []
    failed = [0]
    began = time.perf_counter()
    until = began + seconds
    made = [
        await loop.create_connection(lambda: _Client(requests, until, latencies, failed), "127.0.0.1", port)
        for _ in range(clients)
    ]
    await asyncio.gather(*(client.ended for _, client in made))
    took = time.perf_counter() - began
    latencies.sort()
    p50, p99 = latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)]
    return Load(len(latencies), failed[0], took, p50, p99)


if __name__ == "__main__":
    loaded = uvloop.run(
        _drive(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.stdin.read().splitlines())
    )
    print(json.dumps({field: getattr(loaded, field) for field in loaded.__slots__}))
