"""Who may ask and how much: hosts, origins, limits, malformed requests, hostile names."""

from __future__ import annotations

import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import httpx
import pytest

from tests.live import Live, fresh

BODY = {"version": "v1", "description": "d", "training_data": "t"}


# ------------------------------------------------------------ senders


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "10.0.0.1:5000"])
def test_an_unknown_host_is_refused(server: Live, host: str) -> None:
    answer = server.http.post("/models", json={"name": fresh(), **BODY}, headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (403, "denied")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:1234", "[::1]:5000"])
def test_every_name_of_the_loopback_interface_is_known(server: Live, host: str) -> None:
    assert server.http.get("/models", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/models", "/api/v1/models", "/serve/production/m/infer"])
def test_another_sites_page_cannot_write(server: Live, header: dict[str, str], path: str) -> None:
    answer = server.http.post(path, json={"name": fresh(), **BODY}, headers=header)
    assert answer.status_code == 403
    assert server.http.get("/models", headers=header).status_code == 200


def test_our_own_page_can_write(server: Live) -> None:
    headers = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
    answer = server.http.post("/models", json={"name": fresh(), **BODY}, headers=headers)
    assert answer.status_code == 201


# ------------------------------------------------------------ request ids, shapes


def test_a_request_keeps_the_id_that_it_came_with(server: Live) -> None:
    for path in ("/models", "/models/none", "/api/v1/none", "/serve/production/none/infer", "/healthz"):
        answer = server.http.get(path, headers={"X-Request-Id": "trace-1.a_B"})
        assert answer.headers["X-Request-Id"] == "trace-1.a_B"


@pytest.mark.parametrize("given", [None, "", "two words", "x" * 65])
def test_a_request_without_a_proper_id_gets_one(server: Live, given: str | None) -> None:
    headers = {} if given is None else {"X-Request-Id": given}
    made = {server.http.get("/models", headers=headers).headers["X-Request-Id"] for _ in range(2)}
    assert len(made) == 2
    assert given not in made


def test_no_answer_is_cached_or_sniffed(server: Live) -> None:
    for path in ("/models", "/models/none", "/api/v1/models", "/docs"):
        headers = server.http.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


def test_errors_of_the_api_are_problems_with_a_code_and_the_request(server: Live) -> None:
    answer = server.http.get("/api/v1/models/nobody", headers={"X-Request-Id": "r1"})
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Model not found: nobody",
        "code": "not_found",
        "request_id": "r1",
        "kind": "model",
        "name": "nobody",
    }


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/schema/nothing", 404),
        ("DELETE", "/models", 405),
        ("PUT", "/api/v1/models", 405),
        ("POST", "/healthz", 405),
        ("GET", "/models/%ff", 400),
        ("GET", "//models", 404),
    ],
)
def test_what_is_not_there_is_answered_in_the_same_shape(
    server: Live, method: str, path: str, status: int
) -> None:
    answer = server.http.request(method, f"{server.url}{path}")
    assert answer.status_code == status
    shown = answer.json()
    assert shown["code"]
    assert ("detail" in shown) == path.startswith("/api/v1")
    if status == 405:
        assert answer.headers["Allow"]


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/models", "GET, HEAD, OPTIONS, POST"),
        ("/models/nobody", "GET, HEAD, OPTIONS"),
        ("/models/nobody/deploy", "OPTIONS, POST"),
        ("/api/v1/environments/moon", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("/api/v1/models/m/versions/v1/files/a/b.bin", "DELETE, GET, HEAD, OPTIONS, PUT"),
    ],
)
def test_options_names_every_method_of_a_path(server: Live, path: str, methods: str) -> None:
    answer = server.http.options(path)
    assert (answer.status_code, answer.headers["Allow"]) == (204, methods)
    assert answer.content == b""


def test_head_answers_as_get_does_without_the_body(server: Live) -> None:
    model_id = server.register(fresh())
    for path in ("/models", f"/models/{model_id}", "/healthz", "/api/v1/models"):
        answer = server.http.head(path)
        assert (answer.status_code, answer.content) == (200, b"")
        assert int(answer.headers["Content-Length"]) > 0
    assert server.http.head("/models/nobody").status_code == 404


# ------------------------------------------------------------ limits and malformed bodies


@pytest.mark.parametrize("path", ["/models", "/api/v1/models"])
@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_a_mebibyte_is_refused_while_it_comes(server: Live, path: str, declared: bool) -> None:
    content = json.dumps({"name": fresh(), **BODY, "description": "x" * 3_000_000}).encode()
    sent = content if declared else (content[at : at + 65536] for at in range(0, len(content), 65536))
    answer = server.http.post(path, content=sent)
    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"
    assert "1,048,576" in str(answer.json())


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"not json",
        b'{"name": "a" "b"}',
        b'"text"',
        b"[]",
        b"7",
        b'{"name": "\xff"}',
        b'{"metrics": {"a": NaN}}',
        b'{"metrics": {"a": Infinity}}',
        b'{"metrics": {"a": 1e999}}',
        b'{"name": "\\ud800"}',
        b"[" * 200_000,
        b'{"params":' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
        b'{"number": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda content: content[:24].decode("latin-1"),
)
@pytest.mark.parametrize("path", ["/models", "/api/v1/models"])
def test_a_body_that_is_no_proper_json_is_refused(server: Live, content: bytes, path: str) -> None:
    answer = server.http.post(path, content=content)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"
    assert "Traceback" not in answer.text


def test_of_a_key_given_twice_the_last_one_counts(server: Live) -> None:
    name = fresh()
    content = f'{{"name": "x", "name": "{name}", "version": "1", "description": "", "training_data": ""}}'
    assert server.http.post("/models", content=content).json()["model_id"] == f"{name}_1"


@pytest.mark.parametrize(
    "change",
    [
        {"name": "x" * 257},
        {"tags": {f"t{at}": "" for at in range(1001)}},
        {"reason": "x" * 4001},
        {"description": "x" * 65_537},
        {"params": {"deep": [[[[[[[[[[1]]]]]]]]]]}},
        {"metrics": {"big": 2**70}},
    ],
    ids=["name", "tags", "reason", "description", "depth", "number"],
)
def test_each_limit_is_named(server: Live, change: dict[str, object]) -> None:
    answer = server.http.post("/models", json={"name": fresh(), **BODY, **change})
    assert answer.status_code == 400
    assert next(iter(change)) in answer.json()["error"]


def test_an_error_inside_says_nothing_of_itself(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(server.home.storage.index), "count_models", lambda *_, **__: 1 / 0)
    plain, api = server.http.get("/metrics"), server.http.get("/api/v1/models")
    assert (plain.status_code, api.status_code) == (500, 500)
    assert plain.json()["error"] == "internal error"
    assert plain.json()["request_id"] == plain.headers["X-Request-Id"]
    assert api.json()["detail"] == "internal error"
    assert "division" not in plain.text + api.text


# ------------------------------------------------------------ names

HOSTILE = [
    "späße 模型",
    "100% sure",
    'it\'s "quoted"',
    "a:b@c",
    "x" * 256,
    ".git",
    "con",
    "..hidden",
    "~tilde",
    "a+b&c=d?e#f",
    "%2e%2e",
    "%252F",
    "back\\slash",
    "ＡＢＣ",
    "e\u0301",
    "\u00e9",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_kept_exactly_and_found_again(server: Live, name: str) -> None:
    answer = server.http.post("/models", json={"name": name, **BODY})
    assert answer.status_code == 201, answer.text
    model_id = answer.json()["model_id"]
    assert model_id == f"{name}_v1"
    for path in (f"/models/{quote(model_id, safe='')}", f"/api/v1/models/{quote(name, safe='')}/versions/v1"):
        record = _raw(server, path)
        assert record["name"] == name
    assert _raw(server, f"/models/{quote(model_id, safe='')}/history")["model_id"] == model_id
    assert _raw(server, f"/api/v1/models/{quote(name, safe='')}")["name"] == name


def _raw(server: Live, path: str) -> dict[str, object]:
    """GET without a client that tidies the path up."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", path)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status == 200, content
    found: dict[str, object] = json.loads(content)
    return found


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        ".",
        "a/b",
        "nul\0",
        "line\nbreak",
        "tab\t",
        " padded",
        "padded ",
        "\u202eevil",
        "\ud800",
        5,
        None,
        ["a"],
    ],
    ids=repr,
)
def test_a_name_that_cannot_be_kept_is_refused(server: Live, name: object) -> None:
    content = json.dumps({"name": name, **BODY}).encode()
    answer = server.http.post("/models", content=content)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"


@pytest.mark.parametrize("label", ["v/1", "v@1", "v:1", "..", "7", " 1"])
def test_a_label_that_would_be_ambiguous_is_refused(server: Live, label: str) -> None:
    answer = server.http.post("/models", json={"name": fresh(), **BODY, "version": label})
    assert answer.status_code == 400


# ------------------------------------------------------------ health


def test_health_readiness_and_metrics(server: Live) -> None:
    model_id = server.register(fresh())
    server.http.get(f"/models/{model_id}")
    server.http.get("/api/v1/models/nobody")
    assert server.http.get("/healthz").json() == {"status": "ok"}
    assert server.http.get("/readyz").status_code == 200
    metrics = server.http.get("/metrics")
    assert metrics.headers["Content-Type"].startswith("text/plain")
    assert 'route="/models/{model_id}",status="200"' in metrics.text
    assert 'route="/api/v1/models/{model}",status="404"' in metrics.text
    assert "muster_versions " in metrics.text
    assert "nobody" not in metrics.text


def test_an_index_that_is_behind_is_not_ready(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(server.home.storage.index), "head", lambda _: "0" * 40)
    answer = server.http.get("/readyz")
    assert answer.status_code == 503


def test_a_server_is_ready_while_it_writes(server: Live) -> None:
    with ThreadPoolExecutor(4) as writers:
        written = [writers.submit(lambda: server.register(fresh())) for _ in range(40)]
        answers = {server.http.get("/readyz").status_code}
        while not all(each.done() for each in written):
            answers.add(server.http.get("/readyz").status_code)
    assert answers == {200}


def test_the_docs_need_nothing_from_elsewhere(server: Live) -> None:
    page = server.http.get("/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "<script" not in page.text
    assert "src=" not in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "/api/v1/deployments/{environment}/{model}" in page.text


def test_slow_writes_do_not_hold_up_reads(server: Live) -> None:
    """The committer is made to wait; point reads and lists still answer."""
    model_id = server.register(fresh())
    with server.home.storage.folder.writing(), httpx.Client(base_url=server.url) as other:
        writers = [threading.Thread(target=server.register, args=(fresh(),)) for _ in range(20)]
        for writer in writers:
            writer.start()
        assert other.get(f"/models/{model_id}").status_code == 200
        assert other.get("/api/v1/models").status_code == 200
        assert any(writer.is_alive() for writer in writers)
    for writer in writers:
        writer.join()
