"""`muster import mlflow` more than once, beside people who work on either side; and what it refuses."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from muster.client import Client
from muster.domain.errors import Invalid, MusterError, Unavailable
from tests.imports import brought, log, record
from tests.live import Live, live
from tests.mlflow_clients import QUIET, connected
from tests.terminal import BIN, Terminal, free_port, until

pytestmark = pytest.mark.filterwarnings("ignore::Warning")  # MLflow's own


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A database that MLflow has made, with nothing in it."""
    folder = tmp_path_factory.mktemp("mlflow")
    with connected(f"sqlite:///{folder}/tracking.db", folder) as client:
        client.search_registered_models()
        yield folder / "tracking.db"


@dataclass(frozen=True)
class There:
    """A registry of MLflow's in a database of its own, and a client for it."""

    uri: str
    client: Any
    file: Path


@pytest.fixture
def there(empty: Path, tmp_path: Path) -> There:
    """Iris with versions 1 and 2; the second in production, and the champion."""
    from mlflow import MlflowClient

    file = tmp_path / "mlflow.db"
    shutil.copy(empty, file)
    uri = f"sqlite:///{file}"
    client = MlflowClient(uri, uri)
    client.create_registered_model("iris", {"team": "a", "old": "1"}, "Flowers")
    for number in (1, 2):
        client.create_model_version("iris", f"s3://bucket/{number}", tags={"n": str(number)}, description="d")
    client.transition_model_version_stage("iris", "2", "Production")
    client.set_registered_model_alias("iris", "champion", "2")
    return There(uri, client, file)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Live]:
    with live(tmp_path / "home") as running:
        yield running


@pytest.fixture
def ours(server: Live) -> Iterator[Client]:
    with Client(server.url, "ada") as client:
        yield client


def muster(folder: Path, *command: str, exit_code: int = 0) -> dict[str, Any]:
    """What the command says as JSON."""
    said = Terminal(folder).run("muster", *command, "--json", exit_code=exit_code, **QUIET)
    found: dict[str, Any] = json.loads(said[said.index("{") :])
    return found


# ------------------------------------------------------------ again


def test_what_changed_there_since_is_taken_over(there: There, server: Live, ours: Client) -> None:
    from muster.client.mlflow_registry import MLflowRegistry
    from muster.client.moving import Import

    following = Import(ours, MLflowRegistry(there.uri))
    following.run()
    before = len(log(server))
    assert not following.run().says_something
    assert len(log(server)) == before

    there.client.create_model_version("iris", "s3://bucket/3")
    there.client.set_registered_model_alias("iris", "champion", "3")
    there.client.set_registered_model_alias("iris", "old", "1")
    there.client.set_registered_model_tag("iris", "team", "b")
    there.client.delete_registered_model_tag("iris", "old")
    there.client.update_registered_model("iris", "More flowers")
    there.client.set_model_version_tag("iris", "1", "checked", "")
    there.client.delete_model_version_tag("iris", "1", "n")
    there.client.update_model_version("iris", "1", "")
    there.client.transition_model_version_stage("iris", "2", "Archived")

    report = following.run().view()
    assert (report["brought"]["versions"], report["brought"]["aliases"]) == (1, 2)
    model = ours.model("iris")
    assert (model["description"], model["tags"]) == ("More flowers", {"team": "b"})
    assert model["aliases"] == {"champion": 3, "old": 1}
    first = record(server, "iris", 1)
    assert (first["description"], first["tags"]) == ("", {"checked": ""})
    assert record(server, "iris", 2)["deployment_status"] == "archived"
    assert {change.get("imported") for change in log(server, model="iris")} == {True}
    assert server.home.registry.index.head() == log(server)[-1]["commit"]
    there.client.delete_registered_model_alias("iris", "old")
    following.run()
    assert ours.model("iris")["aliases"] == {"champion": 3}
    assert not brought(server, there.uri)["refused"]


def test_times_are_those_there_until_somebody_changes_it_here(
    there: There, server: Live, ours: Client
) -> None:
    brought(server, there.uri)
    there.client.update_model_version("iris", "1", "said anew")
    brought(server, there.uri)
    theirs = there.client.get_model_version("iris", "1")
    first = record(server, "iris", 1)
    assert first["last_updated"].startswith(_rfc3339(theirs.last_updated_timestamp))
    assert first["created_at"].startswith(_rfc3339(theirs.creation_timestamp))
    ours.update_version("iris/1", {"owner": "ada"})
    changed = record(server, "iris", 1)
    assert changed["last_updated"] == log(server, number=1, model="iris")[-1]["time"]
    assert changed["created_at"] == first["created_at"]


def _rfc3339(milliseconds: int) -> str:
    from muster.client.mlflow_registry import _time

    return _time(milliseconds)[:23]


def test_what_somebody_changed_here_is_kept_and_reported(there: There, server: Live, ours: Client) -> None:
    brought(server, there.uri)
    ours.update_version("iris/1", {"tags": {"n": "mine", "extra": "x"}, "owner": "ada"})
    ours.update_model("iris", {"tags": {"team": None}})
    ours.set_alias("iris", "champion", "1")
    ours.deploy("iris/2")  # recorded only; the stage here is then Muster's own
    there.client.transition_model_version_stage("iris", "2", "Staging")
    there.client.update_model_version("iris", "1", "said anew")

    report = brought(server, there.uri)
    assert sorted((each["what"], each["field"], each["here"]) for each in report["kept_as_here"]) == [
        ("iris", "aliases.champion", 1),
        ("iris", "tags.team", None),
        ("iris/1", "tags.n", "mine"),
        ("iris/2", "stage", "production"),
    ]
    assert report["brought"]["changed fields"] == 1
    first = record(server, "iris", 1)
    assert (first["description"], first["tags"]) == ("said anew", {"n": "mine", "extra": "x"})
    assert (ours.model("iris")["aliases"], ours.model("iris")["tags"]) == ({"champion": 1}, {"old": "1"})
    assert record(server, "iris", 2)["deployed_in"] == ["production"]


def test_nothing_is_mixed_into_a_model_that_was_made_here(there: There, server: Live, ours: Client) -> None:
    server.register("iris", "v1")
    there.client.create_registered_model("rose")
    before = len(log(server, model="iris"))
    report = brought(server, there.uri)
    assert [each["what"] for each in report["kept_as_here"]] == ["iris"]
    assert len(log(server, model="iris")) == before
    assert ours.model("rose")["imported"] is True
    there.client.delete_registered_model("rose")
    there.client.create_registered_model("rose", description="anew")
    kept = {each["what"]: each["why"] for each in brought(server, there.uri)["kept_as_here"]}
    assert "another model of that name was imported" in kept["rose"]
    assert ours.model("rose")["description"] == ""


def test_what_was_deleted_here_stays_deleted_and_another_version_of_a_number_stays(
    there: There, server: Live, ours: Client
) -> None:
    brought(server, there.uri)
    ours.delete_version("iris/1")
    server.register("iris", "3")
    there.client.create_model_version("iris", "s3://bucket/other")
    report = brought(server, there.uri)
    assert [each["what"] for each in report["kept_as_here"]] == ["iris/3"]
    assert [each["what"] for each in report["refused"]] == ["iris/1"]
    assert record(server, "iris", 3)["training_data"] == "t"
    ours.remove_alias("iris", "champion")
    ours.delete_model("iris")
    assert [each["what"] for each in brought(server, there.uri)["kept_as_here"]] == ["iris"]
    assert ours.models() == []


def test_what_went_there_stays_here_and_is_reported(there: There, server: Live) -> None:
    brought(server, there.uri)
    there.client.delete_model_version("iris", "1")
    there.client.create_model_version("iris", "s3://bucket/3")
    assert brought(server, there.uri)["gone_there"] == ["iris/1"]
    assert record(server, "iris", 1)["state"] == "final"


def test_a_name_or_a_text_that_muster_refuses_holds_up_nothing_else(there: There, server: Live) -> None:
    there.client.create_registered_model(" padded")
    there.client.create_model_version(" padded", "s3://bucket/x")
    there.client.create_model_version("iris", "s3://bucket/3", description="x" * 70_000)
    there.client.create_model_version("iris", "s3://bucket/4", tags={"text": "x" * 100_000})
    there.client.set_registered_model_alias("iris", "long", "3")
    report = brought(server, there.uri)
    refused = {each["what"]: each["why"] for each in report["refused"]}
    assert set(refused) == {" padded", "iris/3", "iris@long"}
    assert "white space" in refused[" padded"]
    assert "at most 65,536" in refused["iris/3"]
    assert len(record(server, "iris", 4)["tags"]["text"]) == 100_000
    there.client.update_model_version("iris", "3", "short")
    assert [each["what"] for each in brought(server, there.uri)["refused"]] == [" padded"]
    assert record(server, "iris", 3)["description"] == "short"


def test_files_out_of_reach_are_reported_and_the_version_is_there(there: There, server: Live) -> None:
    report = brought(server, there.uri, files=True)
    assert {each["what"] for each in report["files_out_of_reach"]} == {"iris/1", "iris/2"}
    assert report["refused"] == []
    assert record(server, "iris", 1)["files_status"] == "files elsewhere, not verified"


def test_a_dry_run_says_what_would_come_and_writes_nothing(there: There, server: Live) -> None:
    there.client.create_registered_model(" padded")
    report = brought(server, there.uri, dry_run=True)
    assert (report["brought"]["versions"], report["brought"]["aliases"]) == (2, 1)
    assert [each["what"] for each in report["refused"]] == [" padded"]
    brought(server, there.uri)
    there.client.set_registered_model_alias("iris", "champion", "1")
    before = len(log(server))
    assert brought(server, there.uri, dry_run=True)["brought"]["aliases"] == 1
    assert len(log(server)) == before


# ------------------------------------------------------------ the command


def test_an_import_that_is_killed_goes_on_and_brings_nothing_twice(
    there: There, server: Live, tmp_path: Path
) -> None:
    for name in range(10):
        there.client.create_registered_model(f"model {name}")
        for number in range(20):
            there.client.create_model_version(f"model {name}", f"s3://bucket/{name}/{number}")
    command = [str(BIN / "muster"), "import", "mlflow", there.uri, "--server", server.url]
    with subprocess.Popen(command, cwd=tmp_path, env=Terminal(tmp_path).environment(**QUIET)) as killed:
        until(lambda: len(log(server)) > 30, "some of it is here")
        killed.kill()
    report = muster(tmp_path, "import", "mlflow", there.uri, "--server", server.url)
    assert report["brought"]["versions"] + report["there_already"]["versions"] == 202
    registered = [(each["model"], each["number"]) for each in log(server, kinds=["register"])]
    assert len(registered) == len(set(registered)) == 202
    assert {number for model, number in registered if model == "model 7"} == set(range(1, 21))


def test_it_follows_until_it_is_told_to_end(there: There, tmp_path: Path) -> None:
    command = [str(BIN / "muster"), "import", "mlflow", there.uri, "--follow", "--interval", "1", "--json"]
    following = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=Terminal(tmp_path).environment(**QUIET),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert following.stdout is not None
    with following:
        assert json.loads(following.stdout.readline())["brought"]["versions"] == 2
        there.client.set_registered_model_alias("iris", "next", "1")
        assert json.loads(following.stdout.readline())["brought"]["aliases"] == 1
        following.send_signal(signal.SIGINT)
        assert following.wait(60) == 0
    assert muster(tmp_path, "log", "iris/1")["before"]["recorded"] is False
    told = Terminal(tmp_path).run("muster", "log", "iris/1")
    assert "not recorded" in told
    assert "Git, index and files agree" in Terminal(tmp_path).run("muster", "verify")


def test_what_was_not_brought_is_said_and_makes_the_exit_code_4(
    there: There, server: Live, tmp_path: Path
) -> None:
    server.register("iris", "v1")
    said = Terminal(tmp_path).run(
        "muster", "import", "mlflow", there.uri, "--server", server.url, exit_code=4, **QUIET
    )
    assert "iris: a model of that name was made here" in said


def test_without_mlflow_it_says_which_extra_brings_it(there: There, tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['mlflow'] = None; sys.argv = ['muster', 'import', 'mlflow', sys.argv[1]]\n"
        "from muster.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, there.uri], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 7, done.stderr
    assert "pip install 'muster-registry[mlflow]'" in done.stderr
    assert not (tmp_path / "registry").exists()


# ------------------------------------------------------------ what is no registry


def refused(uri: str) -> MusterError:
    from muster.client.mlflow_registry import MLflowRegistry

    with pytest.raises(MusterError) as raised:
        MLflowRegistry(uri).models()
    return raised.value


def test_a_server_that_does_not_answer_is_named() -> None:
    port = free_port()
    error = refused(f"http://me:secret@127.0.0.1:{port}")
    assert isinstance(error, Unavailable)
    assert f"http://127.0.0.1:{port}" in error.message
    assert "secret" not in error.message
    error = refused(f"postgresql://me:secret@127.0.0.1:{port}/mlflow")
    assert isinstance(error, Unavailable)
    assert "secret" not in error.message


def test_a_server_that_is_no_mlflow_is_said_to_be_none() -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Other)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        error = refused(f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert isinstance(error, Unavailable)
    assert "does not answer as a registry of MLflow" in error.message


@pytest.mark.parametrize("uri", ["nowhere", "mlruns", "s3://bucket/mlflow", "sqlite://", "http://"])
def test_an_address_that_can_be_none_is_refused(uri: str) -> None:
    assert isinstance(refused(uri), (Invalid, Unavailable))


def test_a_database_that_is_not_there_or_not_mlflows_is_refused_and_left_as_it_is(
    there: There, tmp_path: Path
) -> None:
    assert isinstance(refused(f"sqlite:///{tmp_path}/nowhere.db"), Invalid)
    assert not (tmp_path / "nowhere.db").exists()
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (a)")
    connection.close()
    content = other.read_bytes()
    assert "holds a registry of MLflow's" in refused(f"sqlite:///{other}").message
    assert other.read_bytes() == content
    with sqlite3.connect(there.file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0a8213491aaa'")
    connection.close()
    content = there.file.read_bytes()
    assert "import from its server instead" in refused(there.uri).message
    assert there.file.read_bytes() == content
