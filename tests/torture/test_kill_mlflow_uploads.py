"""kill -9 while files come through MLflow's artifact proxy: nothing of them is there, all else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers import Server
from tests.torture.proof import assert_sound
from tests.torture.scale import either
from tests.torture.uploads import CHUNK, killed_during

pytestmark = [pytest.mark.torture, pytest.mark.timeout(0)]

PROXY = "/api/2.0/mlflow-artifacts"


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
