"""schemathesis reads our own OpenAPI document, and looks for requests that break the server."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.live import Live, fresh, live

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
bounded = settings(
    max_examples=8, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Live]:
    with live(tmp_path / "home", webhook_hosts=("127.0.0.1",)) as running:
        yield running


def known(server: Live) -> dict[str, str]:
    """Path parameters that name what is there: a model with a version that is deployed."""
    name = fresh()
    model_id = server.register(name, tags={"lang": "de"}, metrics={"f1": 0.5})
    commit = server.send("POST", f"/models/{model_id}/deploy").headers["Muster-Commit"]
    server.send("PUT", f"/api/v1/models/{name}/aliases/best", json={"version": "v1"})
    names = {"model_id": model_id, "model": name, "version": "v1", "environment": "production"}
    policy = {"expression": "true", "message": "x", "on": ["note"]}
    server.send("PUT", "/api/v1/policies/notes", json=policy)
    # One for all operations, unless one of them took it away: there may be a hundred of them.
    if server.http.get("/api/v1/webhooks/hook").status_code == 404:
        server.send("POST", "/api/v1/webhooks", json={"name": "hook", "url": "http://127.0.0.1:9/hook"})
    return names | {
        "alias": "best",
        "commit": commit,
        "path": "model.onnx",
        "webhook": "hook",
        "policy": "notes",
    }


@pytest.mark.timeout(300)
def test_no_request_breaks_the_server_or_its_word(server: Live) -> None:
    schema = schemathesis.openapi.from_url(f"{server.url}/schema/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    assert len(operations) > 40
    for operation, mode in product(operations, GenerationMode):
        if mode is GenerationMode.NEGATIVE and not operation.body:
            continue  # any string is a path, so there is nothing to do wrong
        print(operation.label, mode)  # shown if it fails
        probe(operation.as_strategy(generation_mode=mode), known(server))


def probe(cases: st.SearchStrategy[Any], there: dict[str, str]) -> None:
    """Send some of `cases`, about half of them to what is there."""

    @bounded
    @given(case=cases, hit=st.booleans())
    def holds(case: Any, hit: bool) -> None:
        if hit:
            case.path_parameters.update({key: there[key] for key in case.path_parameters if key in there})
        if case.path == "/api/v1/events":  # else it would last for ever
            case.query["until"] = "2020-01-01T00:00:00Z"
        case.call_and_validate(checks=CHECKS, timeout=30)

    holds()
