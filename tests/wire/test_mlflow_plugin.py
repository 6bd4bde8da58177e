"""`muster://` in the place of `http://`: MLflow's client registers versions together with their files."""

from __future__ import annotations

import hashlib
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live import Live, fresh, live
from tests.mlflow_clients import a_model, connected, surrounded

pytestmark = pytest.mark.filterwarnings("ignore::Warning")  # MLflow's own


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("plugin") / "home") as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tracking store is."""
    return tmp_path_factory.mktemp("tracking")


@pytest.fixture(scope="module")
def client(server: Live, folder: Path) -> Iterator[Any]:
    with connected(registry_of(server), folder) as client:
        yield client


def registry_of(server: Live) -> str:
    return server.url.replace("http://", "muster://ada:secret-token@")


@pytest.fixture(scope="module")
def logged(client: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A model that was logged in a run, which says what made it, and registered in the same call."""
    import mlflow
    import pandas as pd

    code = a_model(tmp_path_factory.mktemp("model") / "echo")
    table: Any = mlflow.data.from_pandas  # type: ignore[attr-defined]  # put there when it is imported
    train = table(pd.DataFrame({"x": [1, 2, 3]}), source="s3://data/train.csv", name="train")
    test = table(pd.DataFrame({"x": [4]}), source="s3://data/test.csv", name="test")
    tags = {
        "mlflow.user": "grace",
        "mlflow.source.git.commit": "a" * 40,
        "mlflow.source.git.repoURL": "https://me:secret@example.com/models.git",
    }
    with mlflow.start_run(tags=tags):
        mlflow.log_metrics({"auc": 0.75, "loss": float("nan")})
        mlflow.log_metric("auc", 0.875, step=2)
        mlflow.log_params({"depth": 3, "kind": "tree"})
        mlflow.log_input(test, context="testing")
        mlflow.log_input(train, context="training")
        return mlflow.pyfunc.log_model(
            name="echo", python_model=str(code), registered_model_name="Echo", pip_requirements=[]
        )


def record_of(server: Live, name: str, number: int | str = 1) -> dict[str, Any]:
    record: dict[str, Any] = server.send("GET", f"/api/v1/models/{name}/versions/{number}").json()
    return record


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def files_of(record: dict[str, Any]) -> dict[str, str]:
    return {file["path"]: file["sha256"] for file in record["files"]}


def test_a_logged_model_comes_with_all_its_files(server: Live, client: Any, logged: Any) -> None:
    record = record_of(server, "Echo")
    where = client.get_logged_model(logged.model_id).artifact_location
    assert files_of(record) == digests(Path(where.removeprefix("file://")))
    assert "MLmodel" in files_of(record)
    assert record["state"] == "final"
    assert "files_status" not in record


def test_what_made_it_is_copied_from_the_run(server: Live, client: Any, logged: Any) -> None:
    record = record_of(server, "Echo")
    run = client.get_run(client.get_logged_model(logged.model_id).source_run_id)
    digest_of = {given.dataset.name: given.dataset.digest for given in run.inputs.dataset_inputs}
    assert record["metrics"] == {"auc": 0.875}  # no record holds NaN
    assert record["params"] == {"depth": "3", "kind": "tree"}
    assert record["training_data"] == {
        "name": "train",
        "digest": digest_of["train"],
        "uri": "s3://data/train.csv",
        "rows": 3,
        "context": "training",
        "others": [
            {
                "name": "test",
                "digest": digest_of["test"],
                "uri": "s3://data/test.csv",
                "rows": 1,
                "context": "testing",
            }
        ],
    }
    assert record["source"] == {
        "uri": f"models:/{logged.model_id}",
        "tracked_as": logged.model_id,
        "run_id": run.info.run_id,
        "user": "grace",
        "commit": "a" * 40,
        "repository": "https://example.com/models.git",
    }


def test_who_registered_it_is_who_the_address_says(server: Live, logged: Any) -> None:
    history = server.send("GET", "/api/v1/models/Echo/versions/1/history").json()["items"]
    assert {change["actor"] for change in history} == {"ada"}
    assert history[-1]["change"] == "register"
    assert "secret" not in str(history)


def test_each_registration_is_a_version_of_its_own(server: Live, client: Any, logged: Any) -> None:
    import mlflow

    run_id = client.get_logged_model(logged.model_id).source_run_id
    made = [
        mlflow.register_model(logged.model_uri, "Echo", tags={"how": "by id"}),
        mlflow.register_model(f"runs:/{run_id}/echo", "Echo"),
        mlflow.register_model(f"runs:/{run_id}/echo", "Echo"),
    ]
    assert len({version.version for version in made}) == 3
    for version in made:
        record = record_of(server, "Echo", version.version)
        assert files_of(record) == files_of(record_of(server, "Echo"))
        assert record["metrics"] == {"auc": 0.875}
        assert (version.source, version.status) == (f"models:/{logged.model_id}", "READY")
    assert made[0].tags == {"how": "by id"}
    assert made[1].run_id == run_id


@pytest.mark.parametrize("what", ["/1", "@champion", "/latest"])
def test_it_is_loaded_from_muster_also_with_plain_http_and_no_tracking_store(
    server: Live, client: Any, logged: Any, what: str, tmp_path: Path
) -> None:
    import mlflow

    client.set_registered_model_alias("Echo", "champion", 1)
    before = mlflow.get_tracking_uri()
    try:
        mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/another.db")
        for registry in (registry_of(server), server.url):
            mlflow.set_registry_uri(registry)
            assert mlflow.pyfunc.load_model(f"models:/Echo{what}").predict([1, 2]) == [1, 2]
    finally:
        mlflow.set_tracking_uri(before)
        mlflow.set_registry_uri(registry_of(server))


def test_a_folder_of_a_model_that_no_run_knows_comes_with_its_files(
    server: Live, client: Any, tmp_path: Path
) -> None:
    import mlflow

    name = fresh()
    a_model(tmp_path / "echo")
    made = mlflow.register_model(str(tmp_path / "echo"), name)
    record = record_of(server, name)
    assert files_of(record) == digests(tmp_path / "echo")
    assert made.source == record["source"]["uri"] == str(tmp_path / "echo")
    assert (record["metrics"], record["params"], record["training_data"]) == ({}, {}, None)


def test_a_copy_has_the_files_of_its_original(server: Live, client: Any, logged: Any) -> None:
    name = fresh()
    copy = client.copy_model_version("models:/Echo/1", name)
    assert copy.source == "models:/Echo/1"
    assert files_of(record_of(server, name)) == files_of(record_of(server, "Echo"))


def test_a_prompt_has_none(server: Live, client: Any) -> None:
    import mlflow

    name = fresh("prompt")
    mlflow.genai.register_prompt(name, "Say {{what}}")
    assert record_of(server, name)["kind"] == "prompt"
    assert record_of(server, name)["files"] == []


def test_what_cannot_be_read_is_not_registered_as_if_it_could(
    server: Live, client: Any, tmp_path: Path
) -> None:
    name = fresh()
    client.create_registered_model(name)
    for source in (str(tmp_path / "nowhere"), "models:/m-" + "0" * 32):
        with pytest.raises(Exception, match="not found") as raised:
            client.create_model_version(name, source)
        assert raised.value.error_code == "RESOURCE_DOES_NOT_EXIST"  # type: ignore[attr-defined]
    with pytest.raises(Exception, match="not found"):
        client.create_model_version(fresh("unknown"), str(tmp_path))
    assert client.search_model_versions(f"name = '{name}'") == []


def test_files_elsewhere_that_cannot_be_read_from_here_are_named_and_not_verified(
    server: Live, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    name = fresh()
    client.create_registered_model(name)
    gone = f"{server.url}/api/2.0/mlflow-artifacts/artifacts/nowhere"
    with caplog.at_level(logging.WARNING, "muster.client.mlflow_store"):
        client.create_model_version(name, gone.replace(str(server.port), "9"))
    assert "its files cannot be read" in caplog.text
    assert record_of(server, name)["files_status"] == "files elsewhere, not verified"


def test_a_version_whose_files_did_not_all_come_is_not_ready_and_can_be_completed(
    server: Live, client: Any, tmp_path: Path
) -> None:
    import mlflow

    from muster.client import Client

    name = fresh()
    a_model(tmp_path / "echo")
    (tmp_path / "echo/z<z").write_text("no version can hold that name")
    with pytest.raises(Exception, match="Windows") as raised:
        mlflow.register_model(str(tmp_path / "echo"), name)
    assert raised.value.error_code == "INVALID_PARAMETER_VALUE"  # type: ignore[attr-defined]
    assert client.search_model_versions(f"name = '{name}'") == []
    server.send("POST", f"/api/v1/models/{name}/versions", json={"pending": True})
    assert client.get_model_version(name, "1").status == "PENDING_REGISTRATION"
    (tmp_path / "echo/z<z").unlink()
    with Client(server.url) as muster:
        assert muster.push(str(tmp_path / "echo"), name, version="1").done == "attached"
    assert client.get_model_version(name, "1").status == "READY"


def test_mlflow_finds_the_plugin_by_its_entry_points(server: Live, folder: Path) -> None:
    program = (
        "import mlflow, sys\n"
        "from mlflow.tracking._model_registry.utils import _get_store\n"
        "for scheme in ('muster', 'muster+http', 'muster+https'):\n"
        "    store = _get_store(f'{scheme}://me:token@host:1/at')\n"
        "    print(type(store).__name__, store.get_host_creds().host)\n"
    )
    with surrounded(registry_of(server), folder) as environment:
        said = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
    assert "Failure" not in said.stderr
    assert said.stdout.splitlines() == [
        "MusterStore http://me:token@host:1/at",
        "MusterStore http://me:token@host:1/at",
        "MusterStore https://me:token@host:1/at",
    ]
