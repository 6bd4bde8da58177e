"""What a user wrote against Muster's Python classes and its plain API keeps working."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

from tests.terminal import Running, Terminal, free_port

TUTORIAL = Path(__file__).parent / "tutorial"


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    for file in TUTORIAL.iterdir():
        if file.is_file():
            shutil.copy(file, tmp_path)
    return Terminal(tmp_path)


def six_calls(terminal: Terminal, running: Running) -> list[dict[str, object]]:
    """The answers to the six calls as they are written, at another port."""
    lines = (TUTORIAL / "six_calls.sh").read_text().replace("http://127.0.0.1:5000", running.url).splitlines()
    return [json.loads(terminal.run(*shlex.split(line), "--silent", "--show-error")) for line in lines]


def test_a_script_registers_deploys_goes_back_and_reads_its_history(terminal: Terminal) -> None:
    said = terminal.run("python", "use_registry.py").splitlines()
    assert said[:5] == [
        "Registered: sentiment_classifier_v1.0, sentiment_classifier_v1.1",
        "In production: sentiment_classifier_v1.1 production",
        "Rolled back: sentiment_classifier_v1.1 staging",
        "In production: sentiment_classifier_v1.0 production",
        "Unknown: None False",
    ]
    subjects = [line.split(maxsplit=1)[1] for line in said[6:]]
    assert subjects[-2:] == [
        "Update model sentiment_classifier_v1.1: registered after the February training",
        "Register sentiment_classifier v1.1",
    ]


def test_a_script_can_be_run_again(terminal: Terminal) -> None:
    terminal.run("python", "use_registry.py")
    again = terminal.run("python", "use_registry.py")
    assert "Registered: sentiment_classifier_v1.0, sentiment_classifier_v1.1\n" in again


def test_unit_tests_that_empty_the_registry_erase_nothing(terminal: Terminal) -> None:
    terminal.run("python", "use_registry.py")
    for _ in range(2):
        assert "OK" in terminal.run("python", "model_tests.py")
        assert "OK" in terminal.run("python", "-m", "unittest", "model_tests")
    kept = terminal.run("python", "-c", "import muster; print(muster.ModelRegistry().list_models())")
    assert kept == "['sentiment_classifier_v1.0', 'sentiment_classifier_v1.1']\n"


def test_a_flask_app_in_debug_mode_answers_the_six_calls(terminal: Terminal) -> None:
    port = free_port()
    with terminal.background("python", "app.py", port=port, path="/models", PORT=str(port)) as app:
        registered, models, record, deployed, rolled_back, history = six_calls(terminal, app)
    assert registered["model_id"] == "sentiment_classifier_v1.0"
    assert models == {"models": ["sentiment_classifier_v1.0"]}
    assert record["deployment_status"] == "development"
    assert deployed["message"] == "Model sentiment_classifier_v1.0 deployed to production"
    assert rolled_back["message"] == "Model sentiment_classifier_v1.0 rolled back to staging"
    assert isinstance(history["history"], list)
    assert len(history["history"]) == 4


def test_a_server_answers_the_six_calls(terminal: Terminal) -> None:
    with terminal.serve() as server:
        registered, models, record, deployed, rolled_back, history = six_calls(terminal, server)
    model_id = "sentiment_classifier_v1.0"
    assert registered == {"message": "Model registered successfully", "model_id": model_id}
    assert models == {"models": [model_id], "count": 1}
    assert record["training_data"] == "reviews_2026_01"
    assert deployed["message"] == f"Model {model_id} deployed to production"
    assert rolled_back["message"] == f"Model {model_id} rolled back to staging"
    assert rolled_back["restored"] is None
    assert isinstance(history["history"], list)
    assert [change["change"] for change in history["history"]] == ["rollback", "deploy", "register"]
