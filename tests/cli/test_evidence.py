"""`muster evaluate`, `muster evaluations` and `muster requirements`, against a server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from muster import Client
from tests.terminal import Terminal

SCHEMA = {"properties": {"tags": {"required": ["risk_tier"]}}}


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A terminal in a folder with data, a report and a schema, whose registry a server owns."""
    terminal = Terminal(tmp_path_factory.mktemp("evidence"))
    (terminal.folder / "holdout.csv").write_text("x,y\n1,2\n")
    (terminal.folder / "größe.html").write_text("<p>fine</p>")
    (terminal.folder / "schema.json").write_text(json.dumps(SCHEMA))
    with terminal.serve() as running:
        with Client(running.url, "ada") as client:
            client.register("digits", "v1")
        yield terminal


def test_an_evaluation_with_its_report_goes_in_and_comes_out(terminal: Terminal) -> None:
    words = (
        "muster", "evaluate", "digits/v1", "--metric", "auc=0.93", "--metric", "f1=0.8",
        "--dataset", "@holdout.csv", "--report", "größe.html", "--tool", "bench", "--notes", "fine",
    )  # fmt: skip
    assert "Evaluate digits v1 (auc=0.93, f1=0.8)" in terminal.run(*words, "--dry-run")
    told = terminal.run(*words, "--actor", "carl", "-m", "Quarterly")
    assert "Evaluation 1 of digits/v1, by carl." in told
    table = terminal.run("muster", "evaluations", "digits/v1")
    for text in ("carl (unverified)", "auc=0.93", "f1=0.8", "holdout.csv", "größe.html"):
        assert text in table
    one = json.loads(
        terminal.run("muster", "evaluations", "digits/v1", "1", "--json", "--report-to", "copy.html")
    )
    assert one["report"]["path"] == "größe.html"
    sha256 = hashlib.sha256((terminal.folder / "holdout.csv").read_bytes()).hexdigest()
    assert one["dataset"] == {"name": "holdout.csv", "sha256": sha256}
    assert (terminal.folder / "copy.html").read_text() == "<p>fine</p>"


@pytest.mark.parametrize(
    ("said", "data"),
    [
        (f"a@b@sha256:{'A' * 64}", {"name": "a@b", "sha256": "a" * 64}),
        (f"sha256:{'b' * 64}", {"sha256": "b" * 64}),
    ],
)
def test_data_are_said_in_a_word(terminal: Terminal, said: str, data: Any) -> None:
    words = ("muster", "evaluate", "digits/v1", "--metric", "auc=1", "--dataset", said)
    assert json.loads(terminal.run(*words, "--json"))["dataset"] == data


@pytest.mark.parametrize(
    ("words", "exit_code", "why"),
    [
        (("evaluate", "digits/v1"), 2, "--metric"),
        (("evaluate", "digits/v1", "--metric", "auc=nan"), 2, "finite number"),
        (("evaluate", "digits/v1", "--report", "nowhere.html"), 2, "must be a file that can be read"),
        (("evaluate", "digits/v1", "--metric", "auc=1", "--dataset", "{"), 2, "must be JSON"),
        (
            ("evaluate", "digits/v1", "--metric", "auc=1", "--as", "team:moon"),
            5,
            "cannot evaluate as team:moon",
        ),
        (("evaluations", "digits/v1", "99"), 3, "Evaluation not found"),
        (("requirements", "set", "--schema", '{"type": 1}'), 2, "must be a JSON Schema"),
    ],
)
def test_what_is_wrong_is_said(terminal: Terminal, words: tuple[str, ...], exit_code: int, why: str) -> None:
    assert why in terminal.run("muster", *words, exit_code=exit_code)


def test_required_fields_are_tried_set_and_taken_away(terminal: Terminal) -> None:
    def requirements(*words: str) -> str:
        return terminal.run("muster", "requirements", *words)

    tried = requirements("test", "--schema", "@schema.json")
    for text in ("digits/v1", "tags.risk_tier is required", "1 of 1 versions lack something."):
        assert text in tried
    assert "held against it" in requirements("set", "--schema", "@schema.json", "--block", "deploy")
    shown = json.loads(requirements("show", "--json"))
    assert (shown["schema"], shown["block"], shown["team"]) == (SCHEMA, ["deploy"], None)
    assert "tags.risk_tier" in requirements("lacks", "digits/v1")
    refused = terminal.run("muster", "deploy", "digits/v1", exit_code=5)
    assert "digits v1 lacks what the registry requires: tags.risk_tier is required" in refused
    assert "Nothing more is required by registry." in requirements("delete")
    assert "Nothing is required." in requirements("list")
