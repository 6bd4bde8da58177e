"""`muster webhook …` and `muster log --follow`, with a server and without one."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.receivers import Receiver, receiving
from tests.terminal import Running, Terminal


def serving(terminal: Terminal) -> AbstractContextManager[Running]:
    """A server whose webhooks may come here, and are tried twice."""
    return terminal.serve(MUSTER_WEBHOOK_HOSTS="127.0.0.1", MUSTER_WEBHOOK_PAUSES_S="0.05")


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A terminal in a folder whose registry a server owns."""
    terminal = Terminal(tmp_path_factory.mktemp("telling"))
    with serving(terminal):
        yield terminal


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def name() -> str:
    return f"h{uuid4().hex[:8]}"


def answer(terminal: Terminal, *words: str, **more: str) -> Any:
    return json.loads(terminal.run("muster", *words, "--json", exit_code=0, **more))


def test_a_webhook_from_its_making_to_its_end(terminal: Terminal, receiver: Receiver, name: str) -> None:
    def muster(*words: str, exit_code: int = 0) -> str:
        return terminal.run("muster", *words, exit_code=exit_code)

    assert "Would: Make webhook" in muster("webhook", "add", name, receiver.url, "--dry-run")
    made = muster("webhook", "add", name, receiver.url, "--kind", "register", "--description", "Audit")
    assert "it is not shown again" in made
    assert f"Next: muster webhook test {name}" in made
    secret = next(line for line in made.splitlines() if line.startswith("whsec_"))
    assert "Delivered: it answered 200." in muster("webhook", "test", name)
    assert receiver.next().verified(secret)["type"] == "ping"

    receiver.answer = lambda _: 503
    muster("register", f"m{name}", "v1")
    for message in receiver.told(2):
        assert message.verified(secret)["type"] == "change.register"
    assert "Refused: it answered 503." in muster("webhook", "test", name, exit_code=1)
    shown = muster("webhook", "list")
    assert name in shown
    assert "failing" in shown
    told = answer(terminal, "webhook", "deliveries", name, "--state", "failed")
    assert told["count"] == 1
    delivery = told["items"][0]["id"]
    assert delivery in muster("webhook", "deliveries", name)
    assert "Refused: it answered 503." in muster("webhook", "redeliver", name, delivery, exit_code=1)
    assert "1 deliveries are in line again." in muster("webhook", "redeliver", name, "--failed")
    receiver.answer = lambda _: 200
    assert "Delivered: it answered 200." in muster("webhook", "redeliver", name, delivery)
    assert "must be given, or else --failed" in muster("webhook", "redeliver", name, exit_code=2)

    assert answer(terminal, "webhook", "update", name, "--disable")["active"] is False
    assert "disabled by" in muster("webhook", "list")
    assert answer(terminal, "webhook", "update", name, "--enable", "--env", "production")["environments"] == [
        "production"
    ]
    assert secret not in muster("webhook", "show", name)
    assert secret not in muster("webhook", "secret", name)
    assert "Removed webhook" in muster("webhook", "remove", name)
    assert "Webhook not found" in muster("webhook", "show", name, exit_code=3)


def test_a_webhook_made_without_a_server_is_told_once_there_is_one(
    tmp_path: Path, receiver: Receiver
) -> None:
    terminal = Terminal(tmp_path)
    terminal.run("muster", "register", "flowers", "v1")
    made = answer(terminal, "webhook", "add", "audit", receiver.url, MUSTER_WEBHOOK_HOSTS="127.0.0.1")
    terminal.run("muster", "register", "flowers", "v2")
    with serving(terminal):
        assert receiver.next().verified(made["secret"])["data"]["number"] == 2


@contextmanager
def following(terminal: Terminal, *words: str) -> Iterator[subprocess.Popen[str]]:
    """`muster log --follow`, left running."""
    running = subprocess.Popen(
        ["muster", "log", "--follow", *words],
        cwd=terminal.folder,
        env=terminal.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield running
    finally:
        running.kill()
        running.wait()
        assert running.stdout is not None
        running.stdout.close()


def line(running: subprocess.Popen[str]) -> str:
    assert running.stdout is not None
    return running.stdout.readline()


def check_follows(terminal: Terminal, model: str) -> None:
    """What happened comes first, then what happens, until Ctrl-C."""
    terminal.run("muster", "register", model, "v1", "--reason", "first")
    terminal.run("muster", "register", model, "v2")
    with following(terminal, model, "--json") as running:
        assert [json.loads(line(running))["number"] for _ in range(2)] == [1, 2]
        terminal.run("muster", "register", f"other-{model}", "v1")
        terminal.run("muster", "register", model, "v3", "--reason", "live")
        third = json.loads(line(running))
        assert (third["number"], third["reason"]) == (3, "live")
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 130
        assert line(running) == ""
    with following(terminal, model, "--limit", "1", "--until", third["time"]) as running:
        assert "live" in line(running)
        assert line(running) == ""
        assert running.wait(60) == 0


def test_the_log_is_followed_at_a_server(terminal: Terminal, name: str) -> None:
    check_follows(terminal, name)


def test_the_log_is_followed_without_a_server(tmp_path: Path) -> None:
    check_follows(Terminal(tmp_path), "flowers")
