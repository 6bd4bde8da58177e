"""kill -9 while files come through MLflow's artifact proxy: nothing of them is there, all else is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.servers import Server
from tests.serving import wait_for
from tests.torture.proof import assert_sound
from tests.torture.scale import either

pytestmark = [pytest.mark.torture, pytest.mark.timeout(0)]

PROXY = "/api/2.0/mlflow-artifacts"
CHUNK = b"weights " * 8192


def test_a_server_killed_while_a_file_comes_keeps_the_one_before(tmp_path: Path) -> None:
    with Server(tmp_path / "home") as server:
        assert server.send("PUT", f"{PROXY}/artifacts/m/kept", content=b"kept").status_code == 200
        for _ in range(either(1, 20)):
            killed_during(server, f"{PROXY}/artifacts/m/kept", server.home / "registry.git/lfs/tmp")
            assert server.get(f"{PROXY}/artifacts/m/kept").content == b"kept"
            assert names(server, "m") == ["kept"]
        assert server.send("PUT", f"{PROXY}/artifacts/m/kept", content=CHUNK).status_code == 200
        pinned(server, "m", {"kept": len(CHUNK)})
        assert_sound(server.home)


def test_a_server_killed_while_a_part_comes_keeps_the_parts_before(tmp_path: Path) -> None:
    with Server(tmp_path / "home") as server:
        begun = server.post(f"{PROXY}/mpu/create/m", {"path": "big", "num_parts": 2}).json()
        upload, parts = begun["upload_id"], server.home / "uploads/tmp"
        etags = [server.send("PUT", part_of(upload, 1), content=CHUNK).headers["etag"]]
        for _ in range(either(1, 20)):
            killed_during(server, part_of(upload, 2), parts)
            assert list(parts.iterdir()) == []
        etags.append(server.send("PUT", part_of(upload, 2), content=b"end").headers["etag"])
        assert names(server, "m") == []
        said = [{"part_number": at, "etag": etag} for at, etag in enumerate(etags, 1)]
        body = {"path": "big", "upload_id": upload, "parts": said}
        assert server.post(f"{PROXY}/mpu/complete/m", body).status_code == 200
        pinned(server, "m", {"big": len(CHUNK) + 3})
        assert_sound(server.home)


def part_of(upload: str, number: int) -> str:
    return f"{PROXY}/mpu/part/{upload}/{number}"


def names(server: Server, folder: str) -> list[str]:
    files = server.get(f"{PROXY}/artifacts", params={"path": folder}).json().get("files", [])
    return [file["path"] for file in files]


def pinned(server: Server, folder: str, sizes: dict[str, int]) -> None:
    """A version that takes the files of the folder has them whole."""
    models = "/api/2.0/mlflow"
    assert server.post(f"{models}/registered-models/create", {"name": "big"}).status_code == 200
    body = {"name": "big", "source": f"mlflow-artifacts:/{folder}"}
    assert server.post(f"{models}/model-versions/create", body).status_code == 200
    files = server.get("/api/v1/models/big/versions/1/files").json()["items"]
    assert {file["path"]: file["size"] for file in files} == sizes


def killed_during(server: Server, target: str, incoming: Path) -> None:
    """Kill the server while it takes a file, and start it again."""
    killed = threading.Event()

    def body() -> Iterator[bytes]:
        for _ in range(8):
            yield CHUNK
        killed.wait(60)

    put = threading.Thread(target=upload, args=(f"{server.url}{target}", body()))
    put.start()
    wait_for(lambda: [path.stat().st_size for path in incoming.iterdir()], any)
    server.kill()
    killed.set()
    put.join()
    server.start()
    assert list(incoming.iterdir()) == []


def upload(url: str, body: Iterator[bytes]) -> None:
    """It must not be acknowledged."""
    with pytest.raises(httpx.TransportError):
        httpx.put(url, content=body, trust_env=False)
