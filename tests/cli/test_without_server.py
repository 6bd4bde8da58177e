"""The commands on a home that no server owns, and in an installation that is only the client."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.serving import iris_onnx
from tests.terminal import Terminal


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


def test_a_read_makes_no_registry(terminal: Terminal) -> None:
    for command in ("status", "models", "log", "verify", "reindex"):
        said = terminal.run("muster", command, exit_code=3)
        assert "Registry not found: registry (default)" in said
        assert "muster serve" in said
    terminal.run("muster", "register", "digits", "--dry-run", exit_code=3)
    assert not (terminal.folder / "registry").exists()


def test_a_version_is_proven_and_recorded_and_runs_once_a_server_does(terminal: Terminal) -> None:
    (terminal.folder / "model.onnx").write_bytes(iris_onnx())
    terminal.run("muster", "register", "iris", "v1", "--files", "model.onnx", "--reason", "First")
    said = terminal.run("muster", "deploy", "iris/v1", "--reason", "Release")
    assert "ready" in said
    assert "iris v1 is deployed to production." in said
    assert "It will run when `muster serve` does." in said
    said = terminal.run("muster", "status")
    assert "No server runs on registry" in said
    assert "Release" in said
    terminal.run("muster", "predict", "iris", '{"inputs": [[1, 2, 3, 4]]}', exit_code=7)
    terminal.run("muster", "reindex")
    assert "Git, index and files agree." in terminal.run("muster", "verify")
    with terminal.serve():
        request = '{"inputs": [[5.1, 3.5, 1.4, 0.2]]}'
        assert json.loads(terminal.run("muster", "predict", "iris", request))
        [item] = json.loads(terminal.run("muster", "status", "--json"))["items"]
        assert item["status"]["standing"] == "ready"


def test_a_version_that_does_not_start_is_refused_without_a_server_too(terminal: Terminal) -> None:
    (terminal.folder / "model.onnx").write_bytes(b"not a graph")
    terminal.run("muster", "register", "iris", "v1", "--files", "model.onnx")
    assert "did not start" in terminal.run("muster", "deploy", "iris/v1", exit_code=6)
    kinds = [c["change"] for c in json.loads(terminal.run("muster", "log", "--json"))["items"]]
    assert kinds[0] == "deploy-failed"
    assert "deploy" not in kinds


def test_a_server_that_died_owns_nothing(terminal: Terminal) -> None:
    with terminal.serve() as running:
        running.kill()
    assert (terminal.folder / "registry" / "run" / "server.json").exists()
    terminal.run("muster", "register", "digits", "v1")
    assert "digits" in terminal.run("muster", "models")


def test_what_needs_the_server_part_says_how_to_get_it(terminal: Terminal) -> None:
    missing = terminal.folder / "missing"
    missing.mkdir()
    names = ("litestar", "sqlalchemy", "pygit2", "uvicorn", "msgspec", "structlog", "numpy")
    (missing / "sitecustomize.py").write_text(
        "import sys\n" + "".join(f"sys.modules[{name!r}] = None\n" for name in names)
    )
    for command in (("serve",), ("register", "digits"), ("demo",)):
        said = terminal.run("muster", *command, exit_code=7, PYTHONPATH=str(missing))
        assert "pip install 'muster-registry[" in said
        assert "Traceback" not in said
    embedded = ("python", "-c", "import muster; muster.ModelRegistry()")
    said = terminal.run(*embedded, exit_code=1, PYTHONPATH=str(missing))
    assert "muster.ModelRegistry needs more than the client" in said
    assert "pip install 'muster-registry[server]'" in said
    with terminal.serve() as running:
        url = running.url
        terminal.run("muster", "register", "digits", "v1", "--server", url, PYTHONPATH=str(missing))
        assert "digits" in terminal.run("muster", "models", "--server", url, PYTHONPATH=str(missing))
