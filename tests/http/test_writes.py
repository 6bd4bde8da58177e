"""What holds for every write: idempotency keys, conditions, dry runs, actors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.live import Live, fresh, live


def newest(server: Live) -> Any:
    return server.http.get("/api/v1/changes?limit=1").json()["items"][0]["commit"]


def body(name: str, version: str = "v1") -> dict[str, str]:
    return {"name": name, "version": version, "description": "d", "training_data": "t"}


# ------------------------------------------------------------ idempotency keys


def test_a_repeated_key_gives_the_first_answer(server: Live) -> None:
    name = fresh()
    key = {"Idempotency-Key": f"register-{name}"}
    first = server.http.post("/models", json=body(name), headers=key)
    server.send("PATCH", f"/api/v1/models/{name}/versions/v1", json={"owner": "later"})
    again = server.http.post("/models", json=body(name), headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Muster-Commit"] == first.headers["Muster-Commit"]


def test_a_repeated_update_answers_with_the_record_as_it_was_then(server: Live) -> None:
    name = fresh()
    server.register(name)
    path, key = f"/api/v1/models/{name}/versions/v1", {"Idempotency-Key": f"update-{name}"}
    first = server.send("PATCH", path, json={"owner": "ada"}, headers=key)
    server.send("PATCH", path, json={"owner": "bob"})
    again = server.send("PATCH", path, json={"owner": "ada"}, headers=key)
    assert again.json() == first.json()
    assert server.http.get(path).json()["owner"] == "bob"


def test_a_repeated_deletion_and_deployment_are_not_done_twice(server: Live) -> None:
    name = fresh()
    first, second = server.register(name, "v1"), server.register(name, "v2")
    key = {"Idempotency-Key": f"deploy-{name}"}
    answers = [server.http.post(f"/models/{first}/deploy", headers=key) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    server.send("POST", f"/models/{second}/deploy")
    assert server.http.post(f"/models/{first}/deploy", headers=key).json() == answers[0].json()
    assert server.http.get(f"/models/{second}").json()["deployed_in"] == ["production"]
    gone = {"Idempotency-Key": f"delete-{name}"}
    path = f"/api/v1/models/{name}/versions/{server.register(name, 'v3').rpartition('_')[2]}"
    deletions = [server.http.delete(path, headers=gone) for _ in range(2)]
    assert [each.status_code for each in deletions] == [204, 204]
    assert deletions[0].headers["Muster-Commit"] == deletions[1].headers["Muster-Commit"]


def test_a_key_is_remembered_after_a_restart(tmp_path: Path) -> None:
    key = {"Idempotency-Key": "once"}
    with live(tmp_path / "home") as server:
        first = server.http.post("/models", json=body("m"), headers=key)
    with live(tmp_path / "home") as server:
        again = server.http.post("/models", json=body("m"), headers=key)
    assert (again.status_code, again.json()) == (first.status_code, first.json())


def test_a_key_with_another_request_is_refused(server: Live) -> None:
    name = fresh()
    key = {"Idempotency-Key": f"reused-{name}"}
    server.http.post("/models", json=body(name), headers=key)
    answer = server.http.post("/models", json=body(name, "v2"), headers=key)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")


@pytest.mark.parametrize("key", ["", "a b", "x" * 129])
def test_a_key_that_is_no_key_is_refused(server: Live, key: str) -> None:
    answer = server.http.post("/models", json=body(fresh()), headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["problems"][0]["field"]) == (400, "Idempotency-Key")


# ------------------------------------------------------------ conditions


def test_a_write_to_a_record_that_changed_since_is_refused(server: Live) -> None:
    name = fresh()
    server.register(name)
    path = f"/api/v1/models/{name}/versions/v1"
    tag = server.http.get(path).headers["ETag"]
    first = server.http.patch(path, json={"owner": "ada"}, headers={"If-Match": tag})
    assert first.status_code == 200
    late = server.http.patch(path, json={"owner": "bob"}, headers={"If-Match": tag})
    assert (late.status_code, late.json()["code"]) == (412, "stale")
    fresh_tag = {"If-Match": first.headers["ETag"]}
    assert server.http.patch(path, json={"owner": "bob"}, headers=fresh_tag).status_code == 200


@pytest.mark.parametrize(("tag", "status"), [('"nothing"', 412), ("bare", 400), ("*", 200)])
def test_a_tag_that_no_record_had_is_stale(server: Live, tag: str, status: int) -> None:
    name = fresh()
    server.register(name)
    answer = server.http.patch(f"/api/v1/models/{name}", json={"owner": "x"}, headers={"If-Match": tag})
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("POST", "/models", {"name": "x", "version": "1", "description": "", "training_data": "t"}),
        ("PUT", "/api/v1/models/{name}/versions/v1/files/a", None),
        ("POST", "/api/v1/models/{name}/versions/v1/finalize", {}),
        ("PUT", "/api/v1/deployments/production/{name}/observed", {"version": "v1"}),
    ],
)
def test_a_condition_that_a_route_does_not_know_is_refused_not_ignored(
    server: Live, method: str, path: str, content: object
) -> None:
    name = fresh()
    server.register(name)
    headers = {"If-Match": f'"{"0" * 40}"'}
    answer = server.http.request(method, path.format(name=name), json=content, headers=headers)
    assert (answer.status_code, "If-Match" in answer.text) == (400, True)


def test_a_deployment_may_be_on_condition_too(server: Live) -> None:
    name = fresh()
    model_id = server.register(name)
    stale = {"If-Match": f'"{"0" * 40}"'}
    assert server.http.post(f"/models/{model_id}/deploy", headers=stale).status_code == 409
    path = f"/api/v1/deployments/production/{name}"
    assert server.http.put(path, json={"version": 1}, headers=stale).status_code == 412
    server.send("PUT", f"{path}?wait=true", json={"version": 1})
    now = {"If-Match": server.send("GET", path).headers["ETag"]}
    assert server.http.delete(f"{path}?wait=true", headers=now).status_code == 200


def test_a_record_that_the_client_has_is_not_sent_again(server: Live) -> None:
    name = fresh()
    model_id = server.register(name)
    for path in (f"/models/{model_id}", f"/api/v1/models/{name}", f"/api/v1/models/{name}/versions/1"):
        tag = server.http.get(path).headers["ETag"]
        again = server.http.get(path, headers={"If-None-Match": f'"x", W/{tag}'})
        assert (again.status_code, again.content) == (304, b"")


# ------------------------------------------------------------ dry runs


def test_a_dry_run_shows_each_field_and_writes_nothing(server: Live) -> None:
    name = fresh()
    server.register(name)
    head = newest(server)
    path = f"/api/v1/models/{name}/versions/v1"
    answer = server.http.patch(f"{path}?dry_run=true", json={"owner": "ada"})
    shown = answer.json()
    assert answer.status_code == 200
    assert (shown["dry_run"], shown["nothing"], shown["objections"]) == (True, False, [])
    assert [(c["field"], c["before"], c["after"]) for c in shown["changes"]] == [("owner", None, "ada")]
    assert newest(server) == head


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("POST", "/models", {"name": "other", "version": "1", "description": "", "training_data": "t"}),
        ("POST", "/models/{name}_v1/deploy", {}),
        ("POST", "/api/v1/models", {"name": "another"}),
        ("PATCH", "/api/v1/models/{name}", {"owner": "x"}),
        ("DELETE", "/api/v1/models/{name}", None),
        ("POST", "/api/v1/models/{name}/versions", {}),
        ("PUT", "/api/v1/models/{name}/versions/v1/stage", {"stage": "staging"}),
        ("PUT", "/api/v1/models/{name}/versions/v1/files/a", None),
        ("PUT", "/api/v1/models/{name}/aliases/champion", {"version": 1}),
        ("POST", "/api/v1/environments", {"name": "canary"}),
        ("PATCH", "/api/v1/environments/staging", {"rank": 5}),
        ("DELETE", "/api/v1/environments/staging", None),
        ("PUT", "/api/v1/deployments/staging/{name}", {"version": "v1"}),
        ("PUT", "/api/v1/deployments/staging/{name}/observed", {"version": "v1"}),
        ("POST", "/api/v1/models/{name}/versions/v1/finalize", {}),
    ],
)
def test_no_write_writes_when_asked_what_it_would_do(
    server: Live, method: str, path: str, content: object
) -> None:
    name = fresh()
    server.register(name)
    head = newest(server)
    where = f"{path.format(name=name)}?dry_run=true"
    answer = server.http.request(method, where, json=content)
    assert answer.status_code == 200, answer.text
    assert answer.json()["dry_run"] is True
    assert newest(server) == head


def test_a_dry_run_of_a_deployment_shows_diff_effect_and_every_objection(server: Live) -> None:
    name = fresh()
    server.upload(name, "v1", {"notes.txt": b"no model", "weights.bin": b"1234"})
    for sha256 in (file["sha256"] for file in server.send("GET", f"/models/{name}_v1").json()["files"][:1]):
        server.home.storage.artifacts.path(sha256).unlink()
    body = {"version": "v1", "config": {"env": {"KEY": {"from": "env:NOT_THERE"}}}}
    where = f"/api/v1/deployments/production/{name}"
    preview = server.send("PUT", f"{where}?dry_run=true", json=body).json()
    assert preview["subject"] == f"Deploy {name} v1 to production"
    assert preview["effects"] == [f"{name}_v1 is started, and gets the traffic once it is ready"]
    assert {"version", "config.env.KEY.from"} <= {each["field"] for each in preview["changes"]}
    assert [each["code"] for each in preview["objections"]] == [
        *("did_not_start", "no_runtime", "did_not_start"),
    ]
    damage, runtime, secret = (each["message"] for each in preview["objections"])
    assert "notes.txt" in damage
    assert "The runtimes here are:" in runtime
    assert "'external'" in runtime
    assert "NOT_THERE" in secret
    same = server.send("POST", f"/models/{name}_v1/deploy?dry_run=true", json={"config": body["config"]})
    assert same.json() == preview
    assert server.send("GET", where).json()["by"] is None


def test_a_dry_run_of_a_rollback_and_an_undeployment_tells_who_serves_then(server: Live) -> None:
    name = fresh()
    for version in ("v1", "v2"):
        server.upload(name, version)
        server.send("POST", f"/models/{name}_{version}/deploy")
    where = f"/api/v1/deployments/production/{name}"
    back = server.send("POST", f"{where}/rollback?dry_run=true").json()
    assert back["objections"] == []
    assert back["effects"] == [
        f"{name}_v1 stands by, warm, and gets the traffic at once",
        f"{name}_v2 finishes its requests and stops",
    ]
    gone = server.send("DELETE", f"{where}?dry_run=true").json()
    assert gone["effects"][-1] == f"requests for {name} in production are refused (404)"
    assert server.send("GET", where).json()["version"] == "v2"


@pytest.mark.parametrize(
    ("method", "where", "body", "said"),
    [
        (
            "PUT",
            "moon/{name}",
            {"version": "v9"},
            ["Version not found: {name}/v9", "Environment not found: moon"],
        ),
        ("PUT", "moon/{name}", {"version": "v1"}, ["Environment not found: moon"]),
        ("POST", "production/{name}/rollback", {}, ["nothing of {name} is deployed in production"]),
        ("DELETE", "moon/none", None, ["Environment not found: moon", "Model not found: none"]),
    ],
)
def test_a_dry_run_of_a_deployment_names_all_that_is_not_there(
    server: Live, method: str, where: str, body: Any, said: list[str]
) -> None:
    name = fresh()
    server.register(name)
    url = f"/api/v1/deployments/{where.format(name=name)}?dry_run=true"
    preview = server.send(method, url, json=body).json()
    assert [each["message"] for each in preview["objections"]] == [each.format(name=name) for each in said]
    assert preview["effects"] == []


def test_a_dry_run_of_what_would_be_refused_says_why(server: Live) -> None:
    name = fresh()
    server.register(name)
    server.send("POST", f"/models/{name}_v1/deploy")
    answer = server.http.delete(f"/api/v1/models/{name}/versions/v1?dry_run=true")
    assert answer.status_code == 200
    assert [objection["code"] for objection in answer.json()["objections"]] == ["immutable"]


# ------------------------------------------------------------ actors


@pytest.mark.parametrize("actor", ["", "ada lovelace", "-x", "x" * 129, "a\tb"])
def test_an_actor_that_is_no_id_is_refused(server: Live, actor: str) -> None:
    answer = server.http.post("/models", json=body(fresh()), headers={"X-Muster-Actor": actor})
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["field"] == "X-Muster-Actor"


def test_the_actor_is_shown_as_unverified(server: Live) -> None:
    server.send("POST", "/models", json=body(fresh()), headers={"X-Muster-Actor": "ci+bot@example.com"})
    change = server.http.get("/api/v1/changes?limit=1").json()["items"][0]
    assert (change["actor"], change["verified"]) == ("ci+bot@example.com", False)


def test_a_repeated_key_gives_the_first_answer_after_the_version_is_gone(server: Live) -> None:
    versions = f"/api/v1/models/{fresh()}/versions"
    server.send("POST", versions, json={"version": "v1", "pending": True})
    calls: list[tuple[str, str, dict[str, Any]]] = [
        (
            "PUT",
            f"{versions}/v1/files/a.txt",
            {"content": b"abc", "headers": {"Idempotency-Key": fresh("key")}},
        ),
        ("POST", f"{versions}/v1/finalize", {"headers": {"Idempotency-Key": fresh("key")}}),
    ]
    first = [server.send(method, path, **sent).content for method, path, sent in calls]
    server.send("DELETE", f"{versions}/v1")
    assert [server.send(method, path, **sent).content for method, path, sent in calls] == first
