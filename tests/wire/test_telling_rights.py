"""Who may be told what: webhooks are for admins; a stream shows what its reader may see, while they may."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import EventSource

from muster.domain.changes import Actor, BeginAccess, Change, SetAccount, SetRoles
from tests.live import Live, live
from tests.receivers import Receiver, receiving

API = "/api/v1/webhooks"
INTERNAL = Actor("muster", internal=True)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Live]:
    """Access is controlled: ada is admin, bob views all, carol sees the model `seen`."""
    with live(tmp_path / "home", webhook_hosts=("127.0.0.1",)) as running:
        running.register("seen")
        running.register("hidden")
        for change in (
            BeginAccess("ada"),
            SetAccount("bob", create=True),
            SetRoles("registry", None, "bob", ("viewer",)),
            SetAccount("carol", create=True),
            SetRoles("model", "seen", "carol", ("contributor",)),
        ):
            record(running, change)
        yield running


def record(server: Live, change: Change) -> None:
    server.home.registry.submit(change, INTERNAL).result()


def as_(server: Live, account: str) -> dict[str, str]:
    secret, _ = server.home.gate.give(account, lasts=timedelta(hours=1))
    return {"Authorization": f"Bearer {secret}"}


def register(server: Live, account: str, model: str, version: str) -> None:
    body = {"name": model, "version": version, "description": "d", "training_data": "t"}
    server.send("POST", "/models", json=body, headers=as_(server, account))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def test_only_admins_may_make_look_at_or_change_webhooks(server: Live, receiver: Receiver) -> None:
    body = {"name": "audit", "url": receiver.url}
    made = server.send("POST", API, json=body, headers=as_(server, "ada")).json()
    assert made["created_by"] == "ada"
    calls = [
        ("GET", ""), ("POST", ""), ("GET", "/audit"), ("PATCH", "/audit"), ("DELETE", "/audit"),
        ("POST", "/audit/test"), ("POST", "/audit/secret"), ("POST", "/audit/recover"),
        ("GET", "/audit/deliveries"), ("GET", "/audit/deliveries/msg_0"),
        ("POST", "/audit/deliveries/msg_0/redeliver"), ("GET", "/nobody"),
    ]  # fmt: skip
    for account in ("bob", "carol"):
        for method, path in calls:
            answer = server.http.request(method, API + path, headers=as_(server, account), json=body)
            assert (answer.status_code, answer.json()["code"]) == (403, "denied"), path
            assert answer.json()["objections"][0]["rule"] == "access"
    for method, path in calls:
        assert server.http.request(method, API + path, json=body).status_code == 401
    theirs = "/api/2.0/mlflow/webhooks"
    for method, path in (("GET", ""), ("POST", ""), ("GET", "/x"), ("PATCH", "/x"), ("POST", "/x/test")):
        answer = server.http.request(method, theirs + path, headers=as_(server, "bob"), json=body)
        assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED"), path
    assert server.http.get(theirs, headers=as_(server, "ada")).status_code == 200
    assert receiver.got.empty()
    register(server, "carol", "seen", "v2")
    assert receiver.next().verified(made["secret"])["data"]["actor"] == "carol"


class Reading:
    """An open stream of an account's."""

    def __init__(self, server: Live, account: str) -> None:
        self.headers = as_(server, account)
        self._http = httpx.Client(timeout=60, trust_env=False)
        self._context = self._http.stream("GET", f"{server.api}/events", headers=self.headers)

    def __enter__(self) -> Reading:
        response = self._context.__enter__()
        assert response.status_code == 200
        self._events = EventSource(response).iter_sse()
        next(self._events)
        return self

    def __exit__(self, *_: object) -> None:
        self._context.__exit__(None, None, None)
        self._http.close()

    def next(self) -> tuple[str, Any]:
        event = next(each for each in self._events if each.event)
        return event.event, json.loads(event.data)


def test_a_stream_holds_only_what_its_reader_may_see_also_of_what_is_new(server: Live) -> None:
    assert server.http.get("/api/v1/events").status_code == 401
    with Reading(server, "carol") as carol, Reading(server, "bob") as bob:
        register(server, "ada", "hidden", "v2")
        register(server, "ada", "seen", "v2")
        assert bob.next()[1]["model"] == "hidden"
        assert bob.next()[1]["model"] == "seen"
        assert carol.next()[1]["model"] == "seen"
        record(server, SetRoles("model", "hidden", "carol", ("viewer",)))
        register(server, "ada", "hidden", "v3")
        assert carol.next()[1]["model"] == "hidden"


def test_a_stream_ends_when_its_reader_may_read_no_more(server: Live) -> None:
    with Reading(server, "bob") as bob:
        record(server, SetAccount("bob", disabled=True))
        assert bob.next() == ("end", {"reason": "access"})
    with Reading(server, "carol") as carol:
        server.home.gate.end(carol.headers["Authorization"].removeprefix("Bearer "))
        assert carol.next() == ("end", {"reason": "access"})
