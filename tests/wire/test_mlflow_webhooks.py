"""Webhooks as MLflow's client makes them: what is told, signed, kept secret, and refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import queue
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest

from muster.domain.errors import Invalid
from muster.sending import addresses, posting
from muster.service.hooks import Unreachable
from tests.answering import answering
from tests.live import Live, fresh, live
from tests.mlflow_clients import connected
from tests.serving import wait_for

pytestmark = pytest.mark.filterwarnings("ignore::Warning")  # MLflow's own
SECRET = "only-we-know"
API = "/api/2.0/mlflow"


class Receiver(BaseHTTPRequestHandler):
    """Keeps what it gets, and answers with the statuses that wait for their turn, then with 200."""

    got: ClassVar[queue.Queue[tuple[str, dict[str, str], bytes]]] = queue.Queue()
    statuses: ClassVar[list[int]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        status = self.statuses.pop(0) if self.statuses else 200
        self.send_response(status)
        if status == 302:
            self.send_header("location", "/elsewhere")
        self.send_header("content-length", "6")
        self.end_headers()
        self.wfile.write(b"thanks")
        self.got.put((self.path, headers, body))

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def receiver() -> Iterator[str]:
    with answering(Receiver) as address:
        yield address


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("webhooks") / "home"


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Live]:
    with live(home, webhook_hosts=("127.0.0.1",)) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with connected(server.url, tmp_path_factory.mktemp("tracking")) as client:
        yield client


@pytest.fixture(autouse=True)
def nothing_left(server: Live) -> Iterator[None]:
    yield
    for webhook in server.http.get(f"{API}/webhooks").json().get("webhooks", ()):
        server.http.request("DELETE", f"{API}/webhooks/{webhook['webhook_id']}", json={})
    while not Receiver.got.empty():
        Receiver.got.get()
    Receiver.statuses.clear()


def heard() -> tuple[dict[str, str], dict[str, Any]]:
    """The headers and the body of the next delivery."""
    _, headers, body = Receiver.got.get(timeout=60)
    signed = f"{headers['x-mlflow-delivery-id']}.{headers['x-mlflow-timestamp']}.".encode() + body
    digest = hmac.digest(SECRET.encode(), signed, hashlib.sha256)
    assert headers["x-mlflow-signature"] == "v1," + base64.b64encode(digest).decode()
    said: dict[str, Any] = json.loads(body)
    return headers, said


def test_every_event_is_told_in_order_and_signed(client: Any, receiver: str) -> None:
    every = [
        "registered_model.created", "model_version.created", "model_version_tag.set",
        "model_version_tag.deleted", "model_version_alias.created", "model_version_alias.deleted",
    ]  # fmt: skip
    client.create_webhook("all-of-it", f"{receiver}/hook", every, "Tell me", SECRET)
    name = fresh("told")
    client.create_registered_model(name, {"a": "b"}, "Why")
    client.create_model_version(name, "s3://b/1", "run-1", {"c": "d"})
    client.set_model_version_tag(name, "1", "x.y", "1")
    client.set_registered_model_tag(name, "nobody", "asked")
    client.delete_model_version_tag(name, "1", "x.y")
    client.set_registered_model_alias(name, "champion", 1)
    client.delete_registered_model_alias(name, "champion")
    told = [heard()[1] for _ in every]
    assert [f"{each['entity']}.{each['action']}" for each in told] == every
    assert [each["data"] for each in told] == [
        {"name": name, "tags": {"a": "b"}, "description": "Why"},
        {
            "name": name, "version": "1", "source": "s3://b/1", "run_id": "run-1", "tags": {"c": "d"},
            "description": None,
        },
        {"name": name, "version": "1", "key": "x.y", "value": "1"},
        {"name": name, "version": "1", "key": "x.y"},
        {"name": name, "alias": "champion", "version": "1"},
        {"name": name, "alias": "champion"},
    ]  # fmt: skip
    assert all(each["timestamp"].endswith("+00:00") for each in told)


def test_prompts_have_events_of_their_own(client: Any, receiver: str) -> None:
    import mlflow

    every = ["prompt.created", "prompt_version.created", "prompt_alias.created"]
    client.create_webhook("prompts", f"{receiver}/hook", every, secret=SECRET)
    name = fresh("prompt")
    mlflow.genai.register_prompt(name, "Answer {{question}}")
    mlflow.genai.set_prompt_alias(name, "live", 1)
    told = [heard()[1] for _ in every]
    assert [f"{each['entity']}.{each['action']}" for each in told] == every
    assert told[1]["data"]["template"] == "Answer {{question}}"
    client.create_webhook("tags", f"{receiver}/hook", ["prompt_tag.set"], secret=SECRET)
    client.set_prompt_tag(name, "lang", "en")
    while (said := heard()[1]["data"])["key"] != "lang":
        assert said["key"] == "_mlflow_experiment_ids"  # MLflow's own, set beside
    assert said == {"name": name, "key": "lang", "value": "en"}


def test_what_fails_for_the_moment_is_sent_again_under_the_same_id(client: Any, receiver: str) -> None:
    client.create_webhook("again", f"{receiver}/hook", ["registered_model.created"], secret=SECRET)
    Receiver.statuses[:] = [503, 429]
    client.create_registered_model(fresh("again"))
    ids = {heard()[0]["x-mlflow-delivery-id"] for _ in range(3)}
    assert len(ids) == 1
    Receiver.statuses[:] = [302]  # a redirect is not followed, and not tried again
    client.create_registered_model(fresh("again"))
    client.create_registered_model(fresh("again"))
    first, second = heard(), heard()
    assert first[0]["x-mlflow-delivery-id"] != second[0]["x-mlflow-delivery-id"]


def test_a_webhook_is_read_changed_switched_off_and_deleted(server: Live, client: Any, receiver: str) -> None:
    made = client.create_webhook("mine", f"{receiver}/hook", ["registered_model.created"], secret=SECRET)
    found = client.get_webhook(made.webhook_id)
    assert (found.name, found.status, found.secret) == ("mine", "ACTIVE", None)
    assert SECRET not in server.http.get(f"{API}/webhooks/{made.webhook_id}").text
    client.update_webhook(made.webhook_id, description="Mine", status="DISABLED")
    client.create_registered_model(fresh("unheard"))
    changed = client.update_webhook(made.webhook_id, status="ACTIVE")
    assert (changed.name, changed.description, changed.url) == ("mine", "Mine", made.url)
    name = fresh("heard")
    client.create_registered_model(name)
    assert heard()[1]["data"]["name"] == name
    client.delete_webhook(made.webhook_id)
    with pytest.raises(Exception, match="not found") as raised:
        client.get_webhook(made.webhook_id)
    assert getattr(raised.value, "error_code", "") == "RESOURCE_DOES_NOT_EXIST"


def test_webhooks_are_listed_newest_first_page_by_page(client: Any, receiver: str) -> None:
    for at in range(5):
        client.create_webhook(f"w{at}", f"{receiver}/hook", ["registered_model.created"])
    names, token = [], None
    while True:
        page = client.list_webhooks(max_results=2, page_token=token)
        names.append([each.name for each in page])
        if not (token := page.token):
            break
    assert [name for page in names for name in page] == ["w4", "w3", "w2", "w1", "w0"]


def test_a_test_says_what_the_receiver_answered(client: Any, receiver: str) -> None:
    made = client.create_webhook("tried", f"{receiver}/hook", ["model_version.created"], secret=SECRET)
    Receiver.statuses[:] = [418]
    result = client.test_webhook(made.webhook_id)
    assert (result.success, result.response_status, result.response_body) == (False, 418, "thanks")
    assert heard()[1]["data"]["name"] == "example_model"
    nobody = client.create_webhook("nobody", "http://127.0.0.1:9/hook", ["model_version.created"])
    result = client.test_webhook(nobody.webhook_id)
    assert not result.success
    assert "did not answer" in result.error_message


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "-a"},
        {"name": "a" * 64},
        {"name": ""},
        {"url": "http://example.org/"},
        {"url": "ftp://127.0.0.1/"},
        {"url": "https://user:pass@127.0.0.1/"},
        {"url": "https://10.0.0.1/"},
        {"url": "https://[::ffff:192.168.0.1]/"},
        {"url": "https://[::1]/"},
        {"url": "https://nothing.invalid/"},
        {"url": "https://127.0.0.1:99999/"},
        {"events": []},
        {"events": [{"entity": "REGISTERED_MODEL", "action": "DELETED"}]},
        {"events": [{"entity": "STAGE", "action": "SET"}]},
        {"status": "PAUSED"},
        {"secret": 5},
    ],
    ids=str,
)
def test_a_wrong_webhook_is_refused(server: Live, wrong: dict[str, Any]) -> None:
    right = {
        "name": "a",
        "url": "https://127.0.0.1/hook",
        "events": [{"entity": "PROMPT", "action": "CREATED"}],
    }
    answer = server.http.post(f"{API}/webhooks", json=right | wrong)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    made = server.http.post(f"{API}/webhooks", json=right).json()["webhook"]
    if wrong.get("name") != "":
        answer = server.http.patch(f"{API}/webhooks/{made['webhook_id']}", json=wrong)
        assert answer.status_code == 400
    assert server.http.get(f"{API}/webhooks/{made['webhook_id']}").json()["webhook"] == made


def test_unknown_webhooks_are_not_found(server: Live) -> None:
    for method, path in (("GET", "x"), ("PATCH", "x"), ("DELETE", "x"), ("POST", "x/test")):
        answer = server.http.request(method, f"{API}/webhooks/{path}", json={})
        assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "224.0.0.1", "0.0.0.0", "::1", "fe80::1",
     "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "::"],
)  # fmt: skip
def test_an_address_that_is_not_public_is_none_in_any_form(address: str) -> None:
    shown = f"[{address}]" if ":" in address else address
    with pytest.raises(Invalid, match="public"):
        addresses.url(f"https://{shown}/hook")
    with pytest.raises(Unreachable, match="public"):
        posting.post(f"https://{shown}/hook", b"{}", {}, allowed=())


def test_secrets_are_in_a_file_of_their_own_and_what_was_missed_is_told_later(
    receiver: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    body = {
        "name": "lasting",
        "url": f"{receiver}/hook",
        "secret": SECRET,
        "events": [{"entity": "REGISTERED_MODEL", "action": "CREATED"}],
    }
    with live(home, webhook_hosts=("127.0.0.1",)) as server:
        assert server.http.post(f"{API}/webhooks", json=body).status_code == 200
        assert server.http.post(f"{API}/registered-models/create", json={"name": "first"}).status_code == 200
        assert heard()[1]["data"]["name"] == "first"
    kept = home / "secrets" / "webhooks.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    holding = [file for file in home.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]
    assert holding == [kept]
    with live(home, webhook_hosts=("127.0.0.1",)) as server:
        server.register("second")
        assert heard()[1]["data"]["name"] == "second"
        wait_for(Receiver.got.empty, bool)
