"""`muster policy`: policies from files, and what they stop."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.terminal import Terminal

GOOD = "has(version.metrics.accuracy) && version.metrics.accuracy >= 0.9"
SAYS = "Production takes a measured accuracy of 0.9"
Run = Callable[..., str]


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """With a server; version 1 is deployed, version 2 is measured."""
    terminal = Terminal(tmp_path_factory.mktemp("policies"))
    with terminal.serve():
        terminal.run("muster", "register", "digits", "v1", "--reason", "First")
        terminal.run("muster", "deploy", "digits/v1", "--reason", "Not measured", "--actor", "bob")
        yield terminal


@pytest.fixture
def muster(terminal: Terminal) -> Run:
    def run(*words: str, exit_code: int = 0) -> str:
        return terminal.run("muster", *words, exit_code=exit_code)

    return run


def write(terminal: Terminal, file: str = "measured.json", **fields: Any) -> str:
    policy = {"name": "measured", "on": ["deploy"], "expression": GOOD, "message": SAYS, **fields}
    (terminal.folder / file).write_text(json.dumps({k: v for k, v in policy.items() if v is not None}))
    return file


def test_a_test_shows_what_a_policy_would_have_stopped(terminal: Terminal, muster: Run) -> None:
    file = write(terminal)
    replayed = muster("policy", "test", file)
    assert "would have been asked about 1 and stopped 1." in replayed
    for text in ("bob", "Deploy digits v1 to production", SAYS):
        assert text in replayed
    found = json.loads(muster("policy", "test", file, "--json"))
    assert (found["count"], found["asked"], found["items"][0]["reason"]) == (1, 1, "Not measured")
    assert (
        json.loads(muster("policy", "test", file, "--since", "2099-01-01T00:00:00Z", "--json"))["count"] == 0
    )
    assert "No policies." in muster("policy", "list")


def test_a_policy_is_set_shown_upheld_and_deleted(terminal: Terminal, muster: Run) -> None:
    file = write(terminal, "file.json", name="upheld")
    assert "Create policy upheld" in muster("policy", "set", file, "--dry-run")
    assert "Policy upheld is in force." in muster("policy", "set", file, "--reason", "Agreed")
    assert SAYS in muster("policy", "list")
    assert GOOD in muster("policy", "show", "upheld")
    refused = muster("deploy", "digits/v1", "--to", "staging", exit_code=5)
    assert f"Error: {SAYS} (policy upheld says so: `muster policy show upheld`" in refused
    assert SAYS in muster("deploy", "digits/v1", "--to", "staging", "--dry-run", exit_code=5)
    assert "Deleted policy upheld." in muster("policy", "delete", "upheld", "--reason", "No longer")
    muster("policy", "show", "upheld", exit_code=3)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"expression": "1 +"}, "line 1, column 4"),
        ({"expression": "verzion.x"}, "undeclared reference to 'verzion.x'"),
        ({"message": None}, "message: is required"),
    ],
)
def test_what_is_no_policy_is_refused_with_the_place(
    terminal: Terminal, muster: Run, fields: dict[str, Any], problem: str
) -> None:
    assert problem in muster("policy", "set", write(terminal, "wrong.json", **fields), exit_code=2)


def test_a_file_that_names_no_policy_names_it_by_its_own_name(terminal: Terminal, muster: Run) -> None:
    unnamed = write(terminal, "from-the-file.json", name=None)
    assert "Create policy from-the-file" in muster("policy", "set", unnamed, "--dry-run")
    assert "Create policy other" in muster("policy", "set", unnamed, "--name", "other", "--dry-run")
    assert "must name a text file" in muster("policy", "set", "nothing.json", exit_code=2)
