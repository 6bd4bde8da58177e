"""Deployments and rollbacks under constant load, and what the gateway adds to a request."""

from __future__ import annotations

import http.client
import json
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import servers
from benchmarks.figures import Figure
from muster import Client
from muster.demo.models import Digits

TURNS = 20
CALLS = 400
PATH = "/serve/production/digits/v2/models/digits/infer"
PIXELS = [float(n % 17) for n in range(64)]
BODY = json.dumps({"inputs": [{"name": "X", "shape": [1, 64], "datatype": "FP32", "data": PIXELS}]})


def figures(folder: Path) -> list[Figure]:
    """20 deployments and 20 rollbacks while four clients send without pause."""
    with servers.muster(folder / "deploying") as muster:
        client = Client(muster.url)
        first, second = _two_versions(client, folder)
        client.deploy(first)
        with _traffic(muster.port) as counted:
            took = []
            for _ in range(TURNS):
                client.deploy(second)
                began = time.perf_counter()
                client.rollback(second)
                took.append((time.perf_counter() - began) * 1000)
        overhead, beside = _overhead(folder, muster.port)
    assert counted["sent"] > TURNS
    return [
        Figure(
            f"Requests that failed over {TURNS} deployments and {TURNS} rollbacks under load",
            "at most", 0, "requests", [counted["failed"]], [f"{counted['sent']} requests"],
        ),
        Figure("Rollback to a warm standby, over HTTP", "at most", 100, "ms", took),
        Figure("What the gateway adds to a request, p50", "at most", 0.5, "ms", overhead, beside),
    ]  # fmt: skip


def _two_versions(client: Client, folder: Path) -> tuple[str, str]:
    """Two classifiers of digits, registered with their files."""
    made = Digits()
    ids = []
    for label, train in (("v1", made.weak), ("v2", made.better)):
        trained = train(folder / label)
        record = client.register("digits", label, files=trained.folder, description=trained.what)
        ids.append(record["model_id"])
    return ids[0], ids[1]


@contextmanager
def _traffic(port: int) -> Iterator[dict[str, int]]:
    """Four clients that send without pause; the counts are complete when the block ends."""
    counted = {"sent": 0, "failed": 0}
    counting, ending = threading.Lock(), threading.Event()

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while not ending.is_set():
            try:
                ok = _infer(connection, PATH)
            except OSError:
                ok = False
                connection.close()
            with counting:
                counted["sent"] += 1
                counted["failed"] += not ok

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield counted
    finally:
        ending.set()
        for thread in threads:
            thread.join()


def _overhead(folder: Path, port: int) -> tuple[list[float], list[str]]:
    """Milliseconds at p50 through the gateway, less those straight to the worker's socket, in turn."""
    sockets = sorted((folder / "deploying" / "run" / "workers" / "sockets").glob("*.sock"))
    through = http.client.HTTPConnection("127.0.0.1", port)
    straight = _UnixConnection(str(sockets[0]))
    extra, beside = [], []
    for _ in range(5):
        slow = _p50(lambda: _infer(through, PATH))
        fast = _p50(lambda: _infer(straight, "/v2/models/digits/infer"))
        extra.append(slow - fast)
        beside.append(f"{slow:.2f} less {fast:.2f} ms")
    return extra, beside


def _p50(call: Callable[[], bool]) -> float:
    took = []
    for _ in range(CALLS):
        began = time.perf_counter()
        assert call(), "a request failed"
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def _infer(connection: http.client.HTTPConnection, path: str) -> bool:
    connection.request("POST", path, BODY, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    return answer.status == 200


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over the Unix socket at `path`."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self._path)
