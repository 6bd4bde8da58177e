"""What a query may hold: what nobody asked for is refused, and what is wrong is shown."""

from __future__ import annotations

import pytest

from tests.live import Live, fresh


@pytest.mark.parametrize(
    ("method", "path", "unknown", "there"),
    [
        ("GET", "/models?nmae=x", "nmae", "name"),
        ("GET", "/models/{id}?time=x", "time", "at"),
        ("GET", "/models/{id}/history?since=x", "since", "before"),
        ("POST", "/models?dryrun=true", "dryrun", "dry_run"),
        ("POST", "/models/{id}/deploy?dry-run=true", "dry-run", "dry_run"),
        ("GET", "/api/v1/models?name=x", "name", "text"),
        ("GET", "/api/v1/models/{model}/versions?lmit=1", "lmit", "limit"),
        ("GET", "/api/v1/deployments?when=x", "when", "at"),
        ("DELETE", "/api/v1/models/{model}?why=x", "why", "reason"),
        ("PUT", "/api/v1/models/{model}/versions/v1/files/a?dryrun=1", "dryrun", "dry_run"),
    ],
)
def test_a_parameter_that_nobody_asked_for_is_refused_naming_what_there_is(
    server: Live, method: str, path: str, unknown: str, there: str
) -> None:
    model = fresh()
    model_id = server.register(model)
    answer = server.http.request(method, path.format(id=model_id, model=model))
    assert answer.status_code == 400
    (problem,) = answer.json()["problems"]
    assert problem["field"] == unknown
    assert there in problem["rule"]
    assert server.http.get(f"/models/{model_id}").status_code == 200


def test_every_unknown_parameter_is_named(server: Live) -> None:
    problems = server.http.get("/api/v1/environments?a=1&b=2").json()["problems"]
    assert [problem["field"] for problem in problems] == ["a", "b"]
    assert all("there are after, limit" in problem["rule"] for problem in problems)


def test_probes_and_scrapers_may_add_what_they_like(server: Live) -> None:
    for path in ("/healthz?x=1", "/readyz?x=1", "/metrics?name[]=x"):
        assert server.http.get(path).status_code == 200


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/models?limit=x", "limit: must be a whole number, not 'x'"),
        ("/models?limit=0", "limit: must be a whole number of at least 1, not '0'"),
        ("/models?limit=1001", "limit: must be a whole number of at most 1000, not '1001'"),
        ("/api/v1/changes?number=x", "number: must be a whole number, not 'x'"),
        ("/api/v1/resolve", "ref: is required"),
        ("/api/v1/changes?kind=deployed", "kind: must be one of "),
        ("/api/v1/versions?order=metric:", "order: must be one of sequence"),
    ],
)
def test_a_parameter_that_is_wrong_is_shown_with_its_rule(server: Live, path: str, message: str) -> None:
    answer = server.http.get(path)
    assert answer.status_code == 400
    body = answer.json()
    assert str(body.get("error", body.get("detail"))).startswith(message)


def test_a_plain_record_is_shown_as_it_was(server: Live) -> None:
    model = fresh()
    model_id = server.register(model)
    before = server.http.get(f"/models/{model_id}/history").json()["history"][0]["commit"]
    server.send("POST", f"/models/{model_id}/deploy")
    then = server.http.get(f"/models/{model_id}", params={"at": before}).json()
    assert (then["deployment_status"], then["deployed_in"]) == ("development", [])
    assert server.http.get(f"/models/{model_id}").json()["deployed_in"] == ["production"]
    answer = server.http.get("/models/none?at=2030-01-01T00:00:00Z")
    assert (answer.status_code, answer.json()) == (404, {"error": "Model not found"})


def test_an_environment_is_shown_as_it_was(server: Live) -> None:
    path = f"/api/v1/environments/{fresh('env')}"
    before = server.send("POST", "/api/v1/environments", json={"name": path.rpartition("/")[2]})
    server.send("PATCH", path, json={"description": "changed"})
    assert server.http.get(path, params={"at": before.headers["muster-commit"]}).json()["description"] == ""
    answer = server.http.get("/api/v1/environments/none?at=2030-01-01T00:00:00Z")
    assert (answer.status_code, answer.json()["kind"]) == (404, "environment")
