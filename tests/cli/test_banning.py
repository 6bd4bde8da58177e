"""The commands that take out of use and trace: sentences for people, JSON for programs, exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from muster import Client
from tests.serving import iris_onnx
from tests.terminal import Terminal

Run = Callable[..., str]


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path_factory.mktemp("banning"))
    with terminal.serve():
        yield terminal


@pytest.fixture
def muster(terminal: Terminal) -> Run:
    def run(*words: str, exit_code: int = 0) -> str:
        return terminal.run("muster", *words, exit_code=exit_code)

    return run


@pytest.fixture(scope="module")
def client(terminal: Terminal) -> Iterator[Client]:
    said = json.loads((terminal.folder / "registry" / "run" / "server.json").read_text())
    with Client(said["url"]) as client:
        yield client


@pytest.fixture
def pair(client: Client) -> tuple[str, str]:
    """A model with files, and one that was made of it."""
    base, child = (f"{what}{uuid4().hex[:8]}" for what in ("base", "child"))
    files = {"model.onnx": iris_onnx(fit=0.7), "name": base.encode()}
    client.register(base, "v1", files=files, training_data=f"data of {base}")
    client.register(child, "v1", bases=[{"ref": f"{base}/v1"}])
    return base, child


def test_a_ban_says_what_runs_on_and_takes_it_out_of_both_places(
    muster: Run, client: Client, pair: tuple[str, str]
) -> None:
    base, child = pair
    for place in ("staging", "production"):
        client.deploy(f"{base}/v1", place)
    told = muster("ban", f"{base}/v1", "--reason", "It leaks")
    assert f"Still running until it is taken out: {base}_v1 in staging." in told
    assert "Built on it, and flagged: 1 version." in told
    assert "It leaks" in muster("deploy", f"{base}/v1", "--to", "development", exit_code=5)
    assert "built-on-banned" in muster("show", f"{child}/v1")
    told = muster("ban", f"{base}/v1", "--reason", "It leaks", "--undeploy")
    for place in ("staging", "production"):
        assert f"Taken out of service: {base}_v1 in {place}." in told
    (listed,) = [each for each in json.loads(muster("bans", "--json"))["items"] if each["of"] == f"{base}/v1"]
    assert (listed["runs_in"], listed["built_on_it"]) == ([], 1)
    assert "Lifted" in muster("unban", f"{base}/v1", "--reason", "It does not")


def test_a_ban_takes_a_reason_and_a_dry_run_writes_nothing(
    muster: Run, client: Client, pair: tuple[str, str]
) -> None:
    base, _ = pair
    assert "--reason" in muster("ban", f"{base}/v1", exit_code=2)
    assert "must not be empty" in muster("ban", f"{base}/v1", "--reason", "", exit_code=2)
    assert "Would: Ban" in muster("ban", f"{base}/v1", "--reason", "It leaks", "--dry-run")
    assert "flags" not in client.version(f"{base}/v1")


def test_data_is_traced_and_retracted(muster: Run, client: Client, pair: tuple[str, str]) -> None:
    base, child = pair
    client.register(child, "v2", bases=[{"ref": f"{child}/v1"}])
    found: list[dict[str, Any]] = json.loads(muster("uses", f"data of {base}", "--json"))["items"]
    assert [(each["model_id"], each["remove"], each["through"]) for each in found] == [
        (f"{base}_v1", 1, None),
        (f"{child}_v1", 2, f"{base}/v1"),
        (f"{child}_v2", 3, f"{child}/v1"),
    ]
    assert "1 version trained on it, 2 more" in muster(
        "data", "retract", f"data of {base}", "-m", "No consent"
    )
    assert f"data of {base}" in muster("data", "list")
    assert "Took" in muster("data", "unretract", f"data of {base}", "-m", "Consent was given")


def test_a_purge_says_what_it_removed_and_what_it_kept(
    muster: Run, client: Client, pair: tuple[str, str]
) -> None:
    base, child = pair
    client.register(child, "v2", files={"model.onnx": iris_onnx(fit=0.7)})
    told = muster("purge", f"{base}/v1", "-m", "A court told us to")
    assert f"Purged {base}_v1: 1 file removed ({len(base)} bytes)." in told
    assert "Kept model.onnx: " in told
    assert client.version(f"{base}/v1")["purged"] is True
    assert "Git, index and files agree." in muster("verify")
