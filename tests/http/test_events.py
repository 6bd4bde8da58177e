"""The live stream: history and present without a gap, taken up again, filtered, ended in order."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import EventSource, ServerSentEvent

from muster import Client
from muster.http import api_events
from tests.live import Live, fresh
from tests.servers import Server
from tests.serving import wait_for

EVENTS = "/api/v1/events"


@contextmanager
def stream(url: str, last: str | int | None = None, **query: Any) -> Iterator[Iterator[ServerSentEvent]]:
    """The events; the first of them has been read: the server listens."""
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    with (
        httpx.Client(timeout=60, trust_env=False) as http,
        http.stream("GET", f"{url}{EVENTS}", params=query, headers=headers) as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        events = EventSource(response).iter_sse()
        begun = next(events)
        assert (begun.data, begun.retry) == ("", 2000)
        yield events


def next_changes(events: Iterator[ServerSentEvent], count: int) -> list[Any]:
    found = []
    for event in events:
        if event.event == "change":
            found.append(json.loads(event.data))
            assert event.id == str(found[-1]["position"])
        if len(found) == count:
            return found
    raise AssertionError(f"the stream ended after {len(found)} changes")


def position(server: Live) -> int:
    return int(server.send("GET", "/api/v1/changes", params={"limit": 1}).json()["items"][0]["position"])


def test_what_happens_is_told_as_the_list_of_changes_shows_it(server: Live) -> None:
    name = fresh()
    with stream(server.url) as events:
        server.register(name)
        (told,) = next_changes(events, 1)
    (listed,) = server.send("GET", "/api/v1/changes", params={"model": name}).json()["items"]
    assert told == listed
    assert told["actor"] == "anonymous"


@pytest.mark.parametrize("by", ["position", "commit"])
def test_a_stream_goes_on_after_what_was_seen_without_gap_or_repeat(server: Live, by: str) -> None:
    seen = position(server)
    for _ in range(4):
        server.register(fresh())
    with stream(server.url, seen) as events:
        first = next_changes(events, 2)
    with stream(server.url, first[-1][by]) as events:
        server.register(fresh())
        rest = next_changes(events, 3)
    assert [each["position"] for each in first + rest] == list(range(seen + 1, seen + 6))
    with stream(server.url, after=first[-1][by]) as events:
        assert next_changes(events, 3) == rest


def test_history_of_many_thousand_changes_and_the_present_come_without_a_gap(
    server: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("muster.service.stream.BATCH", 7)  # many batches, so many seams
    seen, count = position(server), 60
    for _ in range(count // 2):
        server.register(fresh())
    with stream(server.url, seen) as events:
        writing = threading.Thread(target=lambda: [server.register(fresh()) for _ in range(count // 2)])
        writing.start()
        told = next_changes(events, count)
        writing.join()
    assert [each["position"] for each in told] == list(range(seen + 1, seen + count + 1))


def test_the_filters_are_those_of_the_list(server: Live) -> None:
    one, other = fresh(), fresh()
    seen = position(server)
    for model in (one, other):
        server.register(model)
        server.register(model, "v2")
        server.send("POST", f"/models/{model}_v1/deploy", headers={"X-Muster-Actor": "ada"})
        server.send("POST", f"/models/{model}_v2/deploy", headers={"X-Muster-Actor": "bob"})
    last = server.send("GET", "/api/v1/changes", params={"limit": 1}).json()["items"][0]
    filters: list[dict[str, Any]] = [
        {"model": one},
        {"model": one, "number": 1},
        {"number": 1},
        {"environment": "production"},
        {"actor": "ada"},
        {"kinds": ["deploy", "note"]},
        {"since": last["time"], "model": other},
        {"model": other, "actor": "bob", "kinds": ["deploy"]},
    ]
    with Client(server.url) as client:
        for wanted in filters:
            listed = client.changes(**wanted, until=last["time"], limit=None)
            found = list(client.events(**wanted, until=last["time"], after=seen))
            assert found == [each for each in reversed(listed) if each["position"] > seen], wanted
            assert found or "number" in wanted


def test_it_begins_with_a_time_and_ends_with_one(server: Live) -> None:
    for _ in range(4):
        server.register(fresh())
    listed = server.send("GET", "/api/v1/changes", params={"limit": 4}).json()["items"][::-1]
    with stream(server.url, since=listed[1]["time"], until=listed[2]["time"]) as events:
        found = list(events)
    assert [event.id for event in found] == [str(each["position"]) for each in (*listed[1:3], listed[3])]
    assert (found[-1].event, json.loads(found[-1].data)) == ("end", {"reason": "until"})


def test_a_heartbeat_comes_while_nothing_happens_and_says_where_to_go_on(
    server: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_events, "HEARTBEAT_S", 0.0)
    with stream(server.url, model="nobody") as events:
        server.register(fresh())
        there = str(position(server))
        for event in events:
            assert event.data == ""
            if event.id == there:
                break


@pytest.mark.parametrize(
    ("last", "status"),
    [("x", 400), ("-1", 400), ("999999999", 400), ("abcdef0123", 404), ("9" * 30, 404)],
)
def test_a_place_that_is_none_is_refused(server: Live, last: str, status: int) -> None:
    assert server.http.get(EVENTS, headers={"Last-Event-ID": last}).status_code == status
    assert server.http.get(EVENTS, params={"after": last}).status_code == status


def test_streams_are_counted_and_no_more_than_a_limit_are_open(
    server: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_for(lambda: server.http.get("/metrics").text, lambda text: "muster_event_streams 0.0" in text)
    monkeypatch.setattr(api_events, "MOST", 1)
    with stream(server.url):
        assert "muster_event_streams 1.0" in server.http.get("/metrics").text
        answer = server.http.get(EVENTS)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    wait_for(lambda: server.http.get("/metrics").text, lambda text: "muster_event_streams 0.0" in text)


def test_a_stream_ends_in_order_when_the_server_does(tmp_path: Path) -> None:
    with Server(tmp_path / "home") as server:
        assert server.register("a").status_code == 201
        with stream(server.url) as events:
            server.process.send_signal(15)
            end = next(event for event in events if event.event == "end")
            assert json.loads(end.data) == {"reason": "shutdown"}
            assert list(events) == []
        assert server.wait() == 0
        assert "Traceback" not in server.said()


def test_a_client_goes_on_where_it_was_when_the_server_was_killed_and_started_again(tmp_path: Path) -> None:
    with Server(tmp_path / "home") as server:
        server.port = int(server.url.rpartition(":")[2])
        assert server.register("a").status_code == 201
        with Client(server.url) as client:
            events = client.events(since="2020-01-01T00:00:00Z")
            told = [next(events), next(events)]
            server.kill()
            server.start()
            assert server.register("b").status_code == 201
            told.append(next(events))
    assert [each.get("model") for each in told] == [None, "a", "b"]
    assert [each["position"] for each in told] == [1, 2, 3]
