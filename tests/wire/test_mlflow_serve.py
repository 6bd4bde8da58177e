"""`mlflow models serve -m models:/…` downloads from Muster, whichever way its address is written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.live import Live, live
from tests.mlflow_clients import a_model, connected, surrounded
from tests.serving import wait_for
from tests.terminal import free_port

pytestmark = [
    pytest.mark.filterwarnings("ignore::Warning"),  # MLflow's own
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """With a model that was registered with its files; its tracking store is gone."""
    folder = tmp_path_factory.mktemp("serve")
    with live(folder / "home") as running, connected(running.url.replace("http", "muster"), folder) as client:
        import mlflow

        a_model(folder / "echo")
        mlflow.register_model(str(folder / "echo"), "Echo é")
        client.set_registered_model_alias("Echo é", "champion", "1")
        yield running


@pytest.mark.parametrize("scheme", ["http", "muster"])
def test_mlflow_serves_a_model_that_it_fetches_here(server: Live, scheme: str, tmp_path: Path) -> None:
    registry = server.url.replace("http", scheme)
    with (
        surrounded(registry, tmp_path) as environment,
        serving("models:/Echo é@champion", environment) as url,
    ):
        body = {"inputs": [1, 2]}
        answer = httpx.post(f"{url}/invocations", json=body, trust_env=False, timeout=60)
        assert (answer.status_code, answer.json()) == (200, {"predictions": [1, 2]})


@contextmanager
def serving(model: str, environment: dict[str, str]) -> Iterator[str]:
    """MLflow's own scoring server, at the address that is given."""
    port = free_port()
    command = ("-m", model, "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port))
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "models", "serve", *command],
        env=environment | {"PATH": f"{Path(sys.executable).parent}:{environment['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: process.poll() is not None or answers(f"{url}/ping"), bool, 240)
        assert process.poll() is None, process.communicate()[0]
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=10).status_code == 200
    except httpx.TransportError:
        return False
