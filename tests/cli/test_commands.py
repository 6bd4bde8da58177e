"""The commands against a server: answers for people and programs, exit codes, dry runs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.serving import iris_onnx
from tests.terminal import Terminal

Run = Callable[..., str]


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A terminal in a folder whose registry a server owns; nothing but that says where it is."""
    terminal = Terminal(tmp_path_factory.mktemp("commands"))
    (terminal.folder / "out").mkdir()
    (terminal.folder / "out" / "model.onnx").write_bytes(iris_onnx())
    with terminal.serve():
        yield terminal


@pytest.fixture
def muster(terminal: Terminal) -> Run:
    def run(*words: str, exit_code: int = 0, **more: str) -> str:
        return terminal.run("muster", *words, exit_code=exit_code, **more)

    return run


@pytest.fixture
def answer(terminal: Terminal) -> Callable[..., Any]:
    """What a command answers with `--json`."""

    def run(*words: str, exit_code: int = 0) -> Any:
        return json.loads(terminal.run("muster", *words, "--json", exit_code=exit_code))

    return run


@pytest.fixture
def model() -> str:
    return f"m{uuid4().hex[:8]}"


def test_a_version_goes_from_files_to_production_and_back(muster: Run, model: str) -> None:
    registered = muster(
        "register", model, "v1", "--files", "out", "--metric", "accuracy=0.9", "--param", "depth=3",
        "--tag", "team=vision", "--description", "[bold]first[/]", "--reason", "Nightly",
    )  # fmt: skip
    assert f"Registered {model}/v1 ({model}_v1), 1 file." in registered
    assert f"Next: muster deploy {model}/v1\n" in registered
    shown = muster("show", f"{model}/v1")
    for text in ("accuracy=0.9", "depth=3", "team=vision", "[bold]first[/]", "model.onnx"):
        assert text in shown
    assert f"{model} v1 is deployed to production." in muster("deploy", f"{model}/v1", "-m", "First")
    status = muster("status", model)
    for text in ("production", "v1", "First", "ready"):
        assert text in status
    assert [line.split()[:3] for line in status.splitlines() if line.split()[-1:] == ["0"]] == [
        ["production", "1", "1"]  # its only worker, never restarted
    ]
    assert "setosa" not in muster("predict", model, '{"inputs": [[5.1, 3.5, 1.4, 0.2]]}')
    muster("register", model, "v2", "--files", "out/model.onnx", "--metric", "accuracy=0.8")
    muster("deploy", f"{model}/v2", "--replicas", "1", "--config", '{"timeout_s": 5}', "--actor", "ada")
    differences = muster("diff", f"{model}/v1", f"{model}/v2")
    assert differences.split("metrics.accuracy")[1].split()[:2] == ["0.9", "0.8"]
    assert "files." not in differences
    assert f"{model} is back to v1 in production." in muster("rollback", model, "--reason", "Slower")
    assert "--empty" in muster("rollback", model, exit_code=4)
    log = muster("log", model)
    for text in ("ada", "Slower", "rollback", "register"):
        assert text in log
    assert f"Nothing of {model} is deployed in production any more." in muster(
        "undeploy", model, "--from", "production"
    )
    assert f"Nothing of {model} is deployed. Next: muster deploy" in muster("status", model)


def test_the_past_is_shown_as_it_was(muster: Run, answer: Callable[..., Any], model: str) -> None:
    muster("register", model, "v1")
    muster("deploy", f"{model}/v1", "--reason", "First")
    commit = answer("log", model, "--limit", "1")["items"][0]["commit"]
    muster("rollback", f"{model}_v1", "--empty")
    assert "v1" in muster("status", model, "--at", commit)
    assert "Nothing" in muster("status", model)
    assert "production" in muster("diff", f"{model}/v1", "--from", commit)
    assert model in muster("diff", commit)
    assert answer("show", f"{model}/v1", "--at", commit)["deployed_in"] == ["production"]


def test_the_past_tells_what_each_instance_had_reported(
    muster: Run, answer: Callable[..., Any], model: str
) -> None:
    for version in ("v1", "v2"):
        muster("register", model, version)
    muster("env", "create", model, "--target", "external")
    muster("deploy", f"{model}/v2", "--to", model)
    muster("report", model, model, "--version", "v1", "--instance", "pod-1")
    muster("report", model, model, "--version", "v2", "--instance", "pod-2")
    commit = answer("log", model, "--limit", "1")["items"][0]["commit"]
    muster("report", model, model, "--version", "v2", "--instance", "pod-1")
    then = muster("status", model, "--at", commit)
    assert "pod-1: version 1 since" in then
    assert "pod-2: version 2 since" in then


def test_answers_for_programs_are_those_of_the_api(
    muster: Run, answer: Callable[..., Any], model: str
) -> None:
    record = answer("register", model, "v1", "--training-data", '{"name": "forms", "rows": 3}')
    assert (record["model_id"], record["training_data"]) == (f"{model}_v1", {"name": "forms", "rows": 3})
    assert answer("models", model)["items"][0]["name"] == model
    assert answer("show", model)["next_number"] == 2
    deployed = answer("deploy", f"{model}/v1")
    assert (deployed["version"], deployed["status"]["standing"]) == ("v1", "recorded")
    [item] = answer("status", model)["items"]
    assert (item["model_id"], item["by"]["change"]) == (f"{model}_v1", "deploy")
    assert {each["change"] for each in answer("log", model)["items"]} == {"register", "deploy"}
    assert answer("env", "list")["items"][0]["name"] == "production"
    assert answer("alias", f"{model}@best", "v1")["aliases"] == {"best": 1}
    assert {each["name"] for each in answer("settings")["items"]} >= {"home", "port"}
    assert json.loads(muster("--json", "status", model)) == answer("status", model)


def test_the_global_options_are_taken_on_either_side(
    answer: Callable[..., Any], muster: Run, model: str
) -> None:
    muster("--actor", "ada", "register", model)
    muster("register", model, "--actor", "grace", "--description", "other")
    assert [each["actor"] for each in answer("log", model)["items"]] == ["grace", "ada"]


def test_names_stages_aliases_and_environments(muster: Run, answer: Callable[..., Any], model: str) -> None:
    muster("register", model, "v1")
    assert "is labelled archived; nothing was deployed" in muster("stage", f"{model}/v1", "archived")
    assert f"{model}@best means {model}_v1" in muster("alias", f"{model}@best", f"{model}_v1")
    assert answer("show", f"{model}@best")["version"] == "v1"
    assert "means nothing" in muster("alias", f"{model}@best", "--remove")
    place = f"e{uuid4().hex[:8]}"
    muster("env", "create", place, "--target", "external", "--rank", "3", "--description", "Elsewhere")
    assert answer("env", "show", place)["rank"] == 3
    muster("env", "update", place, "--rank", "4", "--allow-pickle")
    assert answer("env", "show", place)["allow_pickle"] is True
    muster("deploy", f"{model}/v1", "--to", place)
    assert "in sync" in muster("report", place, model, "--version", "v1", "--instance", "pod-1")
    assert "drifted" in muster("report", place, model, "--sha256", "0" * 64, "--instance", "pod-1")
    muster("undeploy", model, "--from", place)
    assert f"Deleted environment {place}." in muster("env", "delete", place)


def test_what_describes_a_version_or_a_model_is_changed(
    muster: Run, answer: Callable[..., Any], model: str
) -> None:
    muster("register", model, "v1", "--tag", "a=1", "--tag", "b=2", "--description", "d")
    ref = f"{model}/v1"
    muster("update", ref, "--tag", "c=3", "--untag", "a", "--owner", "ada", "--description", "")
    found = answer("show", ref)
    assert (found["tags"], found["owner"], found["description"]) == ({"b": "2", "c": "3"}, "ada", "")
    muster("update", model, "--card", "# Of flowers", "--owner", "bob", "-m", "Handover")
    assert (answer("show", model)["card"], answer("show", model)["owner"]) == ("# Of flowers", "bob")
    muster("update", model, "--owner", "", "--card", "")
    assert (answer("show", model)["card"], answer("show", model)["owner"]) == (None, None)
    assert "must say what to change" in muster("update", ref, exit_code=2)
    assert "is for a model" in muster("update", ref, "--card", "x", exit_code=2)
    assert "must not be a tag that --tag sets" in muster(
        "update", ref, "--tag", "x=1", "--untag", "x", exit_code=2
    )
    muster("update", "nobody", "--owner", "ada", exit_code=3)


def test_a_note_is_read_in_the_log(muster: Run, model: str) -> None:
    muster("register", model, "v1")
    said = muster("note", f"{model}/v1", "Passed the review", "-m", "Ticket 7")
    assert f"Noted: Update model {model}_v1: Passed the review" in said
    assert f"Next: muster log {model}/v1" in said
    assert "Ticket 7" in muster("log", f"{model}/v1")


def test_versions_and_models_are_deleted_but_not_by_mistake(muster: Run, model: str) -> None:
    for label in ("v1", "v2", "v3"):
        muster("register", model, label)
    muster("deploy", f"{model}/v1")
    assert "undeploy it first" in muster("delete", f"{model}/v1", exit_code=4)
    assert f"Deleted {model}_v2; its history stays." in muster("delete", f"{model}/v2", "-m", "Not needed")
    muster("show", f"{model}/v2", exit_code=3)
    assert "--with-versions deletes them all" in muster("delete", model, exit_code=2)
    assert "undeploy it first" in muster("delete", model, "--with-versions", exit_code=4)
    muster("undeploy", model, "--from", "production")
    muster("delete", model, "--with-versions")
    muster("show", model, exit_code=3)


def test_no_heading_and_no_word_is_broken_at_eighty_columns(muster: Run, model: str) -> None:
    muster("register", model, "v1")
    muster("deploy", f"{model}/v1", "--reason", "It recalls more of what is in long reviews")
    for words in (("status", model), ("log", model), ("models", model)):
        shown = muster(*words, COLUMNS="80")
        assert max(map(len, shown.splitlines())) <= 80
        assert model in shown.split()
    assert {"ENVIRONMENT", "production", "HEALTH", "recorded:"} <= set(
        muster("status", model, COLUMNS="80").split()
    )


def test_files_come_back_as_they_were(muster: Run, terminal: Terminal, model: str) -> None:
    muster("register", model, "v1", "--files", "out")
    muster("download", f"{model}/v1", "--to", f"back-{model}")
    assert (terminal.folder / f"back-{model}" / "model.onnx").read_bytes() == iris_onnx()


def test_the_audit_log_is_written_out(muster: Run, terminal: Terminal, model: str) -> None:
    muster("register", model, "v1", "--reason", "=1+1")
    lines = muster("export", "--model", model).splitlines()
    assert json.loads(lines[0])["reason"] == "=1+1"
    [row] = csv.DictReader(io.StringIO(muster("export", "--model", model, "--format", "csv")))
    assert (row["reason"], row["change"]) == ("'=1+1", "register")
    assert "bytes to" in muster("export", "--model", model, "--output", f"{model}.jsonl")
    assert len((terminal.folder / f"{model}.jsonl").read_text().splitlines()) == 1
    assert "=1+1" in muster("export", "changelog", "--model", model)
    assert "needs --model" in muster("export", "changelog", exit_code=2)
    assert "goes only with --output" in muster("export", "--sign", exit_code=2)


def test_what_is_exported_is_signed_and_checked_with_the_public_key(
    muster: Run, terminal: Terminal, model: str
) -> None:
    muster("register", model, "v1")
    key = muster("checkpoint", "key").strip()
    (terminal.folder / "registry.pem").write_text(muster("checkpoint", "key", "--pem"))
    for words in (("audit",), ("audit", "--format", "csv", "--kind", "register"), ("changelog",)):
        muster("export", *words, "--model", model, "--sign", "-o", model)
        assert "is what was signed" in muster("verify", "--export", model, "--key", "registry.pem")
        file = terminal.folder / model
        content = file.read_bytes()
        file.write_bytes(content[:-2] + b"?" + content[-1:])
        assert "not those that were signed" in muster("verify", "--export", model, "--key", key, exit_code=1)
        file.write_bytes(content[:-1])
        assert "were signed" in muster("verify", "--export", model, "--key", key, exit_code=1)
    muster("verify", "--export", model, exit_code=2)
    muster("verify", "--export", "nothing", "--key", key, exit_code=2)


def test_a_clone_is_checked_against_what_was_signed(
    muster: Run, answer: Callable[..., Any], terminal: Terminal, model: str
) -> None:
    muster("register", model, "v1")
    assert "Would: Sign commit" in muster("checkpoint", "--dry-run")
    signed = answer("checkpoint")
    assert answer("checkpoint") == signed
    assert answer("checkpoint", "list", "--limit", "1")["items"] == [signed]
    assert signed["commit"] in muster("checkpoint", "list")
    muster("checkpoint", "file", "-o", "statements.jsonl")
    assert muster("checkpoint", "file") == (terminal.folder / "statements.jsonl").read_text()
    key = muster("checkpoint", "key").strip()
    where = ("--against", "statements.jsonl", "--key", key, "--clone", "registry/registry.git")
    assert "The history is what was signed" in muster("verify", *where)
    muster("register", model, "v2")
    assert "The last 1 commits came after the last checkpoint" in muster("verify", *where)
    before = f"{signed['commit']}~1"
    assert answer("verify", *where, "--ref", before, exit_code=1)["problems"]
    assert "must be given" in muster("verify", "--against", "statements.jsonl", exit_code=2)
    assert "must be a file" in muster("verify", "--against", "nothing", "--key", key, exit_code=2)
    assert "Git repository not found" in muster("verify", *where[:-1], "out", exit_code=3)


# ------------------------------------------------------------ dry runs


def test_a_dry_run_shows_what_would_happen_and_writes_nothing(
    muster: Run, answer: Callable[..., Any], model: str
) -> None:
    muster("register", model, "v2")
    muster("register", model, "v1")
    muster("deploy", f"{model}/v1")
    before = answer("log", "--limit", "1")
    for words in (
        f"register {model} v9 --files out",
        f"deploy {model}/v1 --to staging",
        f"rollback {model} --empty",
        f"undeploy {model} --from production",
        f"stage {model}/v1 archived",
        f"alias {model}@best v1",
        f"update {model}/v1 --owner ada",
        f"update {model} --description changed",
        f"note {model}/v1 Fine",
        f"delete {model}/v2",
        f"report staging {model} --version v1",
        f"env create e-{model}",
        "env update staging --rank 21",
        "env delete development",
    ):
        said = muster(*words.split(), "--dry-run")
        assert "Would: " in said, words
        assert "Nothing was written (dry run)." in said
    assert answer("log", "--limit", "1") == before


def test_a_dry_run_of_a_deployment_shows_the_effect_and_all_objections(muster: Run, model: str) -> None:
    muster("register", model, "v1", "--files", "out")
    said = muster("deploy", f"{model}/v1", "--dry-run")
    assert f"Would: Deploy {model} v1 to production" in said
    assert f"Then: {model}_v1 is started, and gets the traffic once it is ready." in said
    config = '{"runtime": "torch", "env": {"TOKEN": {"from": "env:NOT_THERE"}}}'
    refused = muster("deploy", f"{model}/v1", "--config", config, "--dry-run", exit_code=6)
    runtime, secret = (line for line in refused.splitlines() if line.startswith("Objection: "))
    assert "'torch'" in runtime
    assert "NOT_THERE" in secret


def test_a_dry_run_that_would_be_refused_has_the_exit_code_of_the_refusal(muster: Run, model: str) -> None:
    muster("register", model, "v1", "--metric", "auc=1")
    said = muster("register", model, "v1", "--metric", "auc=2", "--dry-run", exit_code=4)
    assert "Objection: " in said


# ------------------------------------------------------------ refusals


def test_each_kind_of_error_has_its_exit_code_and_the_next_command(
    muster: Run, terminal: Terminal, model: str
) -> None:
    said = muster("show", "nobody/v1", exit_code=3)
    assert "Error: Version not found: nobody/v1" in said
    assert "Next: `muster models`" in said
    muster("register", model, "v1", "--metric", "auc=1")
    assert "with other content in: metrics" in muster(
        "register", model, "v1", "--metric", "auc=2", exit_code=4
    )
    assert "--metric: must be KEY=NUMBER" in muster("register", model, "--metric", "auc=high", exit_code=2)
    assert "No such option" in muster("status", "--colour", exit_code=2)
    broken = terminal.folder / "broken"
    broken.mkdir(exist_ok=True)
    (broken / "model.onnx").write_bytes(b"not a graph")
    muster("register", model, "v2", "--files", "broken")
    refused = muster("deploy", f"{model}/v2", exit_code=6)
    assert refused.count("onnxruntime cannot load model.onnx") == 1
    assert str(terminal.folder) not in refused
    assert "what was deployed goes on serving" in refused
    assert "does not answer" in muster("status", "--server", "http://127.0.0.1:9", exit_code=7)
    assert "Error: --server" in muster("status", "--server", "nowhere", exit_code=2)


def test_an_error_for_programs_has_its_code_and_facts(answer: Callable[..., Any], model: str) -> None:
    said = answer("show", "nobody/v1", exit_code=3)
    assert said == {
        "error": "Version not found: nobody/v1",
        "code": "not_found",
        "kind": "version",
        "name": "nobody/v1",
    }


def test_what_would_steer_a_terminal_is_shown_harmless(muster: Run, model: str) -> None:
    muster("register", model, "v1", "--description", "red \x1b[31m alert")
    said = muster("show", f"{model}/v1")
    assert "\x1b" not in said
    assert "alert" in said


# ------------------------------------------------------------ which registry


def test_login_is_remembered_privately_and_closer_sources_decide(
    terminal: Terminal, tmp_path: Path, model: str
) -> None:
    url = json.loads((terminal.folder / "registry" / "run" / "server.json").read_text())["url"]
    elsewhere = Terminal(tmp_path)
    config = str(tmp_path / "config")
    assert "talk to" in elsewhere.run("muster", "login", url, XDG_CONFIG_HOME=config)
    kept = tmp_path / "config" / "muster" / "profile.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    elsewhere.run("muster", "register", model, "v1", XDG_CONFIG_HOME=config)
    assert model in terminal.run("muster", "models", model)
    said = elsewhere.run("muster", "status", "--home", "other", exit_code=3, XDG_CONFIG_HOME=config)
    assert "Registry not found: other (--home)" in said
    elsewhere.run("muster", "status", exit_code=7, MUSTER_URL="http://127.0.0.1:9", XDG_CONFIG_HOME=config)
    assert "Forgotten" in elsewhere.run("muster", "logout", XDG_CONFIG_HOME=config)
    assert "Registry not found" in elsewhere.run("muster", "status", exit_code=3, XDG_CONFIG_HOME=config)


def test_a_second_server_of_a_home_is_refused(muster: Run) -> None:
    assert "already" in muster("serve", "--port", "0", exit_code=4)


def test_an_index_in_use_is_not_made_anew(muster: Run) -> None:
    assert "stop it first" in muster("reindex", exit_code=4)


def test_a_registry_in_use_can_be_verified(muster: Run) -> None:
    assert "Git, index and files agree." in muster("verify")
