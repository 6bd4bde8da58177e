"""kill -9 in the middle of an upload: of the file nothing is there, and the upload can be repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.forked import Server
from tests.torture.proof import assert_sound
from tests.torture.scale import either
from tests.torture.uploads import CHUNK, killed_during

pytestmark = [pytest.mark.torture, pytest.mark.timeout(0)]


def test_a_server_killed_during_an_upload_keeps_no_part_of_the_file(tmp_path: Path) -> None:
    with Server(tmp_path / "home") as server:
        versions = "/api/v1/models/big/versions"
        assert server.post(versions, {"version": "v1", "pending": True}).status_code == 201
        incoming = server.home / "registry.git/lfs/tmp"
        for _ in range(either(1, 20)):
            killed_during(server, f"{versions}/v1/files/weights", incoming)
            assert server.get(f"{versions}/v1/files").json()["items"] == []
        answer = server.send("PUT", f"{versions}/v1/files/weights", content=CHUNK)
        assert answer.status_code == 201
        assert server.post(f"{versions}/v1/finalize").json()["files"][0]["size"] == len(CHUNK)
        assert_sound(server.home)
