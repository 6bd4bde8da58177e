"""`muster import mlflow`: a registry of MLflow's, brought from a real server of its, or from its database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from muster.domain.errors import Invalid
from tests.imports import brought, log, milliseconds, record
from tests.live import Live, live
from tests.mlflow_clients import connected
from tests.mlflow_servers import Past, a_past, serving
from tests.postgresql import cluster

pytestmark = pytest.mark.filterwarnings("ignore::Warning")  # MLflow's own


@dataclass(frozen=True)
class There:
    """An MLflow with a registry in it."""

    url: str
    database: str
    past: Past
    client: Any


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))]
)
def there(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    folder = tmp_path_factory.mktemp("mlflow")
    if request.param == "sqlite":
        yield from _there(folder, f"sqlite:///{folder}/mlflow.db")
    else:
        with cluster("mlflow") as address:
            yield from _there(folder, f"{address}/mlflow")


def _there(folder: Path, database: str) -> Iterator[There]:
    # MLflow would look for the driver that is usual for its release of SQLAlchemy.
    with_driver = database.replace("postgresql:", "postgresql+psycopg2:")
    with serving(folder, with_driver) as url, connected(url, folder, MLFLOW_TRACKING_URI=url) as client:
        yield There(url, database, a_past(client, folder), client)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Live]:
    with live(tmp_path / "home") as running:
        yield running


def test_everything_comes_with_its_number_and_its_time_as_commits_of_an_import(
    there: There, server: Live
) -> None:
    report = brought(server, there.url, files=True)
    assert report["kept_as_here"] == report["refused"] == report["gone_there"] == []
    assert report["brought"]["models"] == 4
    assert (report["brought"]["versions"], report["brought"]["prompt versions"]) == (3, 1)
    assert report["brought"]["aliases"] == 2
    assert report["source"] == there.url

    model = server.send("GET", "/api/v1/models/Echo").json()
    theirs = there.client.get_registered_model("Echo")
    assert (model["description"], model["tags"]) == ("Says it again", {"team": "sound"})
    assert model["aliases"] == {"champion": 3, "production": 1}
    assert model["imported"] is True
    assert milliseconds(model["created_at"]) == theirs.creation_timestamp
    assert server.send("GET", "/api/v1/models/nothing%20yet").json()["tags"] == {"a.b/c": "ü\n"}

    versions = server.send("GET", "/api/v1/models/Echo/versions").json()["items"]
    assert [each["number"] for each in versions] == [1, 3]
    for ours in versions:
        version = there.client.get_model_version("Echo", str(ours["number"]))
        assert (ours["imported"], ours["imported_from"]) == (True, there.url)
        assert milliseconds(ours["created_at"]) == version.creation_timestamp
        assert milliseconds(ours["last_updated"]) == version.last_updated_timestamp
        assert ours["source"]["uri"] == version.source
        assert {file["path"] for file in ours["files"]} >= there.past.files
    first, third = versions
    assert (first["metrics"], first["params"], first["source"]["user"]) == (
        {"auc": 0.875},
        {"depth": "3"},
        "grace",
    )
    assert (third["description"], third["tags"]) == ("Take 3", {"validated": ""})
    assert (third["deployment_status"], third["deployed_in"]) == ("production", [])
    assert server.send("GET", "/api/v1/deployments").json()["items"] == []
    assert record(server, "Echo copied", 1)["bases"] == [{"ref": "Echo/3"}]

    prompt = record(server, "greeting", 1)
    assert (prompt["kind"], prompt["description"], prompt["files"]) == ("prompt", "First words", [])
    assert prompt["tags"]["mlflow.prompt.text"] == "Say {{what}}"

    changes = [change for change in log(server) if change["change"] != "init"]
    assert {(change["actor"], change["verified"], change.get("imported")) for change in changes} == {
        ("mover", False, True)
    }
    # The reason for a file is that of its version, said before and after.
    said = {change["reason"] for change in changes if change["change"] != "attach"}
    assert said == {f"Imported from MLflow at {there.url}"}
    history = server.send("GET", "/api/v1/models/Echo/versions/3/history").json()
    assert history["before"] == {
        "recorded": False,
        "created_at": third["created_at"],
        "imported_from": there.url,
        "message": "What happened before the import is not recorded",
    }
    # The next number is the one after the last there.
    assert server.register("Echo", "after") == "Echo_after"
    assert record(server, "Echo", 4)["number"] == 4

    again = brought(server, there.url, files=True)
    assert set(again["brought"].values()) == {0}
    assert again["there_already"] == {"models": 4, "versions": 4}
    assert len(log(server)) == len(changes) + 2  # the first, and the registration


@pytest.mark.needs("postgresql")
def test_a_postgresql_without_a_registry_is_refused_and_gets_none() -> None:
    from muster.client.mlflow_registry import MLflowRegistry

    with cluster("other") as address:
        for _ in range(2):  # the first must not have made one
            with pytest.raises(Invalid, match="holds a registry of MLflow's") as raised:
                MLflowRegistry(f"{address}/other")
            assert "secret-word" not in raised.value.message


def test_a_database_gives_the_same_without_a_server(there: There, server: Live) -> None:
    report = brought(server, there.database)
    assert (report["brought"]["models"], report["brought"]["versions"], report["refused"]) == (4, 3, [])
    assert "secret-word" not in json.dumps([report, log(server)])
    lacking = {each["what"]: each["versions"] for each in report["not_recorded"]}
    assert lacking == {
        "why it was registered": 4,
        "what happened to it before": 4,
        "who made it": 1,
        "what made it": 0,
        "its files": 3,
        "the digests of its files": 3,
    }
    assert record(server, "Echo", 1)["files_status"] == "files elsewhere, not verified"
    later = brought(server, there.url, files=True)
    assert later["brought"]["files"] >= 3 * len(there.past.files)
    assert later["brought"]["versions"] == 0
    assert {file["path"] for file in record(server, "Echo", 3)["files"]} >= there.past.files
