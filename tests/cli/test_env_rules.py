"""`muster env protect`: rules said on the command line, kept as JSON, shown as sentences, and held."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.terminal import Terminal

YEAR_END = 'name="year end" dtstart=2030-12-20 duration=P14D rrule=FREQ=YEARLY timezone=Europe/Berlin'


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path_factory.mktemp("env-rules"))
    with terminal.serve():
        yield terminal


@pytest.fixture(autouse=True)
def unprotected(terminal: Terminal) -> Iterator[None]:
    yield
    terminal.run("muster", "env", "unprotect", "production", "--reason", "The next test")


def protect(terminal: Terminal, *words: str, exit_code: int = 0) -> str:
    return terminal.run("muster", "env", "protect", "production", *words, exit_code=exit_code)


def rules(terminal: Terminal) -> Any:
    return json.loads(terminal.run("muster", "env", "show", "production", "--json")).get("rules")


def test_every_rule_can_be_said_and_taken_back(terminal: Terminal) -> None:
    told = protect(
        terminal, "--reason", "--soak", "staging:24h", "--deployers", "ada,bob", "--rollbackers", "bob",
        "--rollbackers", "ada", "--alias", "champion", "--stages", "production", "--public",
        "--evidence", "auc >= 0.9",
        "--freeze", YEAR_END,
        "--freeze", '{"name": "audit", "dtstart": "2030-02-01", "dtend": "2030-02-03"}', "-m", "Audit",
    )  # fmt: skip
    assert "The rules of production are changed.\n" in told
    assert rules(terminal) == {
        "deploy": ["ada", "bob"],
        "rollback": ["bob", "ada"],
        "reason": True,
        "soak": {"environment": "staging", "hours": 24},
        "evidence": ["auc >= 0.9"],
        "stages": ["production"],
        "aliases": ["champion"],
        "public": True,
        "freeze": [
            {
                "name": "year end",
                "dtstart": "2030-12-20T00:00:00",
                "duration": "P14D",
                "rrule": "FREQ=YEARLY",
                "timezone": "Europe/Berlin",
            },
            {
                "name": "audit",
                "dtstart": "2030-02-01T00:00:00",
                "dtend": "2030-02-03T00:00:00",
                "timezone": "UTC",
            },
        ],
    }
    shown = terminal.run("muster", "env", "show", "production")
    assert "ada and bob may deploy" in shown
    assert "a version has to run in staging for 24 hours first" in shown
    protect(terminal, "--no-reason", "--soak", "none", "--freeze", "none", "--evidence", "none")
    protect(terminal, "--deployers", "none", "--rollbackers", "none", "--alias", "none", "--no-public")
    assert rules(terminal) == {"stages": ["production"]}
    assert "Audit" in terminal.run("muster", "log", "--env", "production")


def test_a_refusal_names_the_rule_and_who_can_help(terminal: Terminal) -> None:
    terminal.run("muster", "register", "digits", "v1")
    protect(terminal, "--reason", "--soak", "staging:1.5d", "--deployers", "bob")
    assert rules(terminal)["soak"]["hours"] == 36
    refused = terminal.run("muster", "deploy", "digits/v1", exit_code=5)
    for words in (
        "deploying digits v1 to production takes the right to deploy in production",
        "bob can do it; a maintainer of production can change who may",
        "takes a reason",
        "36 hours are missing",
        "deploy it to staging first",
    ):
        assert words in refused
    assert "36 hours are missing" in terminal.run("muster", "deploy", "digits/v1", "--dry-run", exit_code=5)


def test_a_window_may_come_from_a_file(terminal: Terminal) -> None:
    window = {"name": "moving", "dtstart": "2030-05-01T08:00", "duration": "PT4H"}
    Path(terminal.folder / "window.json").write_text(json.dumps(window))
    protect(terminal, "--freeze", "@window.json")
    assert rules(terminal)["freeze"][0]["name"] == "moving"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "must be given"),
        (("--approvals", "2"), "--approvals"),
        (("--from", "risk"), "--approvals"),
        (("--approvals", "2", "--from", "risk"), "rules.approvals[0].from: must name a team that is there"),
        (("--soak", "staging"), "as staging:24h"),
        (("--freeze", "year end"), "each key once"),
        (("--freeze", 'name="'), "KEY=VALUE words"),
        (("--freeze", "name=x dtstart=2030-01-01"), "rules.freeze[0].duration"),
    ],
)
def test_what_cannot_be_read_is_refused(terminal: Terminal, words: tuple[str, ...], told: str) -> None:
    assert told in protect(terminal, *words, exit_code=2)
    assert rules(terminal) is None


def test_a_dry_run_changes_nothing(terminal: Terminal) -> None:
    assert "Protect production" in protect(terminal, "--reason", "--dry-run")
    assert rules(terminal) is None


def test_approvals_are_of_teams(terminal: Terminal) -> None:
    for team in ("risk", "legal"):
        terminal.run("muster", "team", "create", team)
    words = ("--approvals", "2", "--from", "risk", "--approvals", "1", "--from", "team:legal")
    tried = json.loads(protect(terminal, *words, "--dry-run", "--json"))
    assert tried["objections"] == []
    [written] = [each["after"] for each in tried["changes"] if "approvals" in each["field"]]
    assert written == [{"count": 2, "from": "risk"}, {"count": 1, "from": "legal"}]
