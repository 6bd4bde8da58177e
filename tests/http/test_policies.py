"""Policies over HTTP: kept with their ETag, refused where they are none, and asked at every door."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from muster.domain.changes import Actor, BeginAccess, Evaluate, SetAccount, SetRoles
from tests.live import Live, fresh, live

BOB = Actor("bob")
POLICIES = "/api/v1/policies"
GOOD = "evidence.exists(e, has(e.metrics.auc) && e.metrics.auc >= 0.9)"
SAYS = "Nobody has shown an AUC of 0.9"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("home") / "registry") as running:
        yield running


@pytest.fixture
def server(shared: Live) -> Iterator[Live]:
    """It begins and ends without a policy."""
    yield shared
    for policy in shared.send("GET", POLICIES).json()["items"]:
        shared.send("DELETE", f"{POLICIES}/{policy['name']}")


def put(server: Live, name: str = "evidence", **fields: Any) -> dict[str, Any]:
    body = {"expression": GOOD, "message": SAYS, "on": ["deploy"], **fields}
    return dict(server.send("PUT", f"{POLICIES}/{name}", json=body).json())


def evaluate(server: Live, model: str, auc: float) -> None:
    change = Evaluate(model, 1, by=BOB, metrics={"auc": auc})
    server.home.registry.submit(change, BOB).result()


class TestRecords:
    def test_a_policy_is_made_shown_changed_and_deleted(self, server: Live) -> None:
        made = server.send(
            "PUT", f"{POLICIES}/evidence", json={"expression": "true", "message": "x", "reason": "y"}
        )
        assert made.status_code == 201
        whole = {"description": "", "on": [], "environments": [], "models": [], "enabled": True}
        assert made.json() == {"name": "evidence", "expression": "true", "message": "x", **whole}
        shown = server.send("GET", f"{POLICIES}/evidence")
        assert shown.json() == made.json()
        assert shown.headers["etag"] == made.headers["etag"] == f'"{made.headers["muster-commit"]}"'
        assert (
            server.http.get(
                f"{POLICIES}/evidence", headers={"If-None-Match": shown.headers["etag"]}
            ).status_code
            == 304
        )
        changed = server.send(
            "PUT", f"{POLICIES}/evidence", json={"expression": "true", "message": "z", "on": ["deploy"]}
        )
        assert changed.status_code == 200
        same = server.send(
            "PUT", f"{POLICIES}/evidence", json={"expression": "true", "message": "z", "on": ["deploy"]}
        )
        assert "muster-commit" not in same.headers
        assert same.headers["etag"] == changed.headers["etag"]
        assert server.send("GET", POLICIES).json() == {"items": [changed.json()], "count": 1, "next": None}
        assert server.send("DELETE", f"{POLICIES}/evidence").status_code == 204
        assert server.http.get(f"{POLICIES}/evidence").status_code == 404
        assert server.http.delete(f"{POLICIES}/evidence").status_code == 404

    def test_if_match_keeps_what_was_not_seen(self, server: Live) -> None:
        put(server)
        body = {"expression": "true", "message": "x"}
        stale = {"If-Match": f'"{"0" * 40}"'}
        assert server.http.put(f"{POLICIES}/evidence", json=body, headers=stale).status_code == 412
        assert server.http.delete(f"{POLICIES}/evidence", headers=stale).status_code == 412
        seen = {"If-Match": server.send("GET", f"{POLICIES}/evidence").headers["etag"]}
        assert server.http.put(f"{POLICIES}/evidence", json=body, headers=seen).status_code == 200

    def test_a_repeated_key_gives_the_first_answer(self, server: Live) -> None:
        key = {"Idempotency-Key": fresh("key")}
        body = {"expression": "true", "message": "x"}
        first = server.send("PUT", f"{POLICIES}/evidence", json=body, headers=key)
        again = server.send("PUT", f"{POLICIES}/evidence", json=body, headers=key)
        assert (again.status_code, again.json()) == (first.status_code, first.json())
        assert again.headers["muster-commit"] == first.headers["muster-commit"]

    def test_a_dry_run_writes_nothing(self, server: Live) -> None:
        body = {"expression": "true", "message": "x"}
        preview = server.send("PUT", f"{POLICIES}/evidence?dry_run=true", json=body).json()
        assert preview["subject"] == "Create policy evidence"
        assert server.http.get(f"{POLICIES}/evidence").status_code == 404
        put(server)
        assert server.send("DELETE", f"{POLICIES}/evidence?dry_run=true").json()["dry_run"]
        assert server.http.get(f"{POLICIES}/evidence").status_code == 200

    def test_what_was_in_force_can_be_asked(self, server: Live) -> None:
        first = server.send("PUT", f"{POLICIES}/evidence", json={"expression": "true", "message": "old"})
        put(server, message="new")
        at = {"at": first.headers["muster-commit"]}
        assert server.send("GET", f"{POLICIES}/evidence", params=at).json()["message"] == "old"
        assert [p["message"] for p in server.send("GET", POLICIES, params=at).json()["items"]] == ["old"]
        server.send("DELETE", f"{POLICIES}/evidence")
        gone = {"at": server.send("GET", "/api/v1/changes").json()["items"][0]["commit"]}
        assert server.http.get(f"{POLICIES}/evidence", params=gone).status_code == 404

    def test_a_list_comes_in_pages(self, server: Live) -> None:
        for name in ("c", "a", "b"):
            put(server, name, expression="true")
        page = server.send("GET", POLICIES, params={"limit": 2}).json()
        assert ([p["name"] for p in page["items"]], page["count"]) == (["a", "b"], 3)
        rest = server.send("GET", POLICIES, params={"after": page["next"]}).json()
        assert ([p["name"] for p in rest["items"]], rest["next"]) == (["c"], None)

    @pytest.mark.parametrize(
        ("body", "problem"),
        [
            ({"expression": "version.metrics.auc >=\n  0.9 &&\n  )", "message": "x"}, "line 3, column 3"),
            (
                {"expression": "verzion.number > 1", "message": "x"},
                "line 1, column 8: undeclared reference to 'verzion.number'; there are actor",
            ),
            ({"expression": "1 + 1", "message": "x"}, "must be true or false, and is int"),
            ({"expression": "false", "message": "x"}, "its own removal"),
            ({"expression": "true"}, "message: is required"),
            (
                {"expression": "true", "message": "x", "name": "other"},
                "must be 'evidence', as in the address",
            ),
        ],
    )
    @pytest.mark.parametrize("dry_run", ["true", "false"])
    def test_what_is_no_policy_is_refused(
        self, server: Live, body: dict[str, Any], problem: str, dry_run: str
    ) -> None:
        asked = [server.http.put(f"{POLICIES}/evidence", json=body, params={"dry_run": dry_run})]
        if "name" not in body:
            asked.append(server.http.post(f"{POLICIES}/test", json=body))
        for refused in asked:
            assert refused.status_code == 400
            assert problem in refused.json()["detail"]
        assert server.http.get(f"{POLICIES}/evidence").status_code == 404

    def test_no_policy_is_called_as_what_tests_them(self, server: Live) -> None:
        assert (
            server.http.put(f"{POLICIES}/test", json={"expression": "true", "message": "x"}).status_code
            == 405
        )
        refused = server.http.put(f"{POLICIES}/Bad%20Name", json={"expression": "true", "message": "x"})
        assert (refused.status_code, refused.json()["problems"][0]["field"]) == (400, "policy")


class TestDoors:
    """A policy on deployments stops them at every door, in its author's words, until there is evidence."""

    def refused(self, answer: Any) -> None:
        assert answer.status_code == 403, answer.text
        assert SAYS in answer.text

    def test_the_plain_api(self, server: Live) -> None:
        model_id = server.register(model := fresh())
        put(server)
        self.refused(server.http.post(f"/models/{model_id}/deploy"))
        self.refused(server.http.post(f"/models/{model_id}/deploy", json={"environment": "staging"}))
        body = {"name": fresh(), "version": "v1", "description": "d", "training_data": "t"}
        self.refused(server.http.post("/models", json=body | {"deployment_status": "production"}))
        evaluate(server, model, 0.5)
        self.refused(server.http.post(f"/models/{model_id}/deploy"))
        assert server.send("GET", f"/models/{model_id}").json()["deployed_in"] == []
        evaluate(server, model, 0.95)
        deployed = server.send("POST", f"/models/{model_id}/deploy").json()["model"]
        assert deployed["deployed_in"] == ["production"]

    def test_the_api(self, server: Live) -> None:
        server.register(model := fresh())
        put(server, environments=["production"])
        place = f"/api/v1/deployments/production/{model}"
        refused = server.http.put(place, json={"version": "v1"}, params={"wait": "true"})
        self.refused(refused)
        [objection] = refused.json()["objections"]
        assert (objection["rule"], objection["message"]) == ("policy evidence", SAYS)
        assert "muster policy show evidence" in objection["help"]
        dry = server.send("PUT", place, json={"version": "v1"}, params={"dry_run": "true"}).json()
        assert [each["message"] for each in dry["objections"]] == [f"{SAYS} ({objection['help']})"]
        stage = f"/api/v1/models/{model}/versions/v1/stage"
        self.refused(server.http.put(stage, json={"stage": "production"}))
        server.send("PUT", stage, json={"stage": "staging"})
        evaluate(server, model, 0.95)
        server.send("PUT", stage, json={"stage": "production"})

    def test_mlflows_dialect(self, server: Live) -> None:
        server.register(model := fresh())
        put(server)
        transition = "/api/2.0/mlflow/model-versions/transition-stage"
        body = {"name": model, "version": "1", "stage": "Production", "archive_existing_versions": False}
        refused = server.http.post(transition, json=body)
        self.refused(refused)
        assert refused.json()["error_code"] == "PERMISSION_DENIED"
        evaluate(server, model, 0.95)
        server.send("POST", transition, json=body)

    def test_what_it_decided_is_in_the_commit(self, server: Live) -> None:
        model_id = server.register(model := fresh())
        put(server)
        evaluate(server, model, 0.95)
        deployed = server.send("POST", f"/models/{model_id}/deploy").headers["muster-commit"]
        diff = server.send("GET", f"/api/v1/changes/{deployed}").json()["diff"]
        kept = {each["field"]: each["after"] for each in diff if each["path"].startswith("decisions/")}
        assert len(kept["policies.evidence"]) == len(kept["digest"]) == 64
        [asked] = kept["asked"]
        assert asked["outcomes"] == {"evidence": True}
        assert asked["inputs"]["evidence"][0]["metrics"] == {"auc": 0.95}


class TestReplay:
    def ask(self, server: Live, since: str, **fields: Any) -> list[dict[str, Any]]:
        body = {"name": "draft", "expression": "false", "message": SAYS, "on": ["deploy"], **fields}
        pages, after = [], None
        while True:
            params = {"since": since, "limit": 1} | ({"after": after} if after else {})
            pages.append(server.send("POST", f"{POLICIES}/test", json=body, params=params).json())
            if (after := pages[-1]["next"]) is None:
                return [each for page in pages for each in page["items"]]

    def test_lists_what_it_would_have_stopped_as_things_were_then(self, server: Live) -> None:
        since = server.send("GET", "/api/v1/changes").json()["items"][0]["time"]
        early = server.register(model := fresh())
        server.send("POST", f"/models/{early}/deploy", json={"reason": "too early"})
        evaluate(server, model, 0.95)
        server.send("POST", f"/models/{early}/deploy", json={"environment": "staging"})
        server.send("POST", f"/models/{early}/rollback")
        [stopped] = self.ask(server, since, expression=GOOD)
        assert (stopped["change"], stopped["environment"], stopped["reason"]) == (
            "deploy",
            "production",
            "too early",
        )
        assert stopped["objections"][0]["message"] == SAYS
        assert [each["environment"] for each in self.ask(server, since)] == ["production", "staging"]
        assert self.ask(server, since, expression="true") == []
        assert [each["change"] for each in self.ask(server, since, on=["rollback"])] == ["rollback"]
        unsure = self.ask(server, since, expression="version.metrics.recall > 0.5")
        assert "cannot be evaluated" in unsure[0]["objections"][0]["message"]
        assert server.http.get(f"{POLICIES}/draft").status_code == 404

    def test_looks_at_the_whole_history_without_a_time(self, server: Live) -> None:
        server.register(fresh())
        found = server.send(
            "POST", f"{POLICIES}/test", json={"expression": "false", "message": "x", "on": ["register"]}
        )
        assert found.json()["asked"] >= 1
        assert found.json()["seen"] > found.json()["asked"]

    def test_knows_a_model_by_the_name_that_it_had(self, server: Live) -> None:
        since = server.send("GET", "/api/v1/changes").json()["items"][0]["time"]
        server.register(model := fresh())
        server.send("PUT", f"/api/v1/models/{model}/versions/v1/stage", json={"stage": "staging"})
        server.send("POST", f"/api/v1/models/{model}/rename", json={"name": fresh("renamed")})
        expression = f"version.name == '{model}' && timestamp(version.created_at) < now"
        assert self.ask(server, since, expression=f"!({expression})", models=[model]) != []
        assert self.ask(server, since, expression=expression, models=[model]) == []


def test_a_policy_is_set_deleted_and_tested_by_admins_and_seen_by_everybody(tmp_path: Path) -> None:
    internal = Actor("muster", internal=True)
    with live(tmp_path / "home") as server:
        server.register("digits")
        put(server)
        for change in (
            BeginAccess("ada"),
            SetAccount("bob", create=True),
            SetRoles("registry", None, "bob", ("maintainer",)),
            SetAccount("carol", create=True),
            SetRoles("model", "digits", "carol", ("viewer",)),
        ):
            server.home.registry.submit(change, internal).result()
        body = {"expression": "true", "message": "x"}
        for who, may in (("bob", False), ("carol", False), ("ada", True)):
            token, _ = server.home.gate.give(who, lasts=timedelta(hours=1))
            headers = {"Authorization": f"Bearer {token}"}
            assert server.http.get(f"{POLICIES}/evidence", headers=headers).json()["message"] == SAYS
            assert server.http.get(POLICIES, headers=headers).json()["count"] == 1
            done = {
                server.http.put(f"{POLICIES}/other", json=body, headers=headers).status_code,
                server.http.post(f"{POLICIES}/test", json=body, headers=headers).status_code,
                server.http.delete(f"{POLICIES}/other", headers=headers).status_code,
            }
            assert done == ({201, 200, 204} if may else {403})
