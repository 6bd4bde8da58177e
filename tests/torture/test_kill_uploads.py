"""kill -9 in the middle of an upload: of the file nothing is there, and the upload can be repeated."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.serving import wait_for
from tests.torture.forked import Server
from tests.torture.proof import assert_sound
from tests.torture.scale import either

pytestmark = [pytest.mark.torture, pytest.mark.timeout(0)]

CHUNK = b"weights " * 8192


def test_a_server_killed_during_an_upload_keeps_no_part_of_the_file(tmp_path: Path) -> None:
    with Server(tmp_path / "home") as server:
        versions = "/api/v1/models/big/versions"
        assert server.post(versions, {"version": "v1", "pending": True}).status_code == 201
        incoming = server.home / "registry.git/lfs/tmp"
        for _ in range(either(1, 20)):
            killed = threading.Event()

            def body(killed: threading.Event = killed) -> Iterator[bytes]:
                for _ in range(8):
                    yield CHUNK
                killed.wait(60)

            put = threading.Thread(target=upload, args=(f"{server.url}{versions}/v1/files/weights", body()))
            put.start()
            wait_for(lambda: [path.stat().st_size for path in incoming.iterdir()], any)
            server.kill()
            killed.set()
            put.join()
            server.start()
            assert list(incoming.iterdir()) == []
            assert server.get(f"{versions}/v1/files").json()["items"] == []
        answer = server.send("PUT", f"{versions}/v1/files/weights", content=CHUNK)
        assert answer.status_code == 201
        assert server.post(f"{versions}/v1/finalize").json()["files"][0]["size"] == len(CHUNK)
        assert_sound(server.home)


def upload(url: str, body: Iterator[bytes]) -> None:
    """It must not be acknowledged."""
    with pytest.raises(httpx.TransportError):
        httpx.put(url, content=body, trust_env=False)
