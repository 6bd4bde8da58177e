"""Rules of environments over HTTP: kept, shown, refused whole, and held at every door."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.live import Live, fresh
from tests.serving import wait_for

FREEZE = {"name": "year end", "dtstart": "2030-12-20T00:00", "duration": "P14D", "rrule": "FREQ=YEARLY"}


@pytest.fixture
def env(server: Live) -> Iterator[str]:
    """An environment that others run, whose stage is `archived`; unprotected again in the end."""
    name = fresh("env")
    body = {"name": name, "target": "external", "stage": "archived", "rank": 50}
    server.send("POST", "/api/v1/environments", json=body)
    yield name
    server.send("PATCH", f"/api/v1/environments/{name}", json={"rules": None})


@pytest.fixture
def model(server: Live) -> str:
    """A model with three versions."""
    name = fresh()
    for label in ("v1", "v2", "v3"):
        server.register(name, label)
    return name


def protect(server: Live, env: str, **rules: Any) -> httpx.Response:
    return server.http.patch(f"/api/v1/environments/{env}", json={"rules": rules})


def place(env: str, model: str) -> str:
    return f"/api/v1/deployments/{env}/{model}?wait=true"


def refused(answer: httpx.Response) -> list[str]:
    """The rules that refuse."""
    assert answer.status_code == 403, answer.text
    body = answer.json()
    assert body["code"] == "denied"
    assert all(each["message"] and each["help"] for each in body["objections"])
    return [each["rule"].partition(": ")[2] for each in body["objections"]]


# ------------------------------------------------------------ the record


def test_rules_are_merged_shown_and_taken_away(server: Live, env: str) -> None:
    where = f"/api/v1/environments/{env}"
    assert "rules" not in server.send("GET", where).json()
    first = protect(server, env, reason=True, soak={"environment": "staging", "hours": 24})
    assert first.json()["rules"] == {"reason": True, "soak": {"environment": "staging", "hours": 24}}
    second = protect(server, env, soak=None, freeze=[FREEZE])
    kept = {**FREEZE, "dtstart": "2030-12-20T00:00:00", "timezone": "UTC"}
    assert second.json()["rules"] == {"reason": True, "freeze": [kept]}
    assert server.send("GET", where).json() == second.json()
    past = server.send("GET", where, params={"at": first.headers["muster-commit"]}).json()
    assert past["rules"] == first.json()["rules"]
    assert server.send("PATCH", where, json={"description": "Ours"}).json()["rules"] == second.json()["rules"]
    assert "rules" not in server.send("PATCH", where, json={"rules": None}).json()
    told = server.send("GET", "/api/v1/changes", params={"environment": env}).json()["items"]
    assert [each["message"] for each in told[:3]] == [
        f"Unprotect {env}",
        f"Update environment {env}",
        f"Change the rules of {env}",
    ]


def test_an_environment_is_made_with_its_rules(server: Live) -> None:
    body = {"name": fresh("env"), "target": "external", "rules": {"reason": True, "public": True}}
    made = server.send("POST", "/api/v1/environments", json=body).json()
    assert made["rules"] == {"reason": True, "public": True}


def test_what_is_wrong_is_named_at_once_and_leaves_nothing_behind(server: Live, env: str) -> None:
    wrong = protect(server, env, reason=1, freeze=[{**FREEZE, "timezone": "Mars"}], deploy=["team:"])
    assert wrong.status_code == 400
    assert [each["field"] for each in wrong.json()["problems"]] == [
        "rules.deploy[0]",
        "rules.reason",
        "rules.freeze[0].timezone",
    ]
    nowhere = protect(
        server, env, approvals=[{"from": "nobody", "count": 1}], soak={"environment": "moon", "hours": 1}
    )
    assert nowhere.status_code == 400
    assert [each["field"] for each in nowhere.json()["problems"]] == [
        "rules.approvals[0].from",
        "rules.soak.environment",
    ]
    assert "rules" not in server.send("GET", f"/api/v1/environments/{env}").json()


def test_a_dry_run_shows_what_becomes_of_the_rules(server: Live, env: str) -> None:
    answer = server.send(
        "PATCH", f"/api/v1/environments/{env}?dry_run=true", json={"rules": {"reason": True}}
    ).json()
    assert answer["subject"] == f"Protect {env}"
    assert "rules" not in server.send("GET", f"/api/v1/environments/{env}").json()


# ------------------------------------------------------------ every door


def test_every_door_holds_the_same_rule(server: Live, env: str, model: str) -> None:
    send, versions = server.http.request, f"/api/v1/models/{model}/versions"
    server.send("PUT", place(env, model), json={"version": "v1"})
    server.send("PUT", f"/api/v1/models/{model}/aliases/champion", json={"version": "v1"})
    assert protect(server, env, deploy=["bob"], rollback=["bob"], aliases=["champion"]).status_code == 200
    in_the_stage = {
        "name": model,
        "version": "v9",
        "description": "d",
        "training_data": "t",
        "deployment_status": "archived",
    }
    head = server.home.storage.store.head()
    doors = [
        send("PUT", place(env, model), json={"version": "v2"}),
        send("PUT", place(env, model), json={"version": "v1", "config": {"replicas": 2}}),
        send("DELETE", place(env, model)),
        send("POST", f"/api/v1/deployments/{env}/{model}/rollback?wait=true", json={"empty": True}),
        send("POST", f"/models/{model}_v2/deploy", json={"environment": env}),
        send("POST", f"/models/{model}_v1/rollback", json={"environment": env, "empty": True}),
        send("PUT", f"{versions}/v2/stage", json={"stage": "archived"}),
        send("PUT", f"{versions}/v1/stage", json={"stage": "staging"}),
        send("POST", versions, json={"version": "v9", "deployment_status": "archived"}),
        send("POST", "/models", json=in_the_stage),
        send("PUT", f"/api/v1/models/{model}/aliases/champion", json={"version": "v2"}),
        send("DELETE", f"/api/v1/models/{model}/aliases/champion"),
    ]
    for answer in doors:
        assert refused(answer) == ["deploy"], f"{answer.request.method} {answer.request.url}"
    assert server.home.storage.store.head() == head
    allowed = server.http.put(place(env, model), json={"version": "v2"}, headers={"X-Muster-Actor": "bob"})
    assert allowed.status_code == 200, allowed.text


def test_a_deployment_is_refused_before_anything_is_started(server: Live, env: str, model: str) -> None:
    protect(server, env, reason=True)
    answer = server.http.put(f"/api/v1/deployments/{env}/{model}", json={"version": "v1"})
    assert refused(answer) == ["reason"]
    assert "Location" not in answer.headers
    begun = server.http.put(f"/api/v1/deployments/{env}/{model}", json={"version": "v1", "reason": "Go"})
    assert begun.status_code == 202
    wait_for(lambda: server.send("GET", begun.headers["Location"]).json()["state"], lambda s: s == "done")


def test_a_dry_run_names_every_rule_that_refuses(server: Live, env: str, model: str) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%d")
    protect(
        server, env, reason=True, deploy=["bob"], soak={"environment": "staging", "hours": 24},
        freeze=[{"name": "audit", "dtstart": yesterday, "duration": "P3D"}],
    )  # fmt: skip
    tried = server.send("PUT", f"{place(env, model)}&dry_run=true", json={"version": "v1"}).json()
    assert {each["code"] for each in tried["objections"]} == {"denied"}
    told = json.dumps(tried["objections"])
    for words in ("right to deploy", "takes a reason", "24 hours are missing", "is frozen until", "audit"):
        assert words in told


def test_during_a_freeze_one_can_go_back_and_only_back(server: Live, env: str, model: str) -> None:
    for version in ("v1", "v2"):
        server.send("PUT", place(env, model), json={"version": version})
    yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    protect(server, env, freeze=[{"name": "audit", "dtstart": yesterday, "duration": "P3D"}], reason=True)
    why = {"reason": "v2 is wrong"}
    assert refused(server.http.put(place(env, model), json={"version": "v3", **why})) == ["freeze"]
    rollback = f"/api/v1/deployments/{env}/{model}/rollback?wait=true"
    assert refused(server.http.post(rollback, json={"to": "v3", **why})) == ["freeze"]
    assert refused(server.http.post(rollback)) == ["reason"]
    assert server.send("POST", rollback, json=why).json()["version"] == "v1"


def test_a_version_soaks_by_being_seen_ready(server: Live, env: str) -> None:
    """For so short that it has at once, by a real worker that the target sees ready."""
    name = fresh()
    server.upload(name, "v1")
    protect(server, env, soak={"environment": "development", "hours": 0.000001})
    assert refused(server.http.put(place(env, name), json={"version": "v1"})) == ["soak"]
    server.send("PUT", place("development", name), json={"version": "v1"})
    seen = {"environment": "development", "model": name, "kind": "observe"}
    wait_for(
        lambda: server.send("GET", "/api/v1/changes", params=seen).json()["items"],
        lambda items: any(each["observed"] == "ready" for each in items),
    )
    assert server.send("PUT", place(env, name), json={"version": "v1"}).json()["version"] == "v1"
    server.send("DELETE", place("development", name))


def test_the_page_of_an_environment_says_its_rules(server: Live, env: str) -> None:
    assert "Nothing is ruled" in server.send("GET", f"/environments/{env}").text
    protect(
        server, env, reason=True, deploy=["ada", "bob"], freeze=[FREEZE],
        soak={"environment": "staging", "hours": 24},
    )  # fmt: skip
    page = server.send("GET", f"/environments/{env}").text
    for sentence in (
        "ada and bob may deploy",
        "whoever is deployer may roll back to what was deployed there before",
        "every change takes a reason",
        "a version has to run in staging for 24 hours first",
        "frozen (year end) from 2030-12-20T00:00:00 for P14D, again and again (FREQ=YEARLY), UTC",
    ):
        assert f"<li>{sentence}</li>" in page
