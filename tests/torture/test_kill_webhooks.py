"""A server is killed between a change and its delivery: what was recorded is told, at least once.

Each message comes under the same id however often it is sent, so that receivers can tell.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from muster import Client, errors
from tests.receivers import Receiver, receiving
from tests.servers import Server
from tests.serving import wait_for
from tests.terminal import free_port
from tests.torture.scale import FULL

pytestmark = pytest.mark.torture

ROUNDS = 20 if FULL else 3
WRITERS, CHANGES = 4, 20
SETTINGS = {"MUSTER_WEBHOOK_HOSTS": "127.0.0.1", "MUSTER_WEBHOOK_PAUSES_S": "0.05,0.1,0.2,0.4,1,1,1,1,1,1,1"}


def test_what_happened_while_nobody_listened_is_told_after_the_server_was_killed(tmp_path: Path) -> None:
    port = free_port()
    with Server(tmp_path / "home", **SETTINGS) as server:
        with Client(server.url) as client:
            secret = client.add_webhook("audit", f"http://127.0.0.1:{port}/hook")["secret"]
        for name in "abc":
            assert server.register(name).status_code == 201
        server.kill()
        server.start()
        server.kill()
        with receiving(port) as receiver:
            server.start()
            told = [message.verified(secret)["data"]["model"] for message in receiver.told(3)]
    assert sorted(told) == ["a", "b", "c"]


def test_what_was_sent_and_not_answered_is_sent_again_under_the_same_id(tmp_path: Path) -> None:
    free = threading.Event()
    with receiving() as receiver, Server(tmp_path / "home", **SETTINGS) as server:
        receiver.answer = lambda _: 200 if free.wait() else 500
        with Client(server.url) as client:
            client.add_webhook("audit", receiver.url)
        assert server.register("a").status_code == 201
        first = receiver.next()
        server.kill()
        free.set()
        server.start()
        again = receiver.next()
        assert (again.id, again.body) == (first.id, first.body)
        assert again.headers["webhook-timestamp"] >= first.headers["webhook-timestamp"]


def test_nothing_is_lost_over_many_kills_while_changes_are_made(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    with receiving() as receiver, Server(tmp_path / "home", **SETTINGS) as server:
        with Client(server.url) as client:
            secret = client.add_webhook("audit", receiver.url)["secret"]
        for at in range(ROUNDS):
            with _writing(server, at) as done:
                wait_for(partial(len, done), lambda count: count >= CHANGES)
                server.kill()
            acknowledged += done
            server.start()
        told = _told(receiver, secret, set(acknowledged))
    ids = {model: {message for message, name in told if name == model} for model in acknowledged}
    assert {model: len(found) for model, found in ids.items()} == dict.fromkeys(acknowledged, 1)


@contextmanager
def _writing(server: Server, at: int) -> Iterator[list[str]]:
    """Several writers register models until the server is gone: those of which it said that it did."""
    done: list[str] = []

    def write(writer: int) -> None:
        with Client(server.url) as client, suppress(errors.Unavailable):
            for nth in count():
                name = f"model-{at}-{writer}-{nth}"
                client.register(name, "v1")
                done.append(name)

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(WRITERS)]
    for each in writers:
        each.start()
    try:
        yield done
    finally:
        for each in writers:
            each.join()


def _told(receiver: Receiver, secret: str, wanted: set[str]) -> list[tuple[str, str]]:
    """(message id, model) of all that came, until each of `wanted` has."""
    found: list[tuple[str, str]] = []
    while wanted - {model for _, model in found}:
        message = receiver.next()
        found.append((message.id, message.verified(secret)["data"]["model"]))
    return found
