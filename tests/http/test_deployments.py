"""`/api/v1/deployments` with real workers, and what others run."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import httpx
import pytest

from tests.live import Live, fresh
from tests.serving import wait_for


def place(name: str, environment: str = "production") -> str:
    return f"/api/v1/deployments/{environment}/{name}"


@pytest.fixture(scope="module")
def elsewhere(server: Live) -> str:
    """An environment that others run."""
    server.send("POST", "/api/v1/environments", json={"name": "edge", "target": "external"})
    return "edge"


# ------------------------------------------------------------ ours


def test_a_deployment_is_begun_followed_and_done(server: Live) -> None:
    name = fresh()
    server.upload(name, "v1")
    begun = server.http.put(place(name), json={"version": "v1", "reason": "Go"})
    assert begun.status_code == 202
    where = begun.headers["Location"]
    assert where == f"/api/v1/operations/{begun.json()['id']}"
    done = wait_for(lambda: server.send("GET", where).json(), lambda operation: operation["ended"])
    assert done["state"] == "done"
    assert [event["step"] for event in done["events"]] == [
        "checking",
        "starting",
        "ready",
        "recorded",
        "switched",
        "done",
    ]
    assert done["commit"]
    detail = server.send("GET", place(name)).json()
    assert (detail["version"], detail["by"]["reason"], detail["status"]["standing"]) == ("v1", "Go", "ready")
    instance = detail["instances"][0]
    assert instance["active"]
    assert instance["health"] == "ready"
    assert instance["process"]


def test_an_operation_is_followed_as_events_and_resumed(server: Live) -> None:
    name = fresh()
    server.upload(name, "v1")
    where = server.send("PUT", place(name), json={"version": 1}).headers["Location"]
    with server.http.stream("GET", f"{where}/events") as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        lines = [line for line in answer.iter_lines() if line]
    steps = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    assert (steps[0], steps[-1]) == ("checking", "done")
    data = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert [each["number"] for each in data] == list(range(1, len(data) + 1))
    rest = server.send("GET", f"{where}/events", headers={"Last-Event-ID": str(len(data) - 1)}).text
    assert rest.count("event: ") == 1
    assert "event: done" in rest
    bad = server.http.get(f"{where}/events", headers={"Last-Event-ID": "x"})
    assert bad.status_code == 400
    assert server.http.get("/api/v1/operations/none").status_code == 404


def test_who_waits_gets_the_deployment_or_why_there_is_none(server: Live) -> None:
    name = fresh()
    server.upload(name, "v1")
    server.upload(name, "v2", {"model.onnx": b"not a graph"})
    good = server.http.put(f"{place(name)}?wait=true", json={"version": "v1", "config": {"timeout_s": 5}})
    assert (good.status_code, good.json()["version"]) == (200, "v1")
    assert good.json()["config"]["timeout_s"] == 5
    assert good.headers["Muster-Commit"]
    bad = server.http.put(f"{place(name)}?wait=true", json={"version": "v2"})
    assert bad.status_code == 422
    assert {"reason", "output", "code", "request_id"} <= set(bad.json())
    assert server.send("GET", place(name)).json()["version"] == "v1"


def test_a_replaced_version_comes_back_and_an_environment_is_emptied(server: Live) -> None:
    name = fresh()
    server.register(name, "v1")
    server.register(name, "v2")
    for version in ("v1", "v2"):
        server.send("PUT", f"{place(name)}?wait=true", json={"version": version})
    guarded = server.http.post(f"{place(name)}/rollback?wait=true", json={"version": "v1"})
    assert guarded.status_code == 409
    back = server.send("POST", f"{place(name)}/rollback?wait=true", json={"version": "v2"})
    assert back.json()["version"] == "v1"
    gone = server.send("DELETE", f"{place(name)}?wait=true&reason=Retired")
    assert (gone.json()["number"], gone.json()["by"]["reason"]) == (None, "Retired")
    assert server.http.delete(f"{place(name)}?wait=true").status_code == 409
    nothing = server.http.post(f"{place(name)}/rollback?wait=true")
    assert (nothing.status_code, nothing.json()["code"]) == (409, "not_deployed")


def test_a_second_deployment_of_the_same_model_names_the_first(server: Live) -> None:
    name = fresh()
    first, second = server.upload(name, "v1"), server.upload(name, "v2")
    begun = server.send("PUT", place(name), json={"version": "v1"}).json()
    busy = server.http.post(f"/models/{second}/deploy")
    assert busy.status_code == 409
    assert busy.json()["code"] == "deployment_under_way"
    assert busy.json()["operation"] == begun["id"]
    assert begun["id"] in busy.json()["error"]
    assert begun["what"] in busy.json()["error"]
    wait_for(
        lambda: server.send("GET", f"/api/v1/operations/{begun['id']}").json()["ended"], lambda ended: ended
    )
    assert server.send("GET", f"/models/{first}").json()["deployed_in"] == ["production"]


def test_a_client_that_leaves_does_not_cancel_its_deployment(server: Live) -> None:
    name = fresh()
    model_id = server.upload(name, "v1")
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{server.url}/models/{model_id}/deploy", timeout=0.05)
    wait_for(
        lambda: server.send("GET", f"/models/{model_id}").json()["deployed_in"],
        lambda where: where == ["production"],
    )


@pytest.mark.parametrize(
    "config",
    [{"replicas": 0}, {"threads": "2"}, {"colour": 1}, {"env": {"API_KEY": "abc"}}, {"timeout_s": 1e9}, []],
)
def test_a_configuration_that_cannot_be_is_refused(server: Live, config: Any) -> None:
    name = fresh()
    server.register(name)
    answer = server.http.put(place(name), json={"version": "v1", "config": config})
    assert answer.status_code == 400
    assert answer.json()["problems"][0]["field"].startswith("config")
    assert "abc" not in answer.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("moon/{name}", {"version": "v1"}),
        ("production/{name}", {"version": "v9"}),
        ("production/none", {"version": 1}),
    ],
)
def test_what_is_not_there_cannot_be_deployed(server: Live, path: str, body: Any) -> None:
    name = fresh()
    server.register(name)
    assert server.http.put(f"/api/v1/deployments/{path.format(name=name)}", json=body).status_code == 404


def test_requests_are_counted_in_detail_and_metrics(server: Live) -> None:
    name = fresh()
    server.upload(name, "v1")
    server.send("PUT", f"{place(name)}?wait=true", json={"version": "v1"})
    for _ in range(3):
        server.send("GET", f"/serve/production/{name}/v2/models/{name}")
    detail = server.send("GET", place(name)).json()
    assert detail["instances"][0]["requests"] >= 3
    metrics = server.send("GET", "/metrics").text
    labels = f'environment="production",model="{name}",number="1"'
    assert f'muster_deployment{{{labels},standing="ready"}} 1' in metrics
    assert f"muster_instance_requests_total{{{labels}}}" in metrics


def test_each_worker_is_shown_beside_what_is_declared(server: Live) -> None:
    name = fresh()
    server.upload(name, "v1")
    server.send("PUT", f"{place(name)}?wait=true", json={"version": "v1", "config": {"replicas": 2}})
    for _ in range(4):
        server.send("GET", f"/serve/production/{name}/v2/models/{name}")
    detail = server.send("GET", place(name)).json()
    assert detail["config"]["replicas"] == 2
    (instance,) = detail["instances"]
    first, second = instance["workers"]
    assert (first["replica"], second["replica"]) == (1, 2)
    assert first["process"] != second["process"]
    assert first["requests"] + second["requests"] == instance["requests"] == 4
    for worker in (first, second):
        assert set(worker["latency_ms"]) == {"p50", "p90", "p99"}
        assert (worker["health"], worker["restarts"], worker["errors"]) == ("ready", 0, 0)
        assert worker["ready_since"]
        assert "onnx loaded model.onnx" in worker["output"]
        assert worker["next_start"] is None


# ------------------------------------------------------------ what others run


def test_others_are_told_what_to_run(server: Live, elsewhere: str) -> None:
    name = fresh("ext")
    server.upload(name, "v1", {"weights/a b.bin": b"abc"})
    path = f"{place(name, elsewhere)}/desired"
    empty = server.send("GET", path)
    assert (empty.json()["number"], empty.json()["files"]) == (None, [])
    declared = server.send("PUT", f"{place(name, elsewhere)}?wait=true", json={"version": "v1"})
    desired = server.send("GET", path)
    assert desired.json()["model_id"] == f"{name}_v1"
    assert desired.json()["commit"] == declared.headers["Muster-Commit"]
    assert desired.headers["ETag"] == f'"{desired.json()["commit"]}"'
    assert server.send("GET", desired.json()["files"][0]["url"]).content == b"abc"
    known = {"If-None-Match": desired.headers["ETag"]}
    assert server.http.get(path, headers=known).status_code == 304


def test_who_waits_for_the_desired_state_hears_of_its_change(server: Live, elsewhere: str) -> None:
    name = fresh("ext")
    server.register(name, "v1")
    path = f"{place(name, elsewhere)}/desired"
    known = {"If-None-Match": server.send("GET", path).headers["ETag"]}
    answers: list[Any] = []
    waiting = threading.Thread(
        target=lambda: answers.append(server.http.get(f"{path}?wait_s=30", headers=known))
    )
    waiting.start()
    time.sleep(0.2)
    assert not answers
    server.send("PUT", f"{place(name, elsewhere)}?wait=true", json={"version": "v1"})
    waiting.join()
    assert answers[0].json()["version"] == "v1"
    again = server.http.get(f"{path}?wait_s=0.2", headers={"If-None-Match": answers[0].headers["ETag"]})
    assert again.status_code == 304


def test_what_others_report_is_held_against_what_is_declared(server: Live, elsewhere: str) -> None:
    name = fresh("ext")
    server.upload(name, "v1", {"w": b"one"})
    files = server.send("GET", f"/models/{server.upload(name, 'v2', {'w': b'two'})}").json()["files"]
    path = place(name, elsewhere)
    undeclared = server.send("PUT", f"{path}/observed", json={"version": "v1"}).json()
    assert undeclared["standing"] == "undeclared"
    assert undeclared["reports"][0]["instance"] == "default"
    server.send("PUT", f"{path}?wait=true", json={"version": "v2"})
    drifted = server.send("GET", path).json()["status"]
    assert drifted["standing"] == "drifted"
    in_sync = server.send("PUT", f"{path}/observed", json={"sha256": files[0]["sha256"]}).json()
    assert in_sync["standing"] == "in sync"
    changes = server.send("GET", "/api/v1/changes", params={"model": name, "kind": "observe"}).json()["items"]
    assert [change["number"] for change in changes] == [2, 1]
    server.send("PUT", f"{path}/observed", json={"sha256": files[0]["sha256"]})
    same = server.send("GET", "/api/v1/changes", params={"model": name, "kind": "observe"}).json()["items"]
    assert same == changes


@pytest.mark.parametrize(
    "body", [{}, {"version": "v1", "sha256": "0" * 64}, {"sha256": "x"}, {"instance": ""}]
)
def test_a_report_says_just_one_thing_that_runs(server: Live, elsewhere: str, body: Any) -> None:
    name = fresh("ext")
    server.register(name)
    assert server.http.put(f"{place(name, elsewhere)}/observed", json=body).status_code == 400


def test_the_list_shows_how_each_deployment_stands(server: Live, elsewhere: str) -> None:
    name = fresh("ext")
    server.register(name)
    server.send("PUT", f"{place(name)}?wait=true", json={"version": "v1"})
    server.send("PUT", f"{place(name, elsewhere)}?wait=true", json={"version": "v1"})
    answer = server.send("GET", "/api/v1/deployments", params={"model": name})
    standings = {item["environment"]: item["status"]["standing"] for item in answer.json()["items"]}
    assert standings == {"production": "recorded", "edge": "unknown"}
    assert answer.headers["Muster-Head"]
    assert server.http.get("/api/v1/deployments?environment=moon").status_code == 404


def test_deployments_come_page_by_page_those_that_nobody_declared_among_them(
    server: Live, elsewhere: str
) -> None:
    name = fresh("paged")
    server.register(name)
    there = [fresh("place") for _ in range(3)]
    for environment in there:
        server.send("POST", "/api/v1/environments", json={"name": environment, "target": "external"})
    for environment in (there[0], there[2]):
        server.send("PUT", f"{place(name, environment)}?wait=true", json={"version": "v1"})
    server.send("PUT", f"{place(name, there[1])}/observed", json={"version": "v1"})

    def listed(**query: Any) -> list[tuple[list[str], int]]:
        found: list[tuple[list[str], int]] = []
        asked: dict[str, Any] = {"model": name, "limit": 1, **query}
        while True:
            page = server.send("GET", "/api/v1/deployments", params=asked).json()
            found.append(([each["environment"] for each in page["items"]], page["count"]))
            if page["next"] is None:
                return found
            asked["after"] = page["next"]

    assert listed() == [([environment], 3) for environment in sorted(there)]
    now = server.send("GET", "/api/v1/deployments").headers["Muster-Head"]
    assert listed(at=now) == [([environment], 3) for environment in sorted(there)]
    asked = {"params": {"at": now, "model": name, "environment": there[1]}}
    (then,) = server.send("GET", "/api/v1/deployments", **asked).json()["items"]
    assert (then["number"], then["by"], then["observed"]["observed"]) == (None, None, "running")
    assert [each["number"] for each in then["reports"]] == [1]
    server.send("PUT", f"{place(name, there[1])}/observed", json={"stopped": True})
    asked["params"]["at"] = server.send("GET", "/api/v1/deployments").headers["Muster-Head"]
    assert server.send("GET", "/api/v1/deployments", **asked).json()["items"] == []


def test_what_each_instance_ran_at_a_time_is_told_beside_what_was_declared(
    server: Live, elsewhere: str
) -> None:
    name = fresh("ext")
    server.register(name, "v1")
    server.register(name, "v2")
    server.send("PUT", f"{place(name, elsewhere)}?wait=true", json={"version": "v2"})
    for version, instance in (("v1", "pod-1"), ("v2", "pod-2"), ("v2", "pod-1")):
        server.send(
            "PUT", f"{place(name, elsewhere)}/observed", json={"version": version, "instance": instance}
        )
    seen = server.send("GET", "/api/v1/changes", params={"model": name, "kind": "observe"}).json()["items"]
    then = server.send("GET", place(name, elsewhere), params={"at": seen[1]["commit"]}).json()
    assert then["number"] == 2
    assert [(each["instance"], each["number"]) for each in then["reports"]] == [("pod-1", 1), ("pod-2", 2)]
    listed = {"params": {"at": seen[1]["commit"], "model": name}}
    (item,) = server.send("GET", "/api/v1/deployments", **listed).json()["items"]
    assert item["reports"] == then["reports"]
    assert item["observed"]["instance"] == "pod-2"


def test_the_list_shows_what_runs_though_nobody_declared_it(server: Live, elsewhere: str) -> None:
    name = fresh("ext")
    server.register(name)
    observed = f"{place(name, elsewhere)}/observed"
    listed = {"params": {"model": name, "environment": elsewhere}}
    server.send("PUT", observed, json={"version": "v1", "instance": "pod-1"})
    (item,) = server.send("GET", "/api/v1/deployments", **listed).json()["items"]
    assert (item["number"], item["status"]["standing"]) == (None, "undeclared")
    sample = f'muster_deployment{{environment="edge",model="{name}",number="none",standing="undeclared"}} 1'
    assert sample in server.send("GET", "/metrics").text
    gone = server.send("PUT", observed, json={"stopped": True, "instance": "pod-1"}).json()
    assert (gone["standing"], gone["reports"]) == ("none", [])
    assert server.send("GET", "/api/v1/deployments", **listed).json()["items"] == []
    assert server.http.put(observed, json={"stopped": True, "instance": "pod-1"}).status_code == 404
    assert sample not in server.send("GET", "/metrics").text


def test_what_is_reported_of_a_deleted_environment_hides_nothing_else(server: Live) -> None:
    model, environment = fresh(), fresh("edge")
    server.register(model)
    server.send("POST", "/api/v1/environments", json={"name": environment, "target": "external"})
    server.send("PUT", f"/api/v1/deployments/{environment}/{model}/observed", json={"version": "v1"})
    assert server.send("GET", "/api/v1/deployments", params={"model": model}).json()["count"] == 1
    server.send("DELETE", f"/api/v1/environments/{environment}")
    assert server.send("GET", "/api/v1/deployments", params={"model": model}).json()["items"] == []
    server.send("GET", "/metrics")
