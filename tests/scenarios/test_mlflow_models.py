"""A folder that MLflow wrote, registered by the client, deployed by a server, asked through the gateway."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from muster import Client, errors
from tests.mlflow_models import COLUMNS, FLOWERS, echo_folder, onnx_folder, predicted, sklearn_folder
from tests.servers import Server

SPLIT = {"columns": COLUMNS, "data": FLOWERS.iloc[[0, 60, 140]].to_numpy().tolist()}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that runs MLflow's models in its own environment, which has MLflow."""
    with Server(tmp_path_factory.mktemp("mlflow") / "home", MUSTER_VENV="server") as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.url, "ada") as client:
        yield client


def test_what_mlflow_saved_is_deployed_and_predicts_as_mlflow_does(client: Client, tmp_path: Path) -> None:
    folder = sklearn_folder(tmp_path / "flowers")
    record = client.register("flowers", "v1", files=folder, source=None)
    assert record["signature"]["inputs"] == [
        {"name": name, "dtype": "FP64", "shape": [None]} for name in COLUMNS
    ]
    assert record["signature"]["outputs"] == [{"name": "output", "dtype": "INT64", "shape": [None]}]
    client.deploy("flowers/v1")
    answer = client.predict("flowers", {"dataframe_split": SPLIT})
    assert answer["predictions"] == predicted(folder, FLOWERS.iloc[[0, 60, 140]]).tolist()


def test_the_signature_of_a_tensor_is_read_too(client: Client, tmp_path: Path) -> None:
    record = client.register("graph", "v1", files=onnx_folder(tmp_path / "graph"), source=None)
    assert record["signature"]["inputs"] == [{"name": "X", "dtype": "FP32", "shape": [None, 4]}]


def test_a_pickle_is_refused_and_a_dry_run_says_so_before(client: Client, tmp_path: Path) -> None:
    folder = sklearn_folder(tmp_path / "pickled", "cloudpickle")
    record = client.register("pickled", "v1", files=folder, source=None)
    assert record["signature"]["inputs"][0]["name"] == COLUMNS[0], "reading it runs nothing"
    foreseen = client.deploy("pickled/v1", "development", dry_run=True)
    assert [objection["code"] for objection in foreseen["objections"]] == ["no_runtime"]
    with pytest.raises(errors.NoRuntime, match=r"model\.pkl holds a pickle .*--allow-pickle"):
        client.deploy("pickled/v1", "development")
    client.update_environment("development", {"allow_pickle": True})
    assert client.deploy("pickled/v1", "development", dry_run=True)["objections"] == []
    client.deploy("pickled/v1", "development")
    answer = client.predict("pickled", {"dataframe_split": SPLIT}, "development")
    assert answer["predictions"] == predicted(folder, FLOWERS.iloc[[0, 60, 140]]).tolist()


@pytest.mark.timeout(900)
def test_a_model_runs_in_an_environment_of_its_own_requirements(tmp_path: Path) -> None:
    """The one test that builds an environment with MLflow in it."""
    wanted = ["mlflow-skinny", "pandas", "numpy"]
    folder = echo_folder(tmp_path / "echo", tmp_path / "echo.py", pip_requirements=wanted)
    steps: list[dict[str, Any]] = []
    with Server(tmp_path / "home") as server, Client(server.url, "ada", timeout_s=900) as client:
        client.update_environment("production", {"allow_pickle": True})
        for version in ("v1", "v2"):
            client.register("echo", version, files=folder, source=None, metrics={"tries": float(version[1])})
            client.deploy(f"echo/{version}", on_step=lambda event: steps.append(dict(event)))
            answer = client.predict("echo", {"inputs": [1, 2], "params": {"times": 3}})
            assert answer == {"predictions": {"rows": 2, "times": 3}}
        running = client.deployment("production", "echo")["instances"][0]["process"]
        program = Path(f"/proc/{running}/cmdline").read_bytes().split(b"\0")[0]
        assert os.fsdecode(program).startswith(str(tmp_path / "home" / "run" / "venvs"))
        packages = Path(os.fsdecode(program)).parent.parent / "lib"
        assert list(packages.glob("*/site-packages/mlflow"))
        assert not list(packages.glob("*/site-packages/litestar*")), "nothing of the server's"
    told = [event["detail"] for event in steps if event["step"] == "preparing"]
    assert "building it for Python" in told[0]
    assert len([sentence for sentence in told if "built in" in sentence]) == 1, "the second time it was there"
    order = [event["step"] for event in steps if event["step"] != "preparing"]
    assert order == ["checking", "starting", "ready", "recorded", "switched", "done"] * 2
