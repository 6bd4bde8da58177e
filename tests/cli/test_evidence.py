"""`muster evaluate` and `muster evaluations`, against a home without a server."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tests.terminal import Terminal


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    terminal = Terminal(tmp_path_factory.mktemp("evidence"))
    (terminal.folder / "holdout.csv").write_text("x,y\n1,2\n")
    (terminal.folder / "größe.html").write_text("<p>fine</p>")
    terminal.run("muster", "register", "digits", "v1")
    return terminal


def test_an_evaluation_with_its_report_goes_in_and_comes_out(terminal: Terminal) -> None:
    told = terminal.run(
        "muster", "evaluate", "digits/v1", "--metric", "auc=0.93", "--metric", "f1=0.8",
        "--dataset", "@holdout.csv",
        "--report", "größe.html", "--tool", "bench", "--notes", "fine", "--actor", "carl", "-m", "Quarterly",
    )  # fmt: skip
    assert "Evaluation 1 of digits/v1, by carl." in told
    table = terminal.run("muster", "evaluations", "digits/v1")
    for text in ("carl (unverified)", "auc=0.93", "f1=0.8", "holdout.csv", "größe.html"):
        assert text in table
    one = json.loads(terminal.run("muster", "evaluations", "digits/v1", "1", "--json", "--report-to", "."))
    assert one["report"]["path"] == "größe.html"
    sha256 = hashlib.sha256((terminal.folder / "holdout.csv").read_bytes()).hexdigest()
    assert one["dataset"] == {"name": "holdout.csv", "sha256": sha256}
    shown = terminal.run("muster", "evaluations", "digits/v1", "1", "--report-to", "copy.html")
    assert "Fetched copy.html." in shown
    assert (terminal.folder / "copy.html").read_text() == "<p>fine</p>"
    assert "Quarterly" in terminal.run("muster", "log", "digits/v1")


@pytest.mark.parametrize(
    ("said", "data"),
    [
        (f"a@b@sha256:{'A' * 64}", {"name": "a@b", "sha256": "a" * 64}),
        (f"sha256:{'b' * 64}", {"sha256": "b" * 64}),
    ],
)
def test_data_are_said_in_a_word(terminal: Terminal, said: str, data: Any) -> None:
    words = ("muster", "evaluate", "digits/v1", "--metric", "auc=1", "--dataset", said)
    made = json.loads(terminal.run(*words, "--json"))
    assert made["dataset"] == data


def test_a_dry_run_writes_nothing(terminal: Terminal) -> None:
    before = terminal.run("muster", "evaluations", "digits/v1", "--json")
    told = terminal.run("muster", "evaluate", "digits/v1", "--report", "größe.html", "--dry-run")
    assert "Evaluate digits v1" in told
    assert terminal.run("muster", "evaluations", "digits/v1", "--json") == before


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
        (("evaluations", "digits/v1", "--report-to", "x"), 2, "needs the NUMBER"),
    ],
)
def test_what_is_wrong_is_said(terminal: Terminal, words: tuple[str, ...], exit_code: int, why: str) -> None:
    assert why in terminal.run("muster", *words, exit_code=exit_code)
