"""`muster push`: the files of models that MLflow registered here by their address alone, or that are new."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from muster.client import Client
from muster.domain.errors import Conflict, ContentDiffers, Invalid, NotFound
from tests.live import Live, fresh, live
from tests.mlflow_clients import a_model, connected
from tests.terminal import Terminal

pytestmark = pytest.mark.filterwarnings("ignore::Warning")  # MLflow's own

Log = Callable[..., Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("push") / "home") as running:
        yield running


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tracking store is."""
    return tmp_path_factory.mktemp("tracking")


@pytest.fixture(scope="module")
def mlflow_client(server: Live, tracked: Path) -> Iterator[Any]:
    """MLflow as it comes, with the plain address of the registry."""
    with connected(server.url, tracked) as client:
        yield client


@pytest.fixture
def client(server: Live) -> Iterator[Client]:
    with Client(server.url, "ada") as client:
        yield client


@pytest.fixture
def log(mlflow_client: Any, tmp_path: Path) -> Log:
    """Logs a model in a run of its own, and registers it if a name is given."""
    import mlflow

    code = a_model(tmp_path / "echo")

    def logged(name: str | None = None) -> Any:
        with mlflow.start_run(tags={"mlflow.user": "grace"}):
            mlflow.log_metric("auc", 0.9)
            mlflow.log_param("depth", 3)
            return mlflow.pyfunc.log_model(
                name="echo", python_model=str(code), registered_model_name=name, pip_requirements=[]
            )

    return logged


def uri_of(tracked: Path) -> str:
    return f"sqlite:///{tracked}/tracking.db"


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def files_of(record: dict[str, Any]) -> dict[str, str]:
    return {file["path"]: file["sha256"] for file in record["files"]}


# ------------------------------------------------------------ versions that are there


@pytest.mark.parametrize("how", ["by id", "by run", "as a version", "by alias", "as a folder"])
def test_a_version_that_mlflow_registered_gets_its_files_and_what_made_it(
    client: Client, mlflow_client: Any, log: Log, how: str
) -> None:
    import mlflow

    name = fresh()
    logged = log(name)
    mlflow_client.set_registered_model_alias(name, "champion", 1)
    model = mlflow_client.get_logged_model(logged.model_id)
    folder = Path(model.artifact_location.removeprefix("file://"))
    before = client.version(f"{name}/1")
    assert before["files_status"] == "files elsewhere, not verified"
    pushed = client.push(
        {
            "by id": logged.model_uri,
            "by run": f"runs:/{model.source_run_id}/echo",
            "as a version": f"models:/{name}/1",
            "by alias": f"models:/{name}@champion",
            "as a folder": str(folder),
        }[how],
        reason="Bring it home",
    )
    assert (pushed.done, pushed.what_made_it) == ("attached", True)
    record = client.version(f"{name}/1")
    assert files_of(record) == digests(folder)
    assert "MLmodel" in files_of(record)
    assert (record["state"], "files_status" in record) == ("final", False)
    assert record["metrics"] == {"auc": 0.9}
    assert record["params"] == {"depth": "3"}
    assert record["source"]["uri"] == before["source"]["uri"] == logged.model_uri
    assert (record["source"]["run_id"], record["source"]["user"]) == (model.source_run_id, "grace")
    newest, *_ = client.changes(model=name)
    assert (newest["change"], newest["reason"], newest["actor"]) == ("finalize", "Bring it home", "ada")
    shutil.rmtree(folder)  # it is loaded from here
    assert mlflow.pyfunc.load_model(f"models:/{name}@champion").predict([1]) == [1]


def test_pushing_again_changes_nothing(client: Client, log: Log) -> None:
    logged = log(name := fresh())
    assert client.push(logged.model_uri).done == "attached"
    head = client.changes(limit=1)[0]["commit"]
    for again in (client.push(logged.model_uri), client.push(logged.model_uri, name, version="1")):
        assert (again.done, again.record["number"]) == ("there already", 1)
    assert client.push(logged.model_uri, dry_run=True).record["nothing"]
    assert client.changes(limit=1)[0]["commit"] == head


def test_of_several_versions_one_must_be_named(client: Client, log: Log) -> None:
    import mlflow

    logged = log(name := fresh())
    mlflow.register_model(logged.model_uri, name)
    with pytest.raises(Conflict, match=f"{name}/2, {name}/1 were all registered from models:/m-"):
        client.push(logged.model_uri)
    assert client.push(logged.model_uri, name, version="2").record["number"] == 2
    assert client.push(logged.model_uri, version=f"{name}/1").record["number"] == 1


def test_other_files_are_refused(client: Client, log: Log, tmp_path: Path) -> None:
    logged = log(name := fresh())
    client.push(logged.model_uri)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/x").write_text("x")
    with pytest.raises(ContentDiffers):
        client.push(str(tmp_path / "other"), name, version="1")


# ------------------------------------------------------------ new versions


def test_a_logged_model_that_nobody_registered_becomes_a_version(client: Client, log: Log) -> None:
    logged = log()
    with pytest.raises(Invalid, match="NAME: must name a model: no version was registered from models:/m-"):
        client.push(logged.model_uri)
    pushed = client.push(logged.model_uri, name := fresh(), tags={"a": "b"}, description="Echoes")
    assert (pushed.done, pushed.record["name"], pushed.record["tags"]) == ("registered", name, {"a": "b"})
    assert (pushed.record["metrics"], pushed.record["source"]["uri"]) == ({"auc": 0.9}, logged.model_uri)
    assert client.push(logged.model_uri, name).done == "there already"
    assert client.push(logged.model_uri).record["number"] == 1


def test_a_folder_of_no_run_is_registered_with_what_is_known(client: Client, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/weights").write_bytes(b"1")
    pushed = client.push(str(tmp_path / "model"), name := fresh())
    assert (pushed.done, pushed.what_made_it) == ("registered", False)
    assert pushed.record["source"]["uri"] == str(tmp_path / "model")
    assert pushed.record["metrics"] == {}
    assert client.push(str(tmp_path / "model"), name).done == "there already"
    (tmp_path / "model/weights").write_bytes(b"2")
    assert client.push(str(tmp_path / "model"), name).record["number"] == 2


def test_a_version_of_another_registry_comes_from_there(
    client: Client, mlflow_client: Any, tracked: Path, tmp_path: Path
) -> None:
    import mlflow
    from mlflow import MlflowClient

    name = fresh()
    a_model(tmp_path / "echo")
    elsewhere = MlflowClient(uri_of(tracked), uri_of(tracked))
    with mlflow.start_run() as run:
        mlflow.log_metric("auc", 0.5)
        logged = mlflow.pyfunc.log_model(
            name="echo", python_model=str(tmp_path / "echo.py"), pip_requirements=[]
        )
    elsewhere.create_registered_model(name)
    elsewhere.create_model_version(name, logged.model_uri, run.info.run_id, model_id=logged.model_id)
    elsewhere.set_registered_model_alias(name, "champion", "1")
    pushed = client.push(f"models:/{name}@champion", name, tracking_uri=uri_of(tracked))
    assert (pushed.done, pushed.record["metrics"]) == ("registered", {"auc": 0.5})
    assert "MLmodel" in files_of(pushed.record)


def test_what_is_nowhere_is_not_pushed(client: Client, mlflow_client: Any, tmp_path: Path) -> None:
    for nowhere, error in (
        (str(tmp_path / "nothing"), Invalid),
        (f"models:/m-{'0' * 32}", NotFound),
        (f"runs:/{'0' * 32}/model", NotFound),
        ("models:/nobody/1", NotFound),
    ):
        with pytest.raises(error):
            client.push(nowhere, fresh())
    with pytest.raises(NotFound):
        client.push(str(tmp_path), version="nobody/1")


# ------------------------------------------------------------ the command


def test_the_command_says_what_it_does(server: Live, log: Log, tracked: Path, tmp_path: Path) -> None:
    logged = log(name := fresh())
    said_where = ("--server", server.url, "--tracking-uri", uri_of(tracked))

    def push(*options: str) -> str:
        command = ("muster", "push", logged.model_uri, *said_where, *options)
        return Terminal(tmp_path).run(*command, MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true")

    planned = push("--dry-run")
    assert f"Would: Attach 5 files to {name} 1" in planned
    assert "Nothing was written" in planned
    assert server.send("GET", f"/api/v1/models/{name}/versions/1").json()["files"] == []
    said = push("--reason", "Bring it home")
    assert f"Attached 5 files to {name}/1 ({name}@1)." in said
    assert f"Next: muster deploy {name}/1" in said
    again = json.loads(push("--json"))
    assert (again["done"], len(again["files"])) == ("there already", 5)


def test_without_mlflow_only_folders_are_pushed(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/MLmodel").write_text(f"run_id: {'a' * 32}\nmodel_id: m-{'b' * 32}\n")
    without = "import sys; sys.modules['mlflow'] = None; from muster.cli import main; main()"
    push = ("python", "-c", without, "push")
    said = Terminal(tmp_path).run(*push, f"models:/m-{'b' * 32}", "digits", exit_code=7)
    assert "pip install 'muster-registry[mlflow]'" in said
    record = json.loads(Terminal(tmp_path).run(*push, "model", "digits", "--json"))
    assert record["source"] == {
        "uri": f"models:/m-{'b' * 32}",
        "run_id": "a" * 32,
        "tracked_as": f"m-{'b' * 32}",
    }


def test_the_command_works_on_a_home_without_a_server(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/weights").write_bytes(b"1")
    terminal = Terminal(tmp_path)
    said = terminal.run("muster", "push", "model", "digits")
    assert "Registered digits/1 (digits@1), 1 file." in said
    assert "not recorded" in said
    again = terminal.run("muster", "push", "model", "digits")
    assert "digits/1 (digits@1) has the same files already." in again
    assert "Error: " in terminal.run("muster", "push", "nothing", "digits", exit_code=2)
