"""`muster webhook …` and `muster log --follow`, with a server and without one."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from muster import Client, ModelRegistry, errors
from tests.receivers import Receiver, receiving
from tests.serving import wait_for
from tests.terminal import Running, Terminal


def serving(terminal: Terminal) -> AbstractContextManager[Running]:
    """A server whose webhooks may come here, and are tried twice."""
    return terminal.serve(MUSTER_WEBHOOK_HOSTS="127.0.0.1", MUSTER_WEBHOOK_PAUSES_S="0.05")


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    return Terminal(tmp_path_factory.mktemp("telling"))


@pytest.fixture(scope="module")
def running(terminal: Terminal) -> Iterator[Running]:
    """The server that owns the registry in the terminal's folder."""
    with serving(terminal) as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def name() -> str:
    return f"h{uuid4().hex[:8]}"


def secret_in(output: str) -> str:
    return next(line for line in output.splitlines() if line.startswith("whsec_"))


def test_a_webhook_is_made_tried_changed_and_removed(
    running: Running, terminal: Terminal, receiver: Receiver, name: str
) -> None:
    def webhook(*words: str, exit_code: int = 0) -> str:
        return terminal.run("muster", "webhook", *words, exit_code=exit_code)

    assert "Would: Make webhook" in webhook("add", name, receiver.url, "--dry-run")
    made = webhook("add", name, receiver.url, "--kind", "register", "--description", "Audit")
    assert "it is not shown again" in made
    assert f"Next: muster webhook test {name}" in made
    assert "Delivered: it answered 200." in webhook("test", name)
    assert receiver.next().verified(secret_in(made))["type"] == "ping"
    receiver.answer = lambda _: 503
    assert "Refused: it answered 503." in webhook("test", name, exit_code=1)
    webhook("update", name, "--disable", "--env", "production")
    assert "disabled by" in webhook("list")
    assert secret_in(made) not in webhook("show", name)
    assert secret_in(webhook("secret", name)) != secret_in(made)
    assert "Removed webhook" in webhook("remove", name)
    with Client(running.url) as client, pytest.raises(errors.NotFound):
        client.webhook(name)


def test_a_delivery_is_seen_and_repeated(
    running: Running, terminal: Terminal, receiver: Receiver, name: str
) -> None:
    receiver.answer = lambda _: 503
    with Client(running.url) as client:
        client.add_webhook(name, receiver.url)
        client.register(f"m{name}", "v1")
        delivery = wait_for(lambda: client.deliveries(name, state="failed"), bool)[0]["id"]
    assert delivery in terminal.run("muster", "webhook", "deliveries", name, "--state", "failed")
    again = ("muster", "webhook", "redeliver", name)
    assert "Refused: it answered 503." in terminal.run(*again, delivery, exit_code=1)
    assert "1 deliveries are in line again." in terminal.run(*again, "--failed")
    receiver.answer = lambda _: 200
    assert "Delivered: it answered 200." in terminal.run(*again, delivery)
    assert "must be given, or else --failed" in terminal.run(*again, exit_code=2)


def test_a_webhook_made_without_a_server_is_told_by_the_next_one(tmp_path: Path, receiver: Receiver) -> None:
    terminal = Terminal(tmp_path)
    words = ("muster", "webhook", "add", "audit", receiver.url, "--json")
    made = json.loads(terminal.run(*words, MUSTER_WEBHOOK_HOSTS="127.0.0.1"))
    with ModelRegistry(tmp_path / "registry") as registry:
        registry.register_model("flowers", "v1", "d", "t")
    with serving(terminal):
        assert receiver.next().verified(made["secret"])["data"]["model"] == "flowers"


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


Register = Callable[[str, str], object]


def check_follows(terminal: Terminal, model: str, register: Register) -> None:
    """What happened comes first, then what happens, until Ctrl-C."""
    register(model, "v1")
    register(model, "v2")
    with following(terminal, model, "--json") as running:
        assert [json.loads(line(running))["number"] for _ in range(2)] == [1, 2]
        register(f"other-{model}", "v1")
        register(model, "v3")
        assert json.loads(line(running))["number"] == 3
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 130
        assert line(running) == ""


def test_the_log_is_followed_at_a_server(running: Running, terminal: Terminal, name: str) -> None:
    with Client(running.url) as client:
        check_follows(terminal, name, client.register)
        last = client.changes(model=name)[0]
    with following(terminal, name, "--limit", "1", "--until", last["time"]) as ending:
        assert f"Register {name} v3" in line(ending)
        assert line(ending) == ""
        assert ending.wait(60) == 0


def test_the_log_is_followed_without_a_server(tmp_path: Path) -> None:
    with ModelRegistry(tmp_path / "registry") as registry:

        def register(name: str, version: str) -> None:
            registry.register_model(name, version, "d", "t")

        check_follows(Terminal(tmp_path), "flowers", register)
