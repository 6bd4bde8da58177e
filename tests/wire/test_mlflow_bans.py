"""An unmodified MLflow client meets what is banned, retracted or purged, and is told why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live import Live, fresh, live
from tests.mlflow_clients import a_model, connected

pytestmark = pytest.mark.filterwarnings("ignore::Warning")  # MLflow's own

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("bans") / "home") as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with connected(server.url, tmp_path_factory.mktemp("tracking")) as client:
        yield client


@pytest.fixture
def name(server: Live, client: Any, tmp_path: Path) -> str:
    """A registered model of which MLflow wrote the one version."""
    name, folder = fresh(), tmp_path / "echo"
    a_model(folder)
    for file in folder.rglob("*"):
        if file.is_file():
            path = f"{ARTIFACTS}/{name}/{file.relative_to(folder).as_posix()}"
            server.send("PUT", path, content=file.read_bytes())
    client.create_registered_model(name)
    client.create_model_version(name, f"mlflow-artifacts:/{name}")
    return name


def digest_of(server: Live, name: str) -> str:
    """The digest of the one file that no other model has."""
    files = server.send("GET", f"/api/v1/models/{name}/versions/1/files").json()["items"]
    return f"sha256:{next(each['sha256'] for each in files if each['path'] == 'MLmodel')}"


def refused(ask: Callable[[], object]) -> str:
    """What the client tells somebody whose request was refused; it must be refused for a rule's sake."""
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException) as told:
        ask()
    assert "PERMISSION_DENIED" in str(told.value)
    return str(told.value)


@pytest.mark.parametrize("by_file", [False, True])
def test_what_is_banned_is_neither_loaded_nor_given_an_alias_or_a_stage(
    server: Live, client: Any, name: str, by_file: bool
) -> None:
    from mlflow.artifacts import download_artifacts
    from mlflow.pyfunc import load_model

    client.set_registered_model_alias(name, "champion", "1")
    assert Path(download_artifacts(artifact_uri=f"models:/{name}/1"), "MLmodel").is_file()
    of = digest_of(server, name) if by_file else f"{name}/1"
    server.send("POST", "/api/v1/bans", json={"of": of, "reason": "it leaks"})
    asked = [
        lambda: download_artifacts(artifact_uri=f"models:/{name}/1"),
        lambda: download_artifacts(artifact_uri=f"models:/{name}@champion"),
        lambda: load_model(f"models:/{name}/1"),
        lambda: client.set_registered_model_alias(name, "challenger", "1"),
        lambda: client.transition_model_version_stage(name, "1", "Production"),
    ]
    for ask in asked:
        assert "it leaks" in refused(ask)
    assert client.get_model_version(name, "1").version == "1"
    client.set_model_version_tag(name, "1", "seen", "yes")
    client.transition_model_version_stage(name, "1", "Archived")
    server.send("DELETE", "/api/v1/bans", params={"of": of, "reason": "it did not"})
    assert load_model(f"models:/{name}@champion").predict([1, 2]) == [1, 2]


def test_a_version_is_not_made_again_of_a_file_that_is_banned(server: Live, client: Any, name: str) -> None:
    server.send("POST", "/api/v1/bans", json={"of": digest_of(server, name), "reason": "it leaks"})
    assert "it leaks" in refused(lambda: client.create_model_version(name, f"mlflow-artifacts:/{name}"))


def test_what_is_banned_is_not_copied_either(server: Live, client: Any, name: str) -> None:
    held = client.get_model_version_download_uri(name, "1")
    server.send("POST", "/api/v1/bans", json={"of": f"{name}/1", "reason": "it leaks"})
    assert "it leaks" in refused(lambda: client.copy_model_version(f"models:/{name}/1", fresh("copy")))
    assert "it leaks" in refused(lambda: client.create_model_version(name, held))


def test_a_copy_of_what_is_banned_is_flagged(server: Live, client: Any, name: str) -> None:
    copy = fresh("copy")
    client.copy_model_version(f"models:/{name}/1", copy)
    server.send("POST", "/api/v1/bans", json={"of": f"{name}/1", "reason": "it leaks"})
    (flag,) = server.send("GET", f"/api/v1/models/{copy}/versions/1").json()["flags"]
    assert (flag["flag"], flag["of"]) == ("built-on-banned", f"{name}/1")


def test_what_was_purged_is_not_there_for_a_client(server: Live, client: Any, name: str) -> None:
    from mlflow.artifacts import download_artifacts

    server.send("DELETE", f"{ARTIFACTS}/{name}")
    done = server.send("POST", f"/api/v1/models/{name}/versions/1/purge", json={"reason": "asked to"}).json()
    assert "MLmodel" in [each["path"] for each in done["removed"]]  # what others hold, too, is kept
    with pytest.raises(Exception, match=r"404|RESOURCE_DOES_NOT_EXIST"):
        download_artifacts(artifact_uri=f"models:/{name}/1")
    assert client.get_model_version(name, "1").version == "1"
