"""Two servers, two sets of credentials: a registry that is Muster beside a tracking server that asks who."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

import pytest

from tests.answering import answering
from tests.live import Live, fresh, live
from tests.mlflow_clients import surrounded
from tests.servers import Server

SCRIPT = """
import sys, mlflow
mlflow.set_experiment("any") if len(sys.argv) > 2 else None
mlflow.MlflowClient().create_registered_model(sys.argv[1])
"""


class Tracking(BaseHTTPRequestHandler):
    """As much of a tracking server as `set_experiment` needs; it takes one user only."""

    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        sent = self.headers.get("authorization", "")
        self.seen.append(sent)
        known = sent == "Basic " + base64.b64encode(b"tracker:tracking-token").decode()
        experiment = {"experiment_id": "1", "name": "any", "lifecycle_stage": "active"}
        body = json.dumps({"experiment": experiment} if known else {"error_code": "UNAUTHENTICATED"}).encode()
        self.send_response(200 if known else 401)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def tracking() -> Iterator[str]:
    with answering(Tracking) as address:
        yield address


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("credentials") / "home") as running:
        yield running


def run(registry: str, folder: Path, *arguments: str, **more: str) -> None:
    """The script, as a program of its own: a client's credentials are those of its process."""
    with surrounded(registry, folder, **more) as environment:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, *arguments],
            env=environment, cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr


def actor_of(server: Live, name: str) -> str:
    (change,) = server.http.get("/api/v1/changes", params={"model": name}).json()["items"]
    assert change["verified"] is False
    return str(change["actor"])


def test_each_server_gets_its_own_credentials(server: Live, tracking: str, tmp_path: Path) -> None:
    name = fresh()
    registry = server.url.replace("://", "://ada:registry-token@")
    with_user = tracking.replace("://", "://tracker:tracking-token@")
    run(registry, tmp_path, name, "track", MLFLOW_TRACKING_URI=with_user)
    assert actor_of(server, name) == "ada"
    assert all(base64.b64decode(sent.split()[1]) == b"tracker:tracking-token" for sent in Tracking.seen)


def test_a_token_reaches_the_server_and_is_nobody_yet(server: Live, tmp_path: Path) -> None:
    name = fresh()
    run(server.url, tmp_path, name, MLFLOW_TRACKING_TOKEN="registry-token")
    assert actor_of(server, name) == "anonymous"


def test_user_and_password_may_come_from_the_environment(server: Live, tmp_path: Path) -> None:
    name = fresh()
    user = {"MLFLOW_TRACKING_USERNAME": "grace@example.org", "MLFLOW_TRACKING_PASSWORD": "registry-token"}
    run(server.url, tmp_path, name, **user)
    assert actor_of(server, name) == "grace@example.org"


def test_no_secret_is_written_down(tmp_path: Path) -> None:
    """Not in the log, whatever its form, and not below the home."""
    for form in ("json", "console"):
        home = tmp_path / form
        with Server(home, MUSTER_LOG_FORMAT=form, MUSTER_LOG_LEVEL="debug") as server:
            for sent in (
                "Bearer my-secret-token",
                "Basic " + base64.b64encode(b"ada:my-secret-token").decode(),
                "Basic " + base64.b64encode(b"not an actor:my-secret-token").decode(),
            ):
                for path in ("registered-models/create", "nowhere"):
                    body = {"name": fresh()}
                    headers = {"authorization": sent}
                    server.send("POST", f"/api/2.0/mlflow/{path}", json=body, headers=headers)
            server.stop()
        written = [server.log, *(file for file in home.rglob("*") if file.is_file())]
        secrets = (b"my-secret-token", base64.b64encode(b"ada:my-secret-token"))
        for file in written:
            content = file.read_bytes()
            assert not any(secret in content for secret in secrets), file
        assert os.path.getsize(server.log) > 0
