"""Policies on pages, and who served: set with what they would have stopped, refused beside the field."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe

from muster.domain import changes as c
from tests.approving import People
from tests.live import Live, fresh, live
from tests.pages.acting import token, visitor
from tests.pages.conftest import Visit
from tests.pages.deciding import asked, seen_by
from tests.pages.test_accessibility import RULES

OWNED = {"expression": 'change.kind != "register" || version.owner != ""', "message": "say who owns it"}


@pytest.fixture
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("home") / "registry") as running:
        yield running


def test_a_policy_is_tried_on_the_history_set_changed_and_deleted(server: Live) -> None:
    name = fresh()
    server.register(name)
    with visitor(server) as client:
        form = {"token": token(client.get("/policies")), "name": "owned", "enabled": "yes", **OWNED}
        tried = client.post("/policies", data={**form, "do": "test"})
        assert tried.status_code == 200, tried.text
        assert "What it would have stopped" in tried.text
        assert "say who owns it" in tried.text
        assert server.http.get("/api/v1/policies").json()["count"] == 0

        done = client.post("/policies", data={**form, "do": "set", "reason": "audit"})
        assert done.status_code == 303, done.text
        page = client.get("/policies/owned").text
        assert "<q>audit</q>" in page
        server.send("POST", f"/api/v1/models/{name}/versions", json={"version": "v2", "owner": "ada"})
        judged = server.http.get(f"/api/v1/changes?model={name}&limit=1").json()["items"][0]
        assert "Judged by" in client.get(f"/history/{judged['commit']}").text
        changed = {**form, "message": "name an owner", "do": "set"}
        assert client.post("/policies/owned", data=changed).status_code == 303
        assert "name an owner" in client.get("/policies").text
        gone = client.post("/policies/owned", data={"token": form["token"], "do": "delete"})
        assert gone.status_code == 303
    assert server.http.get("/api/v1/policies").json()["count"] == 0


def test_what_is_wrong_with_a_policy_stands_beside_the_field(server: Live) -> None:
    with visitor(server) as client:
        form = {
            "token": token(client.get("/policies")),
            "name": "bad",
            "expression": "nonsense ==",
            "do": "set",
        }
        refused = client.post("/policies", data={**form, "message": "m"})
        assert refused.status_code == 400
        assert 'id="expression-wrong"' in refused.text
        assert "nonsense ==</textarea>" in refused.text
        empty = client.post("/policies", data={**form, "message": ""})
    assert 'id="message-wrong"' in empty.text


def test_who_served_names_the_version_its_files_and_who_approved_it(guarded: Live) -> None:
    people = People(guarded)
    people.protect(count=1)
    name, of = asked(people)
    people.settled(people.approve("rita", of, "better recall"))
    people.do(c.SetRoles("registry", None, "rita", ("viewer",)))
    with seen_by(people, "rita") as rita:
        page = rita.get(f"/who-served?model={name}").text
        assert "production: v2" in page
        assert "<q>better recall</q>" in page
        assert f"/proposals/{of}" in page
        assert "2026" in page or "UTC" in page
        wrong = rita.get(f"/who-served?model={name}&time=soon")
        assert wrong.status_code == 400
        assert 'id="time-wrong"' in wrong.text
        assert rita.get("/who-served?model=nowhere").status_code == 404
        done = people.proposal(of)["carried_out"]["commit"]
        told = rita.get(f"/history/{done}").text
        assert "Approved by" in told
        assert f"approved in {of}" in rita.get("/history").text
        before = rita.get(f"/who-served?model={name}&time={people.proposal(of)['created_at']}").text
    assert "production: v1" in before


@pytest.mark.needs("chromium")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("width", [360, 1440])
def test_nothing_is_in_anybodys_way(server: Live, visit: Visit, width: int) -> None:
    name = fresh()
    server.register(name)
    server.send("PUT", f"/api/v1/deployments/production/{name}?wait=true", json={"version": "v1"})
    server.send("PUT", "/api/v1/policies/quiet", json={**OWNED, "enabled": False})
    page = visit(f"{server.url}/policies", width=width)
    found = {}
    for path in ("/policies", "/policies/quiet", "/who-served", f"/who-served?model={name}"):
        page.goto(server.url + path)
        said = [each["id"] for each in Axe().run(page, options=RULES).response["violations"]]
        if (wide := page.evaluate("document.documentElement.scrollWidth")) > width:
            said.append(f"{wide} px wide")
        found[path] = said
    assert {path: said for path, said in found.items() if said} == {}
