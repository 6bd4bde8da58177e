"""Files that are on their way when the server is killed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.servers import Server
from tests.serving import wait_for

CHUNK = b"weights " * 8192
_PATIENCE_S = 60


def killed_during(server: Server, target: str, incoming: Path) -> None:
    """Kill the server while it takes a file into the folder `incoming`, and start it again: nothing stays."""
    killed = threading.Event()

    def body() -> Iterator[bytes]:
        for _ in range(8):
            yield CHUNK
        killed.wait(_PATIENCE_S)

    put = threading.Thread(target=_unacknowledged, args=(f"{server.url}{target}", body()))
    put.start()
    wait_for(lambda: [path.stat().st_size for path in incoming.iterdir()], any)
    server.kill()
    killed.set()
    put.join()
    server.start()
    assert list(incoming.iterdir()) == []


def _unacknowledged(url: str, body: Iterator[bytes]) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.put(url, content=body, trust_env=False)
