"""The registry in a program of one's own, without a server and beside one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from muster import GitIntegration, ModelRegistry, errors
from tests.servers import Server
from tests.serving import FLOWER, iris_onnx, wait_for

OLD = {
    f"m_v{number}": {
        "name": "m",
        "version": f"v{number}",
        "description": "of old",
        "training_data": "t",
        "deployment_status": "production",
        "created_at": f"2024-01-0{number}T03:04:05",
        "last_updated": "2024-02-02T03:04:05.5",
    }
    for number in (1, 2)
}


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelRegistry]:
    """In a project's folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MUSTER_HOME", raising=False)
    with ModelRegistry() as registry:
        registry.register_model("sentiment", "v1", "<b>bold</b>", "reviews")
        yield registry


def test_without_a_place_it_is_in_the_folder_registry(registry: ModelRegistry, tmp_path: Path) -> None:
    assert (tmp_path / "registry" / "registry.git" / "HEAD").exists()
    assert registry.list_models() == ["sentiment_v1"]
    assert list(registry.models) == ["sentiment_v1"]


def test_what_is_unknown_is_none_false_or_empty(registry: ModelRegistry) -> None:
    git = GitIntegration(".")
    assert registry.get_model("nope") is None
    assert git.commit_model_change("nope", "tuned") is False
    assert git.get_model_history("nope") == []
    with pytest.raises(errors.NotFound):
        registry.deploy("nope")
    with pytest.raises(KeyError):
        registry.models["nope"]


def test_notes_are_in_the_history_newest_first(registry: ModelRegistry) -> None:
    git = GitIntegration(".")
    assert git.commit_model_change("sentiment_v1", "tuned") is True
    newest, oldest = git.get_model_history("sentiment_v1")
    assert newest.split(" ", 1)[1] == "Update model sentiment_v1: tuned"
    assert oldest.split(" ", 1)[1].startswith("Register sentiment v1")


def test_an_empty_mapping_moves_to_a_temporary_registry_and_erases_nothing(registry: ModelRegistry) -> None:
    with ModelRegistry() as other:
        other.models = {}
        other.register_model("scratch", "v1", "d", "t")
        assert other.list_models() == ["scratch_v1"]
        with pytest.raises(errors.Invalid):
            other.models = registry.models
    assert registry.list_models() == ["sentiment_v1"]


def test_a_file_is_imported_once_with_its_times_marked_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "registry.json"
    file.write_text(json.dumps(OLD))
    for _ in range(2):
        with ModelRegistry(file) as registry:
            assert registry.list_models() == ["m_v1", "m_v2"]
            record = registry.get_model("m_v1")
            assert record is not None
            assert (record["created_at"], record["imported"]) == ("2024-01-01T03:04:05.000000Z", True)
            assert (record["deployment_status"], record["deployed_in"]) == ("production", [])
            assert len(registry.history("m_v1")) == 1
    assert json.loads(file.read_text()) == OLD


def test_a_notebook_shows_records_histories_and_boards_as_escaped_tables(registry: ModelRegistry) -> None:
    registry.deploy("sentiment_v1", reason="<script>")
    record = registry.get_model("sentiment_v1")
    assert record is not None
    history, board = registry.history("sentiment_v1"), registry.at("2100-01-01T00:00:00Z")
    everything: Any = registry.models
    for shown in (record, history, board, everything):
        html = shown._repr_html_()
        assert html.startswith("<table>")
        assert "<b>" not in html
        assert "<script>" not in html
    assert "&lt;script&gt;" in history._repr_html_()


def test_a_server_on_the_home_switches_to_what_a_program_deploys(tmp_path: Path) -> None:
    with Server(tmp_path / "home") as server:
        for number, fit in enumerate((1.0, 0.1), start=1):
            server.register_with_file("iris", f"v{number}", "model.onnx", iris_onnx(fit))
        assert server.post("/models/iris_v1/deploy").status_code == 200

        def serves() -> str | None:
            answer = server.post("/serve/production/iris/invocations", {"inputs": [FLOWER]})
            number: str | None = answer.headers.get("muster-version")
            return number

        assert serves() == "1"
        with ModelRegistry(server.home) as registry:
            registry.deploy("iris_v2", reason="better")
            wait_for(serves, lambda number: number == "2")
            registry.rollback("iris_v2")
            wait_for(serves, lambda number: number == "1")
