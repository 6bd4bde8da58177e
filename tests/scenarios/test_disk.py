"""A disk that is full or read-only: what serves goes on, and nothing is half done."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.scenarios.test_surroundings import SERVE, UNAVAILABLE, refused
from tests.servers import Server
from tests.serving import FLOWER_INFER, iris_onnx, wait_for
from tests.torture.proof import assert_nothing_is_lost, assert_sound, records
from tests.torture.writers import Noted, Writers

pytestmark = [pytest.mark.needs("root")]

RESERVE = {"MUSTER_RESERVE_BYTES": str(4 << 20)}
FULL = 507


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 48 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path) -> Path:
    """Leave not one byte of it, in one file."""
    ballast = disk / "ballast"
    with suppress(OSError), ballast.open("ab", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    return ballast


def number_serving(server: Server) -> str:
    answer = server.post("/serve/production/iris/infer", FLOWER_INFER)
    assert answer.status_code == 200, answer.text
    return answer.headers["muster-version"]


def is_refused(server: Server, name: str) -> None:
    answer = server.register(name)
    assert answer.status_code == FULL, answer.text
    assert "the disk is full" in answer.json()["error"]


def test_on_a_full_disk_serving_and_rollback_go_on(disk: Path) -> None:
    # Its log is on that disk, too.
    with Server(disk / "home", **RESERVE) as server:
        for number in (1, 2, 3):
            server.register_with_file("iris", f"v{number}", "model.onnx", iris_onnx(10.0**number))
            assert server.post(f"/models/iris_v{number}/deploy").status_code == 200
        ballast = fill(disk)
        is_refused(server, "one")
        upload = "/api/v1/models/iris/versions"
        assert server.post(upload, {"version": "v4", "pending": True}).status_code == FULL
        assert number_serving(server) == "3"

        back = server.post("/models/iris_v3/rollback", {"reason": "it is worse"})
        assert back.status_code == 200, back.text
        assert number_serving(server) == "2"
        is_refused(server, "two")
        assert server.post("/models/iris_v2/rollback").json()["restored"] == "iris_v1"
        assert number_serving(server) == "1"
        assert server.get("/models").json()["models"] == ["iris_v1", "iris_v2", "iris_v3"]

        fill(disk)
        server.kill()
        server.start()
        assert number_serving(server) == "1"
        is_refused(server, "three")

        ballast.unlink()
        for name in ("one", "two", "three"):
            assert server.register(name).status_code == 201
        assert len(records(server)) == 6
        assert_sound(server.home)


def test_writers_on_a_disk_that_fills_up_lose_nothing_and_go_on_when_there_is_room(disk: Path) -> None:
    noted = Noted()
    with Server(disk / "home", **RESERVE) as server:
        ballast = disk / "ballast"
        ballast.write_bytes(b"x" * (36 << 20))
        with Writers(server.url, noted) as writers:
            wait_for(lambda: noted.refused, lambda refusals: len(refusals) > 50)
            ballast.unlink()
            writers.more(50)
        assert [said for said in noted.refused if not said.startswith(str(FULL))] == []
        assert_nothing_is_lost(server, noted)


def test_a_read_only_folder_is_named(disk: Path) -> None:
    with Server(disk / "home") as server:
        server.register("m")
        assert server.stop() == 0
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    said = refused(*SERVE, "--home", str(disk / "home"), code=UNAVAILABLE)
    assert "read-only" in said.lower()
    assert str(disk / "home") in said
    said = refused(*SERVE, "--home", str(disk / "another"), code=UNAVAILABLE)
    assert "Read-only file system" in said
