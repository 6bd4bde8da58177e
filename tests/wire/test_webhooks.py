"""Webhooks from the API to a real receiver: told, signed, tried again, given up, repeated by hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from muster import Client, errors
from tests.live import Live, fresh, live
from tests.receivers import Receiver, receiving
from tests.serving import wait_for

API = "/api/v1/webhooks"
QUICK = {"webhook_hosts": ("127.0.0.1",), "webhook_pauses_s": (0.05, 0.05, 0.05), "webhook_timeout_s": 0.5}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("webhooks") / "home", **QUICK) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Live) -> Iterator[Client]:
    with Client(server.url, "ada") as client:
        yield client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def hook(client: Client, receiver: Receiver) -> Iterator[tuple[str, str]]:
    """The name and the secret of a webhook for changes of all kinds."""
    name = fresh("hook")
    yield name, client.add_webhook(name, receiver.url)["secret"]
    client.remove_webhook(name)


def answers(*statuses: int) -> Any:
    """These in turn, then 200."""
    left = iter([*statuses, *repeat(200, 1000)])
    return lambda _: next(left)


def test_a_message_is_signed_and_holds_the_change_as_the_api_shows_it(
    server: Live, client: Client, receiver: Receiver, hook: tuple[str, str]
) -> None:
    _, secret = hook
    name = fresh()
    client.register(name, "v1", reason="first")
    message = receiver.next()
    said = message.verified(secret)
    (change,) = server.send("GET", "/api/v1/changes", params={"model": name}).json()["items"]
    assert said == {"type": "change.register", "timestamp": change["time"], "data": change}
    assert (said["data"]["actor"], said["data"]["reason"]) == ("ada", "first")
    with pytest.raises(Exception, match="No matching signature"):
        message.verified("whsec_" + "A" * 40)


def test_what_is_told_can_be_chosen_by_kind_model_and_environment(
    server: Live, client: Client, receiver: Receiver
) -> None:
    one, other = fresh(), fresh()
    hooks = {
        fresh("hook"): {"kinds": ["deploy", "rollback"]},
        fresh("hook"): {"models": [one]},
        fresh("hook"): {"environments": ["staging"]},
        fresh("hook"): {"models": [other], "environments": ["production"], "kinds": ["deploy"]},
    }
    for name, wanted in hooks.items():
        client.add_webhook(name, f"{receiver.url}/{name}", **wanted)  # type: ignore[arg-type]  # lists all
    for model in (one, other):
        client.register(model, "v1")
        client.deploy(f"{model}_v1", "staging")
        client.deploy(f"{model}_v1", "production")
    newest = client.changes(limit=1)[0]["position"]
    wait_for(
        lambda: [h for h in client.webhooks() if h["position"] < newest or h["pending"]], lambda h: not h
    )
    told: dict[str, list[tuple[str, str, str | None]]] = {name: [] for name in hooks}
    while not receiver.got.empty():
        message = receiver.next()
        data = message.said["data"]
        told[message.path.rpartition("/")[2]].append((data["change"], data["model"], data.get("environment")))
    everything = [
        (change, model, environment)
        for model in (one, other)
        for change, environment in (("register", None), ("deploy", "staging"), ("deploy", "production"))
    ]
    assert list(told.values()) == [
        [each for each in everything if each[0] == "deploy"],
        [each for each in everything if each[1] == one],
        [each for each in everything if each[2] == "staging"],
        [("deploy", other, "production")],
    ]
    for name in hooks:
        client.remove_webhook(name)


def test_what_failed_is_sent_again_under_the_same_id_and_every_attempt_is_seen(
    client: Client, receiver: Receiver, hook: tuple[str, str]
) -> None:
    name, secret = hook
    receiver.answer = answers(500, 302)
    client.register(fresh(), "v1")
    messages = receiver.told(3)
    assert len({each.id for each in messages}) == 1
    assert len({each.body for each in messages}) == 1
    assert all(each.verified(secret) for each in messages)
    (delivery,) = wait_for(lambda: client.deliveries(name, state="delivered"), bool)
    assert delivery["id"] == messages[0].id
    assert [each["status"] for each in delivery["attempts"]] == [500, 302, 200]
    assert {each["response"] for each in delivery["attempts"]} == {"thanks"}
    assert delivery["next_attempt_at"] is None
    shown = client.webhook(name)
    assert (shown["delivered"], shown["failed"], shown["failing_since"], shown["lag"]) == (1, 2, None, 0)


def test_what_failed_for_good_is_kept_and_repeated_by_hand(
    client: Client, receiver: Receiver, hook: tuple[str, str]
) -> None:
    name, _ = hook
    receiver.answer = lambda _: 500
    client.register(fresh(), "v1")
    client.register(fresh(), "v1")
    first, second = wait_for(lambda: client.deliveries(name, state="failed"), lambda found: len(found) == 2)
    assert [len(each["attempts"]) for each in (first, second)] == [4, 4]
    again = client.redeliver(name, first["id"])
    assert (again["state"], len(again["attempts"])) == ("failed", 5)
    receiver.answer = lambda _: 204
    again = client.redeliver(name, first["id"])
    assert (again["state"], again["attempts"][-1]["status"]) == ("delivered", 204)
    assert client.recover_webhook(name)["recovered"] == 1
    wait_for(lambda: client.delivery(name, second["id"])["state"], lambda state: state == "delivered")
    receiver.answer = lambda _: 500
    assert client.redeliver(name, second["id"])["state"] == "delivered"


def test_a_receiver_that_is_slow_or_gone_holds_up_no_other(
    client: Client, receiver: Receiver, hook: tuple[str, str]
) -> None:
    slow, gone, free = fresh("slow"), fresh("gone"), threading.Event()
    with receiving() as stuck:
        stuck.answer = lambda _: 200 if free.wait() else 500
        client.add_webhook(slow, stuck.url)
        with receiving() as disappearing:
            client.add_webhook(gone, disappearing.url)
            client.register(fresh(), "v1")
            disappearing.next()
        model = fresh()
        client.register(model, "v1")
        assert receiver.told(2)[1].said["data"]["model"] == model
        assert "timed out" in first_error(client, slow)
        assert "refused" in first_error(client, gone)
        free.set()
    for name in (slow, gone):
        client.remove_webhook(name)


def first_error(client: Client, name: str) -> str:
    """Why the webhook got no answer, the first time that it got none."""

    def errors_of() -> list[str]:
        return [each["error"] for d in client.deliveries(name) for each in d["attempts"] if each["error"]]

    return wait_for(errors_of, bool)[-1]


def test_a_receiver_that_says_gone_is_disabled_and_goes_on_where_it_was_when_enabled(
    client: Client, receiver: Receiver, hook: tuple[str, str]
) -> None:
    name, _ = hook
    receiver.answer = answers(410)
    client.register(fresh(), "v1")
    first = receiver.next()
    shown = wait_for(lambda: client.webhook(name), lambda found: not found["active"])
    assert "410" in shown["disabled_because"]
    assert shown["disabled_at"] is not None
    client.register(fresh(), "v1")
    with pytest.raises(errors.Conflict, match="disabled"):
        client.recover_webhook(name)
    assert client.update_webhook(name, {"active": True})["active"]
    again, second = receiver.told(2)
    assert again.id == first.id
    assert second.id != first.id


def test_a_receiver_that_fails_for_long_is_disabled_and_says_so(tmp_path: Path) -> None:
    settings = {**QUICK, "webhook_pauses_s": (0.01,) * 20, "webhook_disable_s": 0.05}
    with receiving() as receiver, live(tmp_path / "home", **settings) as server:
        receiver.answer = lambda _: 500
        with Client(server.url) as client:
            client.add_webhook("tired", receiver.url)
            server.register("a")
            shown = wait_for(lambda: client.webhook("tired"), lambda found: not found["active"])
            assert shown["disabled_because"].startswith("nothing was delivered since 20")
            assert shown["failing_since"] is not None
            assert shown["pending"] == 1
        assert 'muster_webhook_active{webhook="tired"} 0.0' in server.http.get("/metrics").text


def test_when_a_receiver_is_back_what_waits_is_sent_at_once(tmp_path: Path) -> None:
    settings = {**QUICK, "webhook_pauses_s": (3600.0,)}
    with receiving() as receiver, live(tmp_path / "home", **settings) as server:
        receiver.answer = lambda message: 200 if message.said["data"]["model"] == "f" else 500
        with Client(server.url) as client:
            client.add_webhook("back", receiver.url)
            for name in "abcde":
                server.register(name)
            receiver.told(5)
            receiver.answer = answers()
            server.register("f")
            told = [message.said["data"]["model"] for message in receiver.told(6)]
            assert (told[0], sorted(told[1:])) == ("f", list("abcde"))


def test_a_place_beyond_the_end_of_a_restored_history_is_taken_back(tmp_path: Path) -> None:
    with receiving() as receiver:
        with live(tmp_path / "home", **QUICK) as server, Client(server.url) as client:
            client.add_webhook("restored", receiver.url)
            outbox = server.home.telling.outbox
            outbox.feed(outbox.hooks()[0].id, 10_000, ())
        with live(tmp_path / "home", **QUICK) as server, Client(server.url) as client:
            wait_for(lambda: client.webhook("restored")["position"], lambda position: position == 1)
            server.register("after")
            assert receiver.next().said["data"]["model"] == "after"


def test_a_webhook_is_made_once_for_one_key_and_its_secret_is_shown_only_then(
    server: Live, receiver: Receiver
) -> None:
    name = fresh("hook")
    body, key = {"name": name, "url": receiver.url}, {"Idempotency-Key": fresh("key")}
    made = server.send("POST", API, json=body, headers=key).json()
    assert server.send("POST", API, json=body, headers=key).json() == made
    answer = server.http.post(API, json=body | {"description": "other"}, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")
    answer = server.http.post(API, json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "taken")
    for path in (API, f"{API}/{name}", f"{API}/{name}/deliveries"):
        assert made["secret"] not in server.send("GET", path).text
    kept = server.home.settings.home / "secrets" / "outbox.db"
    assert kept.stat().st_mode & 0o777 == 0o600
    secret = made["secret"].encode()
    home = server.home.settings.home
    holding = {file for file in home.rglob("*") if file.is_file() and secret in file.read_bytes()}
    assert {file.parent.name for file in holding} == {"secrets"}
    server.send("DELETE", f"{API}/{name}")
    assert server.http.get(f"{API}/{name}").status_code == 404


def test_a_new_secret_signs_and_the_old_one_is_good_for_nothing(
    client: Client, receiver: Receiver, hook: tuple[str, str]
) -> None:
    name, old = hook
    new = client.renew_webhook_secret(name)["secret"]
    client.register(fresh(), "v1")
    message = receiver.next()
    assert message.verified(new)
    with pytest.raises(Exception, match="No matching signature"):
        message.verified(old)


def test_a_ping_says_what_was_answered_and_is_kept_nowhere(
    client: Client, receiver: Receiver, hook: tuple[str, str]
) -> None:
    name, secret = hook
    receiver.answer = answers(418)
    found = client.test_webhook(name)
    assert (found["delivered"], found["status"], found["response"]) == (False, 418, "thanks")
    said = receiver.next().verified(secret)
    assert (said["type"], said["data"]) == ("ping", {"webhook": name, "actor": "ada"})
    assert client.deliveries(name) == []


def test_what_changed_meanwhile_is_not_overwritten(
    server: Live, receiver: Receiver, hook: tuple[str, str]
) -> None:
    name, _ = hook
    seen = server.send("GET", f"{API}/{name}").headers["etag"]
    changed = server.send("PATCH", f"{API}/{name}", json={"description": "b"}, headers={"If-Match": seen})
    assert changed.json()["description"] == "b"
    answer = server.http.patch(f"{API}/{name}", json={"description": "c"}, headers={"If-Match": seen})
    assert (answer.status_code, answer.json()["code"]) == (412, "stale")
    now = {"If-Match": changed.headers["etag"]}
    assert (
        server.send("PATCH", f"{API}/{name}", json={"active": False}, headers=now).json()["active"] is False
    )


def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    client: Client, receiver: Receiver, hook: tuple[str, str]
) -> None:
    name, _ = hook
    other = fresh("hook")
    before = client.webhooks()
    assert client.add_webhook(other, receiver.url, dry_run=True)["subject"] == f"Make webhook {other}"
    with pytest.raises(errors.Invalid, match="public"):
        client.add_webhook(other, "https://10.0.0.1/", dry_run=True)
    assert client.update_webhook(name, {"active": False}, dry_run=True)["dry_run"]
    assert client.remove_webhook(name, dry_run=True)["dry_run"]
    assert client.test_webhook(name, dry_run=True)["dry_run"]
    assert client.renew_webhook_secret(name, dry_run=True)["dry_run"]
    assert client.recover_webhook(name, dry_run=True)["dry_run"]
    assert client.webhooks() == before
    assert receiver.got.empty()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": "-a"}, "name"),
        ({"name": 5}, "name"),
        ({"url": "http://example.org/"}, "url"),
        ({"url": "https://user:pass@127.0.0.1/"}, "url"),
        ({"url": "https://169.254.169.254/latest"}, "url"),
        ({"url": "https://[::ffff:192.168.0.1]/"}, "url"),
        ({"url": "https://nothing.invalid/"}, "url"),
        ({"kinds": ["deploy", "explode"]}, "kinds[1]"),
        ({"kinds": "deploy"}, "kinds"),
        ({"models": ["a/b"]}, "models[0]"),
        ({"environments": ["Production"]}, "environments[0]"),
        ({"secret": "whsec_c2hvcnQ="}, "secret"),
        ({"secret": "my-password"}, "secret"),
        ({"filter": "all"}, "filter"),
    ],
    ids=str,
)
def test_a_wrong_webhook_is_refused_by_field_and_leaves_nothing(
    server: Live, wrong: dict[str, Any], field: str
) -> None:
    right = {"name": fresh("hook"), "url": "https://127.0.0.1/hook"}
    answer = server.http.post(API, json=right | wrong)
    assert answer.status_code == 400
    assert [each["field"] for each in answer.json()["problems"]] == [field]
    assert "my-password" not in answer.text
    assert server.http.get(f"{API}/{right['name']}").status_code == 404


def test_what_is_not_there_is_not_found(server: Live, hook: tuple[str, str]) -> None:
    name, _ = hook
    for method, path in (
        ("GET", "nobody"), ("PATCH", "nobody"), ("DELETE", "nobody"), ("POST", "nobody/test"),
        ("POST", "nobody/secret"), ("POST", "nobody/recover"), ("GET", "nobody/deliveries"),
        ("GET", f"{name}/deliveries/msg_0"), ("POST", f"{name}/deliveries/msg_0/redeliver"),
    ):  # fmt: skip
        answer = server.http.request(method, f"{API}/{path}", json={})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


def test_deliveries_come_page_by_page_newest_first(
    server: Live, client: Client, receiver: Receiver, hook: tuple[str, str]
) -> None:
    name, _ = hook
    models = [fresh() for _ in range(5)]
    for model in models:
        server.register(model)
    receiver.told(5)
    pages, after = [], None
    while True:
        params = {"limit": 2} | ({"after": after} if after else {})
        page = server.send("GET", f"{API}/{name}/deliveries", params=params).json()
        assert page["count"] == 5
        pages.append([each["position"] for each in page["items"]])
        if (after := page["next"]) is None:
            break
    assert [len(page) for page in pages] == [2, 2, 1]
    flat = [position for page in pages for position in page]
    assert flat == sorted(flat, reverse=True)


def test_metrics_say_what_was_delivered_what_failed_and_the_lag_in_changes(
    server: Live, client: Client, receiver: Receiver, hook: tuple[str, str]
) -> None:
    name, _ = hook
    receiver.answer = answers(500)
    server.register(fresh())
    wait_for(lambda: client.webhook(name)["delivered"], bool)
    client.update_webhook(name, {"active": False})
    server.register(fresh())
    server.register(fresh())
    told = server.http.get("/metrics").text
    assert f'muster_webhook_deliveries_total{{webhook="{name}"}} 1.0' in told
    assert f'muster_webhook_failures_total{{webhook="{name}"}} 1.0' in told
    assert f'muster_webhook_lag_changes{{webhook="{name}"}} 2.0' in told
    assert f'muster_webhook_active{{webhook="{name}"}} 0.0' in told
