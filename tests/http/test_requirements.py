"""Required fields over HTTP: set, shown, tried out, and what is refused without them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.live import Live, fresh

REQUIREMENTS = "/api/v1/requirements"
REGISTRY = f"{REQUIREMENTS}/registry"
RISK: dict[str, Any] = {"properties": {"tags": {"required": ["risk_tier"]}}}


@pytest.fixture(autouse=True)
def nothing_left(server: Live) -> Iterator[None]:
    yield
    for each in server.send("GET", REQUIREMENTS).json()["items"]:
        path = REGISTRY if each["team"] is None else f"{REQUIREMENTS}/team/{each['team']}"
        server.send("DELETE", path)


def require(server: Live, schema: Any = RISK, **more: Any) -> str:
    """The ETag of what is then required."""
    return server.send("PUT", REGISTRY, json={"schema": schema, **more}).headers["ETag"]


def test_a_requirement_is_set_shown_changed_and_taken_away(server: Live) -> None:
    assert server.http.get(REGISTRY).status_code == 404
    said = {"schema": RISK, "block": ["register"], "environments": ["production"], "description": "audit"}
    made = server.send("PUT", REGISTRY, json={**said, "reason": "Act"})
    assert made.json() == {"team": None, **said}
    change = server.send("GET", f"/api/v1/changes/{made.headers['Muster-Commit']}").json()
    assert (change["change"], change["message"], change["reason"]) == (
        "require", "Set what the registry requires", "Act",
    )  # fmt: skip
    shown = server.send("GET", REGISTRY)
    assert (shown.json(), shown.headers["ETag"]) == (made.json(), made.headers["ETag"])
    same = server.send("PUT", REGISTRY, json=said)
    assert "Muster-Commit" not in same.headers
    assert same.headers["ETag"] == made.headers["ETag"]
    stale = server.http.put(REGISTRY, json={"schema": {}}, headers={"If-Match": f'"{"0" * 40}"'})
    assert stale.status_code == 412
    assert server.send("GET", REQUIREMENTS).json() == {"items": [made.json()], "count": 1, "next": None}
    assert server.send("DELETE", REGISTRY).status_code == 204
    assert server.http.get(REGISTRY).status_code == 404
    assert server.http.delete(REGISTRY).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "schema"),
        ({"schema": []}, "schema"),
        ({"schema": {"type": "nope"}}, "schema.type"),
        ({"schema": {"$ref": "http://127.0.0.1:9/x"}}, "schema"),
        ({"schema": {}, "block": ["all"]}, "block[0]"),
        ({"schema": {}, "environments": ["No"]}, "environments[0]"),
        ({"schema": {}, "team": "nlp"}, "team"),
    ],
)
def test_bad_input_is_refused_with_field_and_rule(server: Live, body: Any, field: str) -> None:
    answer = server.http.put(REGISTRY, json=body)
    assert answer.status_code == 400
    assert field in [problem["field"] for problem in answer.json()["problems"]]
    assert server.http.get(REGISTRY).status_code == 404


def test_a_team_that_is_not_there_requires_nothing(server: Live) -> None:
    for method in ("PUT", "GET", "DELETE"):
        body: Any = {"schema": {}} if method == "PUT" else None
        assert server.http.request(method, f"{REQUIREMENTS}/team/moon", json=body).status_code == 404
    assert server.http.get(f"{REQUIREMENTS}/team/No").status_code == 400


def test_a_registration_without_its_fields_is_refused_at_every_door(server: Live) -> None:
    require(server, block=["register"])
    name = fresh()
    body = {"name": name, "version": "v1", "description": "d", "training_data": "t"}
    plain = server.http.post("/models", json=body)
    api = server.http.post(f"/api/v1/models/{name}/versions", json={"version": "v1"})
    server.send("POST", "/api/2.0/mlflow/registered-models/create", json={"name": name})
    mlflow = server.http.post(
        "/api/2.0/mlflow/model-versions/create", json={"name": name, "source": "s3://models/x"}
    )
    assert [plain.status_code, api.status_code, mlflow.status_code] == [403, 403, 403]
    (objection,) = api.json()["objections"]
    assert objection["message"] == f"{name} v1 lacks what the registry requires: tags.risk_tier is required"
    assert server.send("GET", f"/api/v1/models/{name}/versions").json()["count"] == 0
    server.register(name, tags={"risk_tier": "low"})


def test_a_deployment_without_its_fields_is_refused_and_foreseen(server: Live) -> None:
    name = fresh()
    server.register(name)
    require(server, block=["deploy"], environments=["production"])
    path = f"/api/v1/deployments/production/{name}"
    foreseen = server.send("PUT", f"{path}?dry_run=true", json={"version": "v1"}).json()
    assert "tags.risk_tier is required" in foreseen["objections"][0]["message"]
    assert server.http.put(path, json={"version": "v1"}).status_code == 403
    server.send("PATCH", f"/api/v1/models/{name}", json={"tags": {"risk_tier": "low"}})
    assert server.http.put(path, json={"version": "v1"}).status_code < 300


def test_what_a_version_lacks_can_be_asked(server: Live) -> None:
    name = fresh()
    server.register(name)
    path = f"/api/v1/models/{name}/versions/v1/lacks"
    assert server.send("GET", path).json()["lacks"] == []
    require(server, block=["deploy"])
    lacks = server.send("GET", path).json()["lacks"]
    assert lacks == [{"field": "tags.risk_tier", "rule": "is required", "team": None, "block": ["deploy"]}]


def test_a_schema_can_be_tried_out_before_it_is_set(server: Live) -> None:
    name = fresh()
    for version in ("v1", "v2"):
        server.register(name, version)
    server.register(name, "v3", tags={"risk_tier": "low"})
    tested = server.send(
        "POST", f"{REQUIREMENTS}/test", json={"schema": RISK, "model": name, "limit": 1}
    ).json()
    assert (tested["checked"], tested["lacking"]) == (3, 2)
    assert [each["version"] for each in tested["items"]] == ["v1"]
    everything = server.send("POST", f"{REQUIREMENTS}/test", json={"schema": RISK}).json()
    assert everything["lacking"] >= 2
    assert server.http.post(f"{REQUIREMENTS}/test", json={"schema": {"type": 1}}).status_code == 400
    of_a_team = server.send("POST", f"{REQUIREMENTS}/test", json={"schema": RISK, "team": "nlp"}).json()
    assert of_a_team["checked"] == 0
    assert server.http.get(REGISTRY).status_code == 404
