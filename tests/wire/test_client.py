"""The Python client against a live server: the same methods, the same errors, safe repeats."""

import hashlib
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

import pytest

from muster import Client, errors
from muster.client import dataset, work_tree
from muster.client.source import public_address
from tests.repositories import git
from tests.serving import iris_onnx
from tests.terminal import Terminal


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Terminal(tmp_path_factory.mktemp("client")).serve() as running:
        yield running.url


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url, "ada") as client:
        yield client


@pytest.fixture
def model() -> str:
    """A name that no other test has."""
    return f"model-{uuid4().hex[:8]}"


# ------------------------------------------------------------ as ModelRegistry


def test_the_methods_of_the_registry_work_over_http(client: Client, model: str) -> None:
    first = client.register_model(model, "v1", "First", "reviews")
    second = client.register_model(model, "v2", "Second", {"name": "reviews", "rows": 3}, reason="more data")
    assert [first, second] == [f"{model}_v1", f"{model}_v2"]
    assert client.list_models()[-2:] == [first, second]
    client.deploy(first, reason="release")
    assert client.deploy(second, reason="better")["deployment_status"] == "production"
    back = client.rollback(second, reason="slower")
    assert (back["model_id"], back["deployment_status"]) == (second, "staging")
    found = client.get_model(first)
    assert found is not None
    assert found["deployed_in"] == ["production"]
    history = client.history(second)
    assert [change["change"] for change in history] == ["rollback", "deploy", "register"]
    assert {change["actor"] for change in history} == {"ada"}
    then = [item["model_id"] for item in client.at(history[1]["commit"]) if item["model"] == model]
    assert then == [second]


def test_what_is_not_there_is_none_or_not_found(client: Client) -> None:
    assert client.get_model("nobody_v1") is None
    with pytest.raises(errors.NotFound) as raised:
        client.version("nobody/v1")
    assert raised.value.kind == "version"
    assert any("request id" in note for note in raised.value.__notes__)


def test_a_reference_is_no_model_id(client: Client, model: str) -> None:
    client.register_model(model, "v1", "First", "reviews")
    assert client.get_model(f"{model}/v1") is None
    assert client.version(f"{model}/1")["model_id"] == f"{model}_v1"


# ------------------------------------------------------------ errors


def test_errors_are_the_servers_own_classes_with_their_facts(client: Client, model: str) -> None:
    client.register_model(model, "v1", "First", "reviews")
    with pytest.raises(errors.ContentDiffers) as differs:
        client.register_model(model, "v1", "First", "other")
    assert differs.value.fields == ("training_data",)
    with pytest.raises(errors.NotDeployedThere):
        client.rollback(f"{model}_v1")
    with pytest.raises(errors.Invalid) as invalid:
        client.register(model, "a/b", metrics={"accuracy": "high"}, source=None)  # type: ignore[dict-item]
    assert {problem.field for problem in invalid.value.problems} == {"version", "metrics.accuracy"}


def test_a_record_that_changed_meanwhile_is_stale(client: Client, model: str) -> None:
    client.create_model(model, owner="ada")
    seen = client.model(model)
    client.update_model(model, {"description": "digits"}, if_match=seen.etag)
    with pytest.raises(errors.Stale):
        client.update_model(model, {"description": "letters"}, if_match=seen.etag)
    assert client.model(model)["description"] == "digits"


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(errors.Unavailable, match="does not answer"):
        client.list_models()


# ------------------------------------------------------------ records and lists


def test_a_dry_run_shows_the_effect_and_writes_nothing(client: Client, model: str) -> None:
    preview = client.register(model, "v1", metrics={"accuracy": 0.9}, source=None, dry_run=True)
    assert preview["dry_run"] is True
    assert {"metrics.accuracy"} <= {change["field"] for change in preview["changes"]}
    assert client.models(text=model) == []


def test_lists_come_whole_from_as_many_pages_as_it_takes(client: Client, model: str) -> None:
    for number in range(5):
        client.register(model, f"v{number}", metrics={"accuracy": number / 10}, source=None)
    found = client.versions(model, order="-metric:accuracy")
    assert [item["version"] for item in found] == ["v4", "v3", "v2", "v1", "v0"]
    some = client.versions(model, order="number", limit=2)
    assert ([item["number"] for item in some], some.total) == ([1, 2], 5)
    every = list(client.every_change(model=model))
    assert len(every) == 5
    change = client.change(every[0]["commit"])
    assert change["diff"]


def test_aliases_stages_and_environments_can_be_made_and_removed(client: Client, model: str) -> None:
    client.register(model, "v1", source=None)
    client.set_alias(model, "champion", "v1", reason="best")
    assert client.version(f"{model}@champion")["version"] == "v1"
    assert [item["alias"] for item in client.aliases(model)] == ["champion"]
    client.remove_alias(model, "champion")
    assert client.aliases(model) == []
    assert client.set_stage(f"{model}/v1", "archived")["deployment_status"] == "archived"
    assert client.update_version(f"{model}/v1", {"tags": {"team": "vision"}})["tags"] == {"team": "vision"}
    place = f"e{uuid4().hex[:8]}"
    client.create_environment(place, {"target": "external", "rank": 5})
    assert client.update_environment(place, {"description": "elsewhere"})["target"] == "external"
    client.deploy(f"{model}/v1", place)
    wanted = client.desired(place, model)
    assert wanted is not None
    assert client.desired(place, model, etag=wanted.etag) is None
    assert client.report(place, model, version="v1", instance="a")["standing"] == "in sync"
    assert client.deployment(place, model)["status"]["standing"] == "in sync"
    client.undeploy(model, place)
    assert [each["status"]["standing"] for each in client.deployments(environment=place)] == ["undeclared"]
    assert client.report(place, model, stopped=True, instance="a")["standing"] == "none"
    assert client.deployments(environment=place) == []
    client.delete_environment(place)
    client.delete_model(model)
    with pytest.raises(errors.NotFound):
        client.model(model)


# ------------------------------------------------------------ files


def test_a_folder_is_registered_uploaded_and_finalized_in_one_call(
    client: Client, model: str, tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "model.onnx").write_bytes(iris_onnx())
    (tmp_path / "sub" / "labels with ü.txt").write_text("setosa\n")
    seen: list[tuple[str, int, int]] = []
    record = client.register(
        model, "v1", files=tmp_path, source=None, progress=lambda *moved: seen.append(moved)
    )
    assert record["state"] == "final"
    assert [file["path"] for file in record["files"]] == ["model.onnx", "sub/labels with ü.txt"]
    assert record["signature"]["inputs"]
    assert ("sub/labels with ü.txt", 7, 7) in seen
    assert client.deploy(f"{model}/v1")["deployed_in"] == ["production"]
    answer = client.predict(model, {"inputs": [[5.1, 3.5, 1.4, 0.2]]})
    assert answer


def test_the_same_registration_again_is_the_same_version(client: Client, model: str) -> None:
    files = {"weights.bin": b"1" * 5_000_000, "card.txt": b"text"}
    first = client.register(model, files=files, source=None, reason="nightly")
    again = client.register(model, files=files, source=None, reason="nightly")
    assert (again["number"], again["state"]) == (1, "final")
    assert len(client.history(first["model_id"])) == len(client.history(again["model_id"]))
    other = client.register(model, files={"weights.bin": b"2"}, source=None, reason="nightly")
    assert other["number"] == 2


def test_a_registration_that_broke_off_goes_on_from_where_it_was(client: Client, model: str) -> None:
    def broken(path: str, sent: int, size: int) -> None:
        if path == "b":
            raise KeyboardInterrupt

    files = {"a": b"first", "b": b"second"}
    with pytest.raises(KeyboardInterrupt):
        client.register(model, "v1", files=files, source=None, progress=broken)
    assert client.version(f"{model}/v1")["state"] == "pending"
    client.upload(f"{model}/v1", "left over", b"from another attempt")
    record = client.register(model, "v1", files=files, source=None)
    assert record["state"] == "final"
    assert [file["path"] for file in record["files"]] == ["a", "b"]
    kinds = [change["change"] for change in client.history(f"{model}_v1")]
    assert kinds.count("attach") == 3


def test_other_files_for_a_final_version_are_refused(client: Client, model: str) -> None:
    client.register(model, "v1", files={"a": b"1"}, source=None)
    with pytest.raises(errors.ContentDiffers) as differs:
        client.register(model, "v1", files={"a": b"2"}, source=None)
    assert differs.value.fields == ("files",)


@pytest.mark.parametrize("path", ["../a", ".git/config", "a//b", "nul"])
def test_a_path_that_no_version_may_hold_is_refused_before_anything_is_sent(
    client: Client, model: str, path: str
) -> None:
    with pytest.raises(errors.Invalid):
        client.register(model, "v1", files={path: b""}, source=None)
    assert client.models(text=model) == []


def test_an_empty_folder_is_no_set_of_files(client: Client, model: str, tmp_path: Path) -> None:
    with pytest.raises(errors.Invalid, match="at least one file"):
        client.register(model, "v1", files=tmp_path, source=None)


def test_a_download_goes_on_and_is_checked(client: Client, model: str, tmp_path: Path) -> None:
    content = bytes(range(256)) * 20_000
    client.register(model, "v1", files={"data/weights.bin": content}, source=None)
    sha256 = hashlib.sha256(content).hexdigest()
    part = tmp_path / f"weights.bin.{sha256[:16]}.part"
    part.write_bytes(content[:1_000_000])
    seen: list[int] = []
    got = client.download(
        f"{model}/v1", "data/weights.bin", tmp_path, progress=lambda _, done, __: seen.append(done)
    )
    assert got.read_bytes() == content
    assert min(seen) > 1_000_000
    assert not part.exists()
    part.write_bytes(b"\0" * 10)
    got.unlink()
    with pytest.raises(errors.Unavailable, match="not what is registered"):
        client.download(f"{model}/v1", "data/weights.bin", tmp_path)
    assert not part.exists()
    assert client.download(f"{model}/v1", "data/weights.bin", tmp_path).read_bytes() == content


# ------------------------------------------------------------ repeats


class Flaky(BaseHTTPRequestHandler):
    """Closes the first connections without an answer, then answers 503, then 200."""

    keys: ClassVar[list[str | None]]
    refuse = 2

    def do_POST(self) -> None:
        self.keys.append(self.headers["Idempotency-Key"])
        self.rfile.read(int(self.headers["Content-Length"]))
        if len(self.keys) < self.refuse:
            return
        body = json.dumps(
            {"model_id": "m_1"} if len(self.keys) > self.refuse else {"detail": "full"}
        ).encode()
        self.send_response(200 if len(self.keys) > self.refuse else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def flaky() -> Iterator[tuple[str, type[Flaky]]]:
    class Handler(Flaky):
        keys: ClassVar[list[str | None]] = []

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", Handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_write_is_repeated_with_the_same_key(flaky: tuple[str, type[Flaky]]) -> None:
    url, handler = flaky
    with Client(url) as client:
        assert client.register_model("m", "1", "", "d") == "m_1"
    assert len(handler.keys) == 3
    assert len(set(handler.keys)) == 1
    assert handler.keys[0]


def test_a_write_that_nobody_answers_may_have_happened(flaky: tuple[str, type[Flaky]]) -> None:
    url, handler = flaky
    handler.refuse = 100
    with Client(url) as client, pytest.raises(errors.OutcomeUnknown):
        client.register_model("m", "1", "", "d")


# ------------------------------------------------------------ where it was made


def test_the_source_is_the_work_tree_without_credentials(tmp_path: Path) -> None:
    assert work_tree(tmp_path) is None
    git(tmp_path, "init", "-q")
    git(tmp_path, "config", "user.name", "t")
    git(tmp_path, "config", "user.email", "t@localhost")
    git(tmp_path, "remote", "add", "origin", "https://ada:secret@example.com/team/models.git?token=1")
    assert work_tree(tmp_path) is None
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "Begin")
    commit = git(tmp_path, "rev-parse", "HEAD").decode().strip()
    clean = {"repository": "https://example.com/team/models.git", "commit": commit, "dirty": False}
    assert work_tree(tmp_path) == clean
    (tmp_path / "train.py").write_text("")
    assert work_tree(tmp_path) == clean | {"dirty": True}


def test_a_work_trees_configuration_starts_no_program(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    hook = tmp_path / ".git" / "evil"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    for command in (["config", "core.fsmonitor", str(hook)], ["config", "user.name", "t"]):
        git(tmp_path, *command)
    git(
        tmp_path,
        "-c",
        "core.fsmonitor=false",
        "-c",
        "user.email=t@l",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "x",
    )
    subprocess.run(["rm", "-f", str(tmp_path / "ran")], check=True)
    assert work_tree(tmp_path) is not None
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("git@example.com:team/models.git", "git@example.com:team/models.git"),
        ("ssh://git:secret@example.com:22/models.git", "ssh://git@example.com:22/models.git"),
        ("https://token@example.com/m.git#f", "https://example.com/m.git"),
        ("file:///srv/m.git", None),
        ("/srv/m.git", None),
        ("../m", None),
    ],
)
def test_an_address_is_shown_without_what_opens_it(given: str, shown: str | None) -> None:
    assert public_address(given) == shown


def test_a_data_set_is_known_by_name_digest_and_rows(tmp_path: Path) -> None:
    table = tmp_path / "forms.csv"
    table.write_text('a,b\n1,"two\nlines"\n3,4\n')
    found = dataset(table)
    assert found == {"name": "forms.csv", "sha256": hashlib.sha256(table.read_bytes()).hexdigest(), "rows": 2}
    lines = tmp_path / "forms.jsonl"
    lines.write_text("{}\n\n{}\n")
    assert dataset(lines)["rows"] == 2
    assert "rows" not in dataset(Path(__file__))
    with pytest.raises(errors.Invalid):
        dataset(tmp_path / "none.csv")


# ------------------------------------------------------------ notebooks


def test_records_and_lists_show_as_tables_with_everything_escaped(client: Client, model: str) -> None:
    client.register(model, "v1", description="<script>x</script>", metrics={"auc": 0.9}, source=None)
    record, board = client.version(f"{model}/v1"), client.versions(model)
    for shown in (record._repr_html_(), board._repr_html_()):
        assert "<table>" in shown
        assert "auc: 0.9" in shown
        assert "&lt;script&gt;" in shown
        assert "<script>" not in shown
    assert json.loads(json.dumps(board))[0]["name"] == model
