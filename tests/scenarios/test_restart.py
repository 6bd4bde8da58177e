"""What is declared comes back: after a crash of the server, and from the command line without one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serving import iris_onnx
from tests.terminal import Running, Terminal, until

FLOWER = {"inputs": [[5.1, 3.5, 1.4, 0.2]]}
LOGGED = ("--kind", "deploy", "--kind", "rollback", "--json")


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """With two versions of a classifier in the folders `v1` and `v2`."""
    for folder, fit in (("v1", 1.0), ("v2", 0.1)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.onnx").write_bytes(iris_onnx(fit))
    return Terminal(tmp_path)


def served(server: Running) -> str:
    """The id of the version that answers a request now."""
    where = f"{server.url}/serve/production/flowers/invocations"
    answer = httpx.post(where, json=FLOWER, timeout=60, trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer.headers["muster-model-id"]


def instances(server: Running) -> list[dict[str, Any]]:
    where = f"{server.url}/api/v1/deployments/production/flowers"
    found: list[dict[str, Any]] = httpx.get(where, trust_env=False).json()["instances"]
    return found


def gone(process: int) -> Callable[[], bool]:
    def look() -> bool:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"

    return look


def test_a_server_that_was_killed_leaves_no_worker_and_brings_back_what_served(terminal: Terminal) -> None:
    with terminal.serve() as server:
        terminal.run("muster", "register", "flowers", "v1", "--files", "v1")
        terminal.run("muster", "register", "flowers", "v2", "--files", "v2")
        terminal.run("muster", "deploy", "flowers/v1")
        terminal.run("muster", "deploy", "flowers/v2")
        assert served(server) == "flowers_v2"
        workers = [state["process"] for state in instances(server)]
        server.kill()
    for process in workers:
        until(gone(process), f"worker {process} ends")
    with terminal.serve() as server:
        assert served(server) == "flowers_v2"  # held until the worker is ready
        terminal.run("muster", "rollback", "flowers/v2")
        assert served(server) == "flowers_v1"
    assert "Git, index and files agree" in terminal.run("muster", "verify")


def test_a_server_that_was_stopped_leaves_no_worker(terminal: Terminal) -> None:
    with terminal.serve() as server:
        terminal.run("muster", "register", "flowers", "v1", "--files", "v1")
        terminal.run("muster", "deploy", "flowers/v1")
        [worker] = [state["process"] for state in instances(server)]
        assert server.stop() == 0
        assert gone(worker)()


def test_what_was_deployed_without_a_server_runs_once_there_is_one(terminal: Terminal) -> None:
    terminal.run("muster", "register", "flowers", "v1", "--files", "v1", "--reason", "First version")
    terminal.run("muster", "deploy", "flowers/v1", "--reason", "First version")
    assert "does not run" in terminal.run("muster", "status")
    with terminal.serve() as server:
        assert served(server) == "flowers_v1"
        assert "ready" in terminal.run("muster", "status")  # the same command, now through the server
        terminal.run("muster", "register", "flowers", "v2", "--files", "v2")
        terminal.run("muster", "deploy", "flowers/v2", "--reason", "Better")
        there = json.loads(terminal.run("muster", "log", *LOGGED))["items"]
    without = json.loads(terminal.run("muster", "log", *LOGGED))["items"]
    assert there == without
    assert [change["reason"] for change in without] == ["Better", "First version"]


def test_two_servers_do_not_share_a_home(terminal: Terminal) -> None:
    with terminal.serve() as server:
        said = terminal.run("muster", "serve", "--port", "0", exit_code=4)
        assert f"a server at {server.url}" in said
