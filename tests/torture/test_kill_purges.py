"""kill -9 while a version's files are purged: what is recorded is made good at the next start."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx
import pytest

from muster.service import purging
from tests.torture.forked import Server
from tests.torture.proof import assert_sound

pytestmark = [pytest.mark.torture, pytest.mark.timeout(0)]

FILES = {"a": b"mine", "b": b"mine, too", "c": b"shared"}


LEFT = {"purge-recorded": ["a", "b", "c"], "purge-removed": ["b", "c"]}


@pytest.mark.parametrize("point", purging.CRASH_POINTS)
def test_a_server_killed_between_the_commit_and_the_last_file_removes_the_rest(
    tmp_path: Path, point: str
) -> None:
    versions = "/api/v1/models/m/versions"
    with Server(tmp_path / "home") as server:
        server.post(versions, {"version": "v1", "pending": True})
        for path, content in FILES.items():
            assert server.send("PUT", f"{versions}/v1/files/{path}", content=content).status_code == 201
        assert server.post(f"{versions}/v1/finalize").status_code == 200
        server.register_with_file("other", "v1", "c", FILES["c"])
        server.stop()
        server.start(MUSTER_CRASH_AT=point)
        with pytest.raises(httpx.TransportError):
            server.post(f"{versions}/v1/purge", {"reason": "asked to"})
        server.wait()
        assert stored(server) == LEFT[point]
        server.start()
        assert server.get(f"{versions}/v1").json()["purged"] is True
        assert stored(server) == ["c"]
        assert server.get("/api/v1/models/other/versions/v1/files/c").content == FILES["c"]
        assert server.get(f"{versions}/v1/files/c").status_code == 410
        assert_sound(server.home)


def stored(server: Server) -> list[str]:
    """Those of the files whose bytes are in the store."""
    objects = server.home / "registry.git/lfs/objects"
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in FILES.items()}
    return [
        path for path, digest in digests.items() if (objects / digest[:2] / digest[2:4] / digest).exists()
    ]
