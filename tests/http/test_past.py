"""Any past moment, over HTTP: what served, who approved it, what was seen, and who set which field."""

from __future__ import annotations

import pytest

from tests.live import Live, fresh


def now(server: Live) -> str:
    """The newest change's commit."""
    return str(server.send("GET", "/api/v1/changes", params={"limit": 1}).json()["items"][0]["commit"])


class TestWhoServed:
    def test_it_names_version_digests_who_why_and_what_was_seen(self, server: Live) -> None:
        name = fresh()
        server.upload(name, "v1")
        server.upload(name, "v2")
        before = now(server)
        server.send("POST", f"/models/{name}_v1/deploy", json={"reason": "first"})
        then = now(server)
        server.send("POST", f"/models/{name}_v2/deploy", json={"reason": "better"})
        path = f"/api/v1/models/{name}/served"
        (served,) = server.send("GET", path, params={"at": then}).json()["items"]
        assert (served["model_id"], served["environment"]) == (f"{name}_v1", "production")
        assert served["by"]["reason"] == "first"
        assert served["files"] == server.send("GET", f"/models/{name}_v1").json()["files"]
        assert served["approvals"] == []
        (present,) = server.send("GET", path).json()["items"]
        assert present["model_id"] == f"{name}_v2"
        assert server.send("GET", path, params={"at": before}).json()["items"] == []
        assert server.send("GET", path, params={"environment": "staging"}).json()["count"] == 0
        server.send("DELETE", f"/api/v1/deployments/production/{name}")

    def test_what_runs_elsewhere_is_told_by_instance(self, server: Live) -> None:
        name, place = fresh(), fresh("edge")
        server.upload(name, "v1")
        server.send("POST", "/api/v1/environments", json={"name": place, "target": "external"})
        server.send("POST", f"/models/{name}_v1/deploy", json={"environment": place})
        observed = f"/api/v1/deployments/{place}/{name}/observed"
        for instance in ("pod-1", "pod-2"):
            server.send("PUT", observed, json={"version": "v1", "instance": instance})
        (served,) = server.send("GET", f"/api/v1/models/{name}/served").json()["items"]
        assert [(each["instance"], each["number"]) for each in served["observed"]] == [
            ("pod-1", 1),
            ("pod-2", 1),
        ]

    @pytest.mark.parametrize("at", ["yesterday", "2026-01-01"])
    def test_what_is_no_moment_is_refused(self, server: Live, at: str) -> None:
        name = fresh()
        server.register(name)
        answer = server.http.get(f"/api/v1/models/{name}/served", params={"at": at})
        assert (answer.status_code, answer.json()["problems"][0]["field"]) == (400, "at")

    def test_a_model_that_was_not_there_then_is_missing(self, server: Live) -> None:
        at = now(server) if server.register(fresh()) else ""
        name = fresh()
        server.register(name)
        assert server.http.get(f"/api/v1/models/{name}/served", params={"at": at}).status_code == 404


class TestBlame:
    def test_each_field_names_the_change_that_set_it_last(self, server: Live) -> None:
        name = fresh()
        server.register(name, reason="new", tags={"tier": "1"})
        server.send("PATCH", f"/api/v1/models/{name}/versions/v1", json={"description": "better words"})
        found = server.send("GET", f"/api/v1/models/{name}/versions/v1/blame").json()
        assert found["fields"]["description"]["change"] == "update"
        assert found["fields"]["tags"]["reason"] == "new"
        assert found["values"]["description"] == "better words"
        at = found["fields"]["tags"]["commit"]
        then = server.send("GET", f"/api/v1/models/{name}/versions/1/blame", params={"at": at}).json()
        assert then["fields"]["description"]["change"] == "register"

    def test_a_models_fields_too(self, server: Live) -> None:
        name = fresh()
        server.register(name)
        server.send("PATCH", f"/api/v1/models/{name}", json={"owner": "ada", "reason": "handed over"})
        found = server.send("GET", f"/api/v1/models/{name}/blame").json()
        assert found["fields"]["owner"]["reason"] == "handed over"
