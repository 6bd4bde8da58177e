"""Whatever is sent to the dialect, in whatever form, is answered: with 200, or a 4xx in MLflow's form."""

from __future__ import annotations

import json
import string
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muster.dialects import mlflow, mlflow_webhooks
from tests.live import Live, live

API = "/api/2.0/mlflow"
ROUTES = sorted({*mlflow.ROUTES, *mlflow_webhooks.ROUTES})
FIELDS = (
    "name", "new_name", "version", "source", "key", "value", "alias", "stage", "stages", "tags",
    "description", "filter", "order_by", "max_results", "page_token", "run_id", "runId",
    "archive_existing_versions", "url", "events", "status", "secret", "model_id",
)  # fmt: skip
LIKELY = (
    "m", "n", "1", "2", "0", "-1", "s3://b/x", "models:/m/1", "models:/m@a", "models:/m-00", "a",
    "Production", "None", "name = 'm'", "tags.a LIKE '%'", "name ASC", "timestamp DESC", "latest", "%",
    "true", "ACTIVE", "https://10.0.0.1/", "eyJvZmZzZXQiOiAxfQ==",
)  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("fuzz") / "home") as running:
        yield running


words = st.sampled_from(LIKELY) | st.text(max_size=12)
plain = words | st.none() | st.booleans() | st.integers() | st.floats()
values = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["key", "value", "entity", "action"]), inner, max_size=3)
    ),
    max_leaves=5,
)
bodies = st.dictionaries(st.sampled_from(FIELDS), values, max_size=6) | st.fixed_dictionaries(
    {"name": st.sampled_from(["m", "n"]), "version": st.sampled_from(["1", "2", 1])},
    optional=dict.fromkeys(FIELDS[3:], values),
)
many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def check(answer: httpx.Response) -> None:
    body = answer.json()
    assert isinstance(body, dict)
    if answer.status_code != 200:
        assert 400 <= answer.status_code < 500, answer.text
        assert set(body) == {"error_code", "message"}


def sendable(value: object) -> str:
    return str(value).encode("utf-8", "replace").decode()


def encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()  # NaN and lone surrogates too


@given(st.sampled_from(ROUTES), bodies)
@many
def test_any_arguments_in_a_body(server: Live, route: tuple[str, str], body: dict[str, Any]) -> None:
    method, path = route
    headers = {"content-type": "application/json"}
    check(server.http.request(method, f"{API}/{path}", content=encoded(body), headers=headers))


@given(st.sampled_from([path for method, path in ROUTES if method == "GET"]), bodies)
@many
def test_any_arguments_in_a_query(server: Live, path: str, body: dict[str, Any]) -> None:
    asked = {
        name: [sendable(each) for each in (value if isinstance(value, list) else [value])]
        for name, value in body.items()
    }
    check(server.http.get(f"{API}/{path}", params=asked))


@given(
    st.sampled_from(["GET", "POST", "PATCH", "DELETE", "PUT"]),
    st.text(string.ascii_letters + string.digits + string.punctuation.replace("#", ""), max_size=20),
    st.binary(max_size=40),
    st.sampled_from(["application/json", "text/plain", ""]),
)
@many
def test_any_path_and_bytes(server: Live, method: str, path: str, body: bytes, kind: str) -> None:
    url = httpx.URL(server.url).copy_with(raw_path=f"{API}/{path}".encode().replace(b" ", b"%20"))
    check(server.http.request(method, url, content=body, headers={"content-type": kind}))


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF), min_size=1, max_size=30))
@many
def test_any_credentials(server: Live, credentials: str) -> None:
    for scheme in ("Basic ", "Bearer ", ""):
        headers = {b"authorization": f"{scheme}{credentials}".encode("latin-1")}
        answer = server.http.get(f"{API}/registered-models/search", headers=headers)
        if answer.headers["content-type"] == "application/json":  # else it is no header: the server says so
            check(answer)
