"""Files in and out: streams, digests, ranges, and what is left after a failure."""

from __future__ import annotations

import base64
import hashlib
import http.client
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.live import Live, fresh, live
from tests.serving import iris_onnx, wait_for

CONTENT = bytes(range(256)) * 40


class Pending:
    """A version that still takes files."""

    def __init__(self, server: Live) -> None:
        self.server = server
        self.name = fresh()
        self.path = f"/api/v1/models/{self.name}/versions/v1"
        server.send("POST", f"/api/v1/models/{self.name}/versions", json={"version": "v1", "pending": True})

    def put(self, path: str, content: bytes = CONTENT, **headers: str) -> httpx.Response:
        return self.server.http.put(f"{self.path}/files/{quote(path)}", content=content, headers=headers)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.server.http.get(f"{self.path}/files/{quote(path)}", headers=headers)

    def stored(self) -> set[str]:
        return set(self.server.home.registry.artifacts.digests())

    def incoming(self) -> list[str]:
        folder = self.server.home.storage.folder.repository / "lfs" / "tmp"
        return [entry.name for entry in folder.iterdir()]


@pytest.fixture
def version(server: Live) -> Pending:
    return Pending(server)


@pytest.fixture
def stored(version: Pending) -> Pending:
    assert version.put("data/weights.bin").status_code == 201
    return version


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_an_uploaded_file_comes_back_byte_for_byte(version: Pending) -> None:
    answer = version.put("data/weights.bin")
    assert answer.status_code == 201
    assert answer.json() == {"path": "data/weights.bin", "size": len(CONTENT), "sha256": sha(CONTENT)}
    got = version.get("data/weights.bin")
    assert got.content == CONTENT
    assert got.headers["ETag"] == f'"sha256:{sha(CONTENT)}"'
    assert got.headers["Content-Type"] == "application/octet-stream"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Content-Disposition"] == "attachment; filename*=UTF-8''weights.bin"


def test_the_same_file_again_is_no_commit(stored: Pending) -> None:
    again = stored.put("data/weights.bin")
    assert again.status_code == 200
    assert "Muster-Commit" not in again.headers


@pytest.mark.parametrize("content", [b"", b"x" * 5_000_000], ids=["empty", "5 MB"])
def test_a_file_may_be_empty_or_longer_than_any_json(version: Pending, content: bytes) -> None:
    assert version.put("file", content).json()["sha256"] == sha(content)
    assert version.get("file").content == content


@pytest.mark.parametrize(
    "declared",
    [
        {"X-Content-Sha256": sha(CONTENT)},
        {"Digest": f"sha-256={base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()}"},
    ],
    ids=["hex", "base64"],
)
def test_a_declared_digest_that_is_right_is_taken(version: Pending, declared: dict[str, str]) -> None:
    assert version.put("file", CONTENT, **declared).status_code == 201


@pytest.mark.parametrize(
    "declared",
    [
        {"X-Content-Sha256": sha(b"other")},
        {"X-Content-Sha256": "abc"},
        {"Digest": f"sha-256={base64.b64encode(hashlib.sha256(b'other').digest()).decode()}"},
        {"Digest": "sha-256=%%%"},
    ],
)
def test_a_digest_that_is_wrong_leaves_nothing(version: Pending, declared: dict[str, str]) -> None:
    before = version.stored()
    answer = version.put("file", b"bytes of which nothing may stay", **declared)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"
    assert version.stored() == before
    assert version.incoming() == []
    assert version.get("file").status_code == 404


def test_a_client_that_leaves_halfway_leaves_nothing(version: Pending) -> None:
    before = version.stored()
    with socket.create_connection(("127.0.0.1", version.server.port)) as connection:
        head = f"PUT {version.path}/files/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 500_000)
        wait_for(version.incoming, lambda there: len(there) == 1)
    wait_for(version.incoming, lambda there: there == [])
    assert version.stored() == before
    assert version.get("half").status_code == 404


def test_a_body_of_unknown_length_is_taken_as_it_comes(version: Pending) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield b"chunk" * 1000

    answer = version.server.http.put(f"{version.path}/files/chunked", content=chunks())
    assert answer.json()["size"] == 500_000


@pytest.mark.parametrize(
    ("wanted", "status", "sent"),
    [
        ("bytes=0-9", 206, CONTENT[:10]),
        ("bytes=100-", 206, CONTENT[100:]),
        ("bytes=-20", 206, CONTENT[-20:]),
        ("bytes=-99999999", 206, CONTENT),
        ("bytes=10230-99999999", 206, CONTENT[10230:]),
        ("bytes=10240-", 416, b""),
        ("bytes=-0", 416, b""),
        ("bytes=9-3", 200, CONTENT),
        ("bytes=0-1,5-6", 200, CONTENT),
        ("lines=0-1", 200, CONTENT),
        ("bytes=-", 200, CONTENT),
        (f"bytes={'9' * 40}-", 416, b""),
    ],
)
def test_a_range_is_sent_as_asked(stored: Pending, wanted: str, status: int, sent: bytes) -> None:
    answer = stored.get("data/weights.bin", Range=wanted)
    assert answer.status_code == status
    assert answer.content == sent
    if status == 206:
        start = len(CONTENT) - len(sent) if not wanted.startswith("bytes=0") else 0
        assert answer.headers["Content-Range"] == f"bytes {start}-{start + len(sent) - 1}/{len(CONTENT)}"
    if status == 416:
        assert answer.headers["Content-Range"] == f"bytes */{len(CONTENT)}"


def test_a_range_of_a_file_that_changed_is_the_whole_file(stored: Pending) -> None:
    tag = stored.get("data/weights.bin").headers["ETag"]
    assert stored.get("data/weights.bin", Range="bytes=0-9", **{"If-Range": tag}).status_code == 206
    assert stored.get("data/weights.bin", Range="bytes=0-9", **{"If-Range": '"other"'}).status_code == 200


def test_a_file_that_the_client_has_is_not_sent_again(stored: Pending) -> None:
    tag = stored.get("data/weights.bin").headers["ETag"]
    answer = stored.get("data/weights.bin", **{"If-None-Match": tag})
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", tag)


def test_head_says_the_size_without_the_bytes(stored: Pending) -> None:
    answer = stored.server.http.head(f"{stored.path}/files/data/weights.bin")
    assert answer.status_code == 200
    assert answer.headers["Content-Length"] == str(len(CONTENT))
    assert answer.content == b""


@pytest.mark.parametrize(
    "path",
    [
        "../up",
        "a/../b",
        ".git/config",
        "a/.GIT",
        "con",
        "a//b",
        "a/",
        "a\\b",
        "nul.txt",
        "a\0b",
        "x" * 1025,
        "a:b",
    ],
)
def test_a_path_that_not_every_clone_can_hold_is_refused(version: Pending, path: str) -> None:
    # http.client sends the path as it is; httpx would tidy it up first.
    connection = http.client.HTTPConnection("127.0.0.1", version.server.port)
    connection.request("PUT", f"{version.path}/files/{quote(path)}", CONTENT)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status in (400, 404)
    assert version.server.http.get(f"{version.path}/files").json()["items"] == []


@pytest.mark.parametrize(
    "path", ["späße/模型.onnx", "with space", "100%", "a'b", "a%2Fb", "_underscore", "x" * 255]
)
def test_a_path_of_any_other_characters_is_kept_exactly(version: Pending, path: str) -> None:
    assert version.put(path).json()["path"] == path
    assert version.get(path).content == CONTENT
    listed = version.server.http.get(f"{version.path}/files").json()
    assert [file["path"] for file in listed["items"]] == [path]


def test_final_means_that_no_file_comes_or_goes(stored: Pending) -> None:
    final = stored.server.send("POST", f"{stored.path}/finalize", json={"reason": "Complete"})
    assert final.json()["state"] == "final"
    assert [file["path"] for file in final.json()["files"]] == ["data/weights.bin"]
    assert stored.put("more").status_code == 409
    assert stored.server.http.delete(f"{stored.path}/files/data/weights.bin").status_code == 409


def test_a_file_is_taken_out_of_a_pending_version(stored: Pending) -> None:
    answer = stored.server.http.delete(f"{stored.path}/files/data/weights.bin?reason=Wrong")
    assert answer.status_code == 204
    assert stored.get("data/weights.bin").status_code == 404


def test_a_pending_version_cannot_be_deployed_nor_finalized_without_files(version: Pending) -> None:
    assert version.server.http.post(f"{version.path}/finalize").status_code == 409
    assert version.server.http.post(f"/models/{version.name}_v1/deploy").status_code == 409


def test_a_version_from_the_plain_api_takes_files_once(server: Live) -> None:
    name = fresh()
    server.register(name, "v1")
    path = f"/api/v1/models/{name}/versions/v1"
    assert server.http.put(f"{path}/files/a", content=b"a").status_code == 201
    server.send("POST", f"{path}/finalize")
    assert server.http.put(f"{path}/files/b", content=b"b").status_code == 409


def test_a_server_ends_while_an_upload_and_a_long_poll_are_under_way(tmp_path: Path) -> None:
    with live(tmp_path / "home") as server:
        version = Pending(server)
        upload = socket.create_connection(("127.0.0.1", server.port))
        head = f"PUT {version.path}/files/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
        upload.sendall(head.encode() + b"x" * 5000)
        wait_for(version.incoming, lambda there: len(there) == 1)
        poll = socket.create_connection(("127.0.0.1", server.port))
        where = f"/api/v1/deployments/production/{version.name}/desired?wait_s=60"
        poll.sendall(f'GET {where} HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: "none"\r\n\r\n'.encode())
    wait_for(version.incoming, lambda there: there == [])
    assert version.incoming() == []
    upload.close()
    poll.close()


def test_a_dry_run_of_an_upload_shows_the_digest_of_what_was_sent(version: Pending) -> None:
    content = b"seen by no other test"
    url = f"{version.path}/files/a.bin?dry_run=true"
    (change,) = version.server.send("PUT", url, content=content).json()["changes"]
    assert change["after"] == sha(content)
    assert version.get("a.bin").status_code == 404
    assert sha(content) not in version.stored()


def test_a_dry_run_of_the_end_shows_the_signature(version: Pending) -> None:
    version.put("model.onnx", iris_onnx())
    preview = version.server.send("POST", f"{version.path}/finalize?dry_run=true").json()
    assert any(change["field"].startswith("signature") for change in preview["changes"])
    assert version.server.http.get(version.path).json()["state"] == "pending"
