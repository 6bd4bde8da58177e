"""Muster's artifact proxy: files in and out by path, and versions that take them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.live import Live, fresh, live
from tests.mlflow_clients import a_model, connected
from tests.serving import iris_onnx

pytestmark = pytest.mark.filterwarnings("ignore::Warning")  # MLflow's own

PROXY = "/api/2.0/mlflow-artifacts"
ARTIFACTS = f"{PROXY}/artifacts"
WEIGHTS = b"weights" * 100_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("artifacts") / "home") as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with connected(server.url, tmp_path_factory.mktemp("tracking")) as client:
        yield client


@pytest.fixture
def folder() -> str:
    """A folder below the proxy that no other test uses."""
    return fresh("folder")


def put(server: Live, path: str, content: bytes = WEIGHTS) -> None:
    assert server.send("PUT", f"{ARTIFACTS}/{path}", content=content).json() == {}


def listed(server: Live, path: str) -> Any:
    return server.send("GET", ARTIFACTS, params={"path": path}).json()


def raw(server: Live, method: str, target: str, content: bytes = b"") -> int:
    """The status of the answer to a request whose path nobody tidied up on the way."""
    connection = HTTPConnection("127.0.0.1", server.port)
    try:
        connection.request(method, target, content)
        return connection.getresponse().status
    finally:
        connection.close()


# ------------------------------------------------------------ in and out


@pytest.mark.parametrize("prefix", [PROXY, "/ajax-api/2.0/mlflow-artifacts"])
def test_what_was_put_is_listed_read_replaced_and_removed(server: Live, folder: str, prefix: str) -> None:
    there = f"{prefix}/artifacts"
    server.send("PUT", f"{there}/{folder}/a dir/é.bin", content=b"first")
    server.send("PUT", f"{there}/{folder}/MLmodel", content=b"")
    assert listed(server, folder) == {
        "files": [
            {"path": "MLmodel", "is_dir": False, "file_size": 0},
            {"path": "a dir", "is_dir": True},
        ]
    }
    assert listed(server, f"{folder}/a dir/") == {
        "files": [{"path": "é.bin", "is_dir": False, "file_size": 5}]
    }
    server.send("PUT", f"{there}/{folder}/a dir/é.bin", content=b"second")
    assert server.send("GET", f"{there}/{folder}/a dir/é.bin").content == b"second"
    assert server.send("GET", f"{there}/{folder}/MLmodel").content == b""
    assert server.send("DELETE", f"{there}/{folder}/").json() == {}
    assert server.send("DELETE", f"{there}/{folder}/").json() == {}
    assert listed(server, folder) == {}
    gone = server.http.get(f"{there}/{folder}/MLmodel")
    assert (gone.status_code, gone.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_a_listing_of_a_file_or_of_nothing_is_empty(server: Live, folder: str) -> None:
    put(server, f"{folder}/x", b"x")
    assert listed(server, f"{folder}/x") == listed(server, "nowhere") == {}
    assert {"path": folder, "is_dir": True} in listed(server, "")["files"]


def test_a_download_is_an_attachment_of_which_any_part_can_be_had(server: Live, folder: str) -> None:
    put(server, f"{folder}/page é.html", b"<script>alert(1)</script>")
    where = f"{ARTIFACTS}/{folder}/page é.html"
    whole = server.send("GET", where)
    assert whole.headers["content-disposition"] == "attachment; filename*=UTF-8''page%20%C3%A9.html"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["content-type"] == "application/octet-stream"
    assert whole.headers["content-length"] == "25"
    part = server.send("GET", where, headers={"Range": "bytes=8-14"})
    assert (part.status_code, part.content) == (206, b"alert(1")
    assert part.headers["content-range"] == "bytes 8-14/25"
    beyond = server.http.get(where, headers={"Range": "bytes=25-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */25")
    same = server.http.get(where, headers={"If-None-Match": whole.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    head = server.send("HEAD", where)
    assert (head.content, head.headers["content-length"]) == (b"", "25")


def test_equal_files_are_stored_once(server: Live, folder: str) -> None:
    before = set(server.home.storage.artifacts.digests())
    for name in ("a", "b"):
        put(server, f"{folder}/{name}", folder.encode())
    added = set(server.home.storage.artifacts.digests()) - before
    assert added == {hashlib.sha256(folder.encode()).hexdigest()}


def test_what_cannot_be_is_refused_in_mlflows_words(server: Live, folder: str) -> None:
    put(server, f"{folder}/x", b"x")
    for method, path, status, code in (
        ("PUT", f"artifacts/{folder}", 409, "RESOURCE_CONFLICT"),
        ("PUT", f"artifacts/{folder}/x/y", 409, "RESOURCE_CONFLICT"),
        ("GET", f"artifacts/{folder}", 404, "RESOURCE_DOES_NOT_EXIST"),
        ("PUT", "artifacts", 400, "INVALID_PARAMETER_VALUE"),
        ("DELETE", "artifacts/", 400, "INVALID_PARAMETER_VALUE"),
        ("PUT", "artifacts/muster-models/m/1/x", 403, "PERMISSION_DENIED"),
        ("DELETE", "artifacts/muster-models", 403, "PERMISSION_DENIED"),
        ("GET", "presigned/x", 501, "NOT_IMPLEMENTED"),
        ("GET", "nothing/x", 404, "ENDPOINT_NOT_FOUND"),
        ("POST", "artifacts/x", 404, "ENDPOINT_NOT_FOUND"),
    ):
        answer = server.http.request(method, f"{PROXY}/{path}")
        assert (answer.status_code, answer.json()["error_code"]) == (status, code), path


LEADING_OUT = (
    "../out",
    "a/../../out",
    "..",
    "%2e%2e/out",
    "%2E%2E%2Fout",
    "..%2fout",
    "%252e%252e%252fout",
    "a/%25252e%25252e/out",
    "..%5cout",
    "..\\out",
    "%2fetc/passwd",
    "%252fetc%252fpasswd",
    "/etc/passwd",
    "a//b",
    "a/./b",
    "a%00b",
    "a%0ab",
    "%ff",
    "muster-models/../x",
    "muster-models/m/1/%2e%2e/x",
)


@pytest.mark.parametrize("path", LEADING_OUT)
def test_a_path_that_leaves_the_root_is_refused_by_every_verb(server: Live, path: str) -> None:
    around = server.home.storage.folder.path.parent
    before = [*around.iterdir(), *(around / "home/uploads").rglob("*")]
    for method, target in (
        ("GET", f"{ARTIFACTS}/{path}"),
        ("PUT", f"{ARTIFACTS}/{path}"),
        ("DELETE", f"{ARTIFACTS}/{path}"),
        ("GET", f"{ARTIFACTS}?path={path}"),
        ("POST", f"{PROXY}/mpu/create/{path}"),
    ):
        status = raw(server, method, target, b"x" if method == "PUT" else b"")
        assert status in (400, 403, 404), (method, target)
    assert [*around.iterdir(), *(around / "home/uploads").rglob("*")] == before


def test_nothing_is_taken_into_the_reserve(tmp_path: Path) -> None:
    with live(tmp_path / "home", min_free_bytes=1 << 60) as full:
        answer = full.http.put(f"{ARTIFACTS}/x", content=b"x")
        assert (answer.status_code, answer.json()["error_code"]) == (507, "RESOURCE_EXHAUSTED")
        assert listed(full, "") == {}


# ------------------------------------------------------------ in parts


def begun(server: Live, folder: str, count: int) -> tuple[str, list[str]]:
    body = {"path": "/home/somebody/weights.bin", "num_parts": count}
    answer = server.send("POST", f"{PROXY}/mpu/create/{folder}", json=body).json()
    assert [each["part_number"] for each in answer["credentials"]] == list(range(1, count + 1))
    return answer["upload_id"], [each["url"] for each in answer["credentials"]]


def completed(server: Live, folder: str, upload: str, etags: list[str]) -> httpx.Response:
    parts = [{"part_number": at, "etag": etag, "url": ""} for at, etag in enumerate(etags, 1)]
    body = {"path": "weights.bin", "upload_id": upload, "parts": parts}
    return server.http.post(f"{PROXY}/mpu/complete/{folder}", json=body)


def test_parts_become_one_file_once_all_have_come(server: Live, folder: str) -> None:
    upload, urls = begun(server, folder, 3)
    assert all(url.startswith(server.url) for url in urls)
    contents = [b"one", b"two" * 100_000, b"three"]
    etags = {at: server.send("PUT", urls[at], content=contents[at]).headers["etag"] for at in (2, 0, 1)}
    assert listed(server, folder) == {}
    assert completed(server, folder, upload, [etags[at] for at in range(3)]).json() == {}
    assert server.send("GET", f"{ARTIFACTS}/{folder}/weights.bin").content == b"".join(contents)
    assert completed(server, folder, upload, []).status_code == 404


def test_parts_that_are_not_what_came_make_no_file(server: Live, folder: str) -> None:
    upload, urls = begun(server, folder, 2)
    first = server.send("PUT", urls[0], content=b"one").headers["etag"]
    assert completed(server, folder, upload, [first, first]).status_code == 400
    second = server.send("PUT", urls[1], content=b"two").headers["etag"]
    for wrong in ([first], [second, first], [first, "no etag"]):
        answer = completed(server, folder, upload, wrong)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert listed(server, folder) == {}
    assert completed(server, folder, upload, [first, second]).status_code == 200


def test_an_upload_that_was_aborted_takes_no_more_parts(server: Live, folder: str) -> None:
    upload, urls = begun(server, folder, 1)
    body = {"path": "weights.bin", "upload_id": upload}
    assert server.send("POST", f"{PROXY}/mpu/abort/{folder}", json=body).json() == {}
    assert server.http.put(urls[0], content=b"one").status_code == 404
    assert server.http.post(f"{PROXY}/mpu/abort/{folder}", json=body).status_code == 404
    for count in (0, 10_001, "many"):
        create = server.http.post(f"{PROXY}/mpu/create/{folder}", json={"path": "x", "num_parts": count})
        assert create.status_code == 400


# ------------------------------------------------------------ versions


def sources(server: Live, folder: str) -> list[str]:
    return [
        f"mlflow-artifacts:/{folder}",
        f"mlflow-artifacts://127.0.0.1:{server.port}/{folder}",
        f"mlflow-artifacts://localhost:{server.port}{ARTIFACTS}/{folder}/",
        f"{server.url}{ARTIFACTS}/{folder}",
        f"{server.url}/ajax-api/2.0/mlflow-artifacts/artifacts/{folder}",
        f"{server.url.replace('//', '//ada:secret@')}{ARTIFACTS}/{folder}",
    ]


def test_a_version_keeps_what_its_source_held_when_it_was_made(
    server: Live, client: Any, folder: str
) -> None:
    import mlflow
    from mlflow.artifacts import download_artifacts

    name = fresh("model é ")
    client.create_registered_model(name)
    put(server, f"{folder}/MLmodel", b"flavors: {}\n")
    put(server, f"{folder}/data/w e.bin")
    for source in sources(server, folder):
        made = client.create_model_version(name, source, run_link=source)
        assert made.source == made.run_link == source.replace("ada:secret@", "")
    put(server, f"{folder}/data/w e.bin", b"replaced")
    server.send("DELETE", f"{ARTIFACTS}/{folder}/MLmodel")
    versions = client.search_model_versions(f"name = '{name}'")
    assert len(versions) == len(sources(server, folder))
    for version in versions:
        record = server.send("GET", f"/api/v1/models/{name}/versions/{version.version}").json()
        assert [(file["path"], file["sha256"]) for file in record["files"]] == [
            ("MLmodel", hashlib.sha256(b"flavors: {}\n").hexdigest()),
            ("data/w e.bin", hashlib.sha256(WEIGHTS).hexdigest()),
        ]
        assert "files_status" not in record
        assert record["state"] == "final"
        where = client.get_model_version_download_uri(name, version.version)
        assert where.startswith(server.url)
        local = Path(download_artifacts(artifact_uri=f"models:/{name}/{version.version}"))
        assert (local / "data/w e.bin").read_bytes() == WEIGHTS
    held = client.get_model_version_download_uri(name, "1")
    again = client.create_model_version(name, held)  # the files of a version are a source, too
    assert server.send("GET", f"/api/v1/models/{name}/versions/{again.version}").json()["files"]
    assert mlflow.get_registry_uri() == server.url


def test_a_pinned_version_is_one_commit_with_its_digests_and_its_signature(
    server: Live, client: Any, folder: str
) -> None:
    name = fresh()
    client.create_registered_model(name)
    put(server, f"{folder}/x", b"x")
    put(server, f"{folder}/model.onnx", iris_onnx())
    client.create_model_version(name, f"mlflow-artifacts:/{folder}")
    signature = server.send("GET", f"/api/v1/models/{name}/versions/1").json()["signature"]
    assert signature["inputs"] == [{"name": "X", "dtype": "FP32", "shape": [None, 4]}]
    (made,) = server.send("GET", f"/api/v1/models/{name}/versions/1/history").json()["items"]
    diff = server.send("GET", f"/api/v1/changes/{made['commit']}").json()
    assert hashlib.sha256(b"x").hexdigest() in str(diff)


def test_a_source_that_is_not_here_is_elsewhere_or_not_found(server: Live, client: Any, folder: str) -> None:
    name = fresh()
    client.create_registered_model(name)
    elsewhere = [
        f"mlflow-artifacts:/{folder}",
        f"mlflow-artifacts://tracking.example.com/{folder}",
        f"mlflow-artifacts://127.0.0.1:{server.port - 1}/{folder}",
        f"http://127.0.0.1:{server.port - 1}{ARTIFACTS}/{folder}",
    ]
    for source in elsewhere:
        version = client.create_model_version(name, source).version
        record = server.send("GET", f"/api/v1/models/{name}/versions/{version}").json()
        assert (record["files"], record["files_status"]) == ([], "files elsewhere, not verified")
    for source in (f"{server.url}{ARTIFACTS}/{folder}", f"{server.url}{ARTIFACTS}/muster-models/{name}/99"):
        with pytest.raises(Exception, match="not found") as raised:
            client.create_model_version(name, source)
        assert raised.value.error_code == "RESOURCE_DOES_NOT_EXIST"  # type: ignore[attr-defined]
    assert len(client.search_model_versions(f"name = '{name}'")) == len(elsewhere)


def test_the_files_of_versions_can_be_listed_and_read_but_not_written(server: Live, client: Any) -> None:
    name = fresh("100% ä~")
    server.upload(name, "v1", {"a/b": b"b", "c": b"c"})
    root = client.get_model_version_download_uri(name, "1").partition(f"{ARTIFACTS}/")[2]
    assert root.startswith("muster-models/~")
    assert listed(server, root)["files"] == [
        {"path": "a", "is_dir": True},
        {"path": "c", "is_dir": False, "file_size": 1},
    ]
    assert listed(server, f"{root}/a")["files"] == [{"path": "b", "is_dir": False, "file_size": 1}]
    assert listed(server, f"{root}/c") == listed(server, "muster-models") == {}
    assert listed(server, f"{root.rpartition('/')[0]}/7") == {}
    assert server.send("GET", f"{ARTIFACTS}/{root}/a/b").content == b"b"
    assert server.http.delete(f"{ARTIFACTS}/{root}").status_code == 403
    for nothing in ("muster-models/~!/1/c", "muster-models/nobody/1/c", f"{root}/d", "muster-models/x/y"):
        assert server.http.get(f"{ARTIFACTS}/{nothing}").status_code == 404


def test_an_mlflow_client_with_its_artifacts_here_uploads_in_parts_registers_and_loads(
    server: Live, client: Any, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "1000")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", "100000")
    a_model(tmp_path / "echo")
    (tmp_path / "echo/big.bin").write_bytes(WEIGHTS)
    here = f"mlflow-artifacts:/{folder}"
    repository: Any = get_artifact_repository(here, tracking_uri=server.url)
    repository.log_artifacts(str(tmp_path / "echo"), "model")
    assert repository.list_artifacts("model/big.bin") == []
    name = fresh()
    client.create_registered_model(name)
    client.create_model_version(name, f"{here}/model")
    client.set_registered_model_alias(name, "champion", 1)
    repository.delete_artifacts("model")
    assert mlflow.pyfunc.load_model(f"models:/{name}@champion").predict([1]) == [1]
    record = server.send("GET", f"/api/v1/models/{name}/versions/1").json()
    assert hashlib.sha256(WEIGHTS).hexdigest() in [file["sha256"] for file in record["files"]]
