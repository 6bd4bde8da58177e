"""The plain API, row by row, as curl sees it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.live import Live, fresh

BODY = {"version": "v1.0", "description": "Scores texts", "training_data": "reviews of 2025"}


def test_a_registered_version_has_the_documented_id_and_record(server: Live) -> None:
    name = fresh("sentiment")
    answer = server.http.post("/models", json={"name": name, **BODY})
    assert answer.status_code == 201
    assert answer.json() == {"message": "Model registered successfully", "model_id": f"{name}_v1.0"}
    record = server.http.get(f"/models/{name}_v1.0").json()
    assert record["name"] == name
    assert record["version"] == "v1.0"
    assert record["number"] == 1
    assert record["deployment_status"] == "development"
    assert record["deployed_in"] == []
    assert record["created_at"] == record["last_updated"]
    assert "last_deployed" not in record
    assert {"owner", "tags", "metrics", "params", "source", "bases", "signature", "files"} <= set(record)


def test_the_same_registration_again_is_no_commit(server: Live) -> None:
    body = {"name": fresh(), **BODY}
    first = server.http.post("/models", json=body)
    again = server.http.post("/models", json=body)
    assert "Muster-Commit" in first.headers
    assert (again.status_code, again.json()) == (200, first.json())
    assert "Muster-Commit" not in again.headers


def test_other_content_for_a_version_is_a_conflict_that_names_the_fields(server: Live) -> None:
    body = {"name": fresh(), **BODY}
    server.http.post("/models", json=body)
    answer = server.http.post("/models", json={**body, "description": "Other", "owner": "ml-team"})
    assert answer.status_code == 409
    assert answer.json()["code"] == "version_exists"
    assert answer.json()["fields"] == ["description", "owner"]
    assert "description" in answer.json()["error"]


def test_every_missing_and_every_bad_field_is_named_at_once(server: Live) -> None:
    body = {"name": "a/b", "version": 7, "metrics": {"f1": "high"}, "colour": "red"}
    answer = server.http.post("/models", json=body)
    assert answer.status_code == 400
    named = {problem["field"] for problem in answer.json()["problems"]}
    assert named == {"name", "version", "description", "training_data", "metrics.f1", "colour"}
    for field in named:
        assert field in answer.json()["error"]


def test_all_optional_fields_are_recorded(server: Live) -> None:
    fields: dict[str, Any] = {
        "deployment_status": "staging",
        "owner": "ml-team",
        "tags": {"lang": "de"},
        "metrics": {"f1": 0.91},
        "params": {"depth": 3, "layers": [1, 2]},
        "source": {"repository": "https://git.example.com/nlp", "commit": "abc", "dirty": False},
        "training_data": {"name": "reviews", "rows": 10},
    }
    model_id = server.register(fresh(), **fields)
    record = server.http.get(f"/models/{model_id}").json()
    assert {key: record[key] for key in fields} == fields


@pytest.mark.parametrize(
    "call",
    [
        ("GET", "/models/nobody_v1"),
        ("POST", "/models/nobody_v1/deploy"),
        ("POST", "/models/nobody_v1/rollback"),
        ("GET", "/models/nobody_v1/history"),
        ("GET", "/models/no%2Fbody"),
        ("GET", "/models/nobody%00"),
    ],
)
def test_an_unknown_model_is_not_found_in_these_words(server: Live, call: tuple[str, str]) -> None:
    answer = server.http.request(*call)
    assert answer.status_code == 404
    assert answer.json() == {"error": "Model not found"}


def test_the_list_is_in_the_order_of_registration_and_filters(server: Live) -> None:
    name, other = fresh("zebra"), fresh("ape")
    team = fresh("team")
    ids = [
        server.register(name, "v1", tags={"team": team}, deployment_status="staging"),
        server.register(other, "v1", tags={"team": team, "lang": "de:CH"}),
        server.register(name, "v2", tags={"team": team}),
    ]

    def listed(**query: Any) -> Any:
        return server.http.get("/models", params={"tag": f"team:{team}", **query}).json()

    assert listed() == {"models": ids, "count": 3}
    assert listed(name=name)["models"] == [ids[0], ids[2]]
    assert listed(stage="staging") == {"models": [ids[0]], "count": 1}
    assert listed(tag=[f"team:{team}", "lang:de:CH"])["models"] == [ids[1]]
    assert listed(limit=2) == {"models": ids[:2], "count": 3, "next": ids[1]}
    assert listed(limit=2, after=ids[1]) == {"models": ids[2:], "count": 3}


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "stage=prod", "tag=nocolon", "after=nobody_v1"]
)
def test_a_bad_filter_is_refused_and_named(server: Live, query: str) -> None:
    answer = server.http.get(f"/models?{query}")
    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.json()["error"]


def test_a_version_without_files_is_deployed_as_recorded_and_rolled_back(server: Live) -> None:
    name = fresh()
    first, second = server.register(name, "v1"), server.register(name, "v2")
    deployed = server.http.post(f"/models/{first}/deploy", json={"reason": "Release 1"})
    assert deployed.status_code == 200
    assert deployed.json()["message"] == f"Model {first} deployed to production"
    assert deployed.json()["model"]["deployment_status"] == "production"
    assert deployed.json()["model"]["deployed_in"] == ["production"]
    server.send("POST", f"/models/{second}/deploy")
    assert server.http.get(f"/models/{first}").json()["deployment_status"] == "staging"

    back = server.http.post(f"/models/{second}/rollback", json={"reason": "Complaints"})
    assert back.status_code == 200
    assert back.json()["message"] == f"Model {second} rolled back to staging"
    assert back.json()["restored"] == first
    assert back.json()["model"]["deployment_status"] == "staging"
    again = server.http.post(f"/models/{first}/rollback")
    assert again.json()["restored"] is None


def test_two_rollbacks_lead_past_a_version_that_was_rolled_back_from(server: Live) -> None:
    name = fresh()
    ids = [server.register(name, version) for version in ("v1", "v2", "v3")]
    for model_id in ids:
        server.send("POST", f"/models/{model_id}/deploy")
    assert server.send("POST", f"/models/{ids[2]}/rollback").json()["restored"] == ids[1]
    assert server.send("POST", f"/models/{ids[1]}/rollback").json()["restored"] == ids[0]


@pytest.mark.parametrize("to", ["v1", 1, "1", "{name}_v1", "{name}/v1"])
def test_a_rollback_names_another_version_by_id_label_or_number(server: Live, to: object) -> None:
    name = fresh()
    ids = [server.register(name, version) for version in ("v1", "v2", "v3")]
    for model_id in ids:
        server.send("POST", f"/models/{model_id}/deploy")
    wanted = to.format(name=name) if isinstance(to, str) else to
    assert server.send("POST", f"/models/{ids[2]}/rollback", json={"to": wanted}).json()["restored"] == ids[0]


def test_what_is_not_deployed_cannot_be_rolled_back(server: Live) -> None:
    answer = server.http.post(f"/models/{server.register(fresh())}/rollback")
    assert answer.status_code == 409
    assert answer.json()["code"] == "not_deployed"


def test_a_rollback_that_leaves_traffic_nowhere_to_go_must_be_asked_for(server: Live) -> None:
    model_id = server.upload(fresh(), "v1")
    server.send("POST", f"/models/{model_id}/deploy")
    refused = server.http.post(f"/models/{model_id}/rollback")
    assert refused.status_code == 409
    assert refused.json()["code"] == "nothing_to_restore"
    emptied = server.send("POST", f"/models/{model_id}/rollback", json={"empty": True})
    assert emptied.json()["restored"] is None


def test_a_version_that_does_not_start_is_refused_with_the_workers_output(server: Live) -> None:
    name = fresh()
    good = server.upload(name, "v1")
    server.send("POST", f"/models/{good}/deploy")
    broken = server.upload(name, "v2", {"model.onnx": b"not a graph"})
    answer = server.http.post(f"/models/{broken}/deploy", json={"reason": "Better"})
    assert answer.status_code == 422
    assert answer.json()["code"] in ("did_not_start", "no_runtime")
    assert answer.json()["reason"]
    assert "output" in answer.json()
    assert server.http.get(f"/serve/production/{name}/v2/health/ready").status_code == 200
    kinds = [entry["change"] for entry in server.http.get(f"/models/{broken}/history").json()["history"]]
    assert kinds[0] == "deploy-failed"


def test_history_says_who_did_what_and_why_newest_first(server: Live) -> None:
    name = fresh()
    who = {"X-Muster-Actor": "ada@example.com"}
    server.send("POST", "/models", json={"name": name, **BODY, "reason": "First cut"}, headers=who)
    server.send("POST", f"/models/{name}_v1.0/deploy", json={"environment": "staging"})
    answer = server.http.get(f"/models/{name}_v1.0/history").json()
    assert answer["model_id"] == f"{name}_v1.0"
    newest, oldest = answer["history"]
    assert set(newest) == {"commit", "time", "actor", "change", "reason", "message"}
    assert (newest["actor"], newest["change"]) == ("anonymous", "deploy")
    assert newest["message"] == f"Deploy {name} v1.0 to staging"
    assert (oldest["actor"], oldest["reason"], oldest["change"]) == (
        "ada@example.com",
        "First cut",
        "register",
    )


def test_history_goes_on_before_a_commit(server: Live) -> None:
    model_id = server.register(fresh())
    server.send("POST", f"/models/{model_id}/deploy")
    newest = server.http.get(f"/models/{model_id}/history?limit=1").json()["history"]
    earlier = server.http.get(f"/models/{model_id}/history?before={newest[0]['commit']}").json()["history"]
    assert [entry["change"] for entry in newest + earlier] == ["deploy", "register"]


def test_two_versions_never_share_an_id(server: Live) -> None:
    stem = fresh("x")
    server.register(f"{stem}_a", "b")
    answer = server.http.post("/models", json={"name": stem, **BODY, "version": "a_b"})
    assert answer.status_code == 409
    assert f"{stem}_a_b" in answer.json()["error"]


@pytest.mark.parametrize("body", [b"", b"{}", b"null"])
def test_a_deployment_needs_no_body(server: Live, body: bytes) -> None:
    model_id = server.register(fresh())
    answer = server.http.post(f"/models/{model_id}/deploy", content=body)
    assert answer.status_code == (400 if body == b"null" else 200)


def test_an_unknown_environment_is_not_found_by_name(server: Live) -> None:
    model_id = server.register(fresh())
    answer = server.http.post(f"/models/{model_id}/deploy", json={"environment": "moon"})
    assert answer.status_code == 404
    assert answer.json()["error"] == "Environment not found: moon"
