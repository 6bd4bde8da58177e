"""The whole story of approvals over HTTP, with people and a service account; and each way round it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from muster.domain import changes as c
from tests.approving import People
from tests.live import Live, fresh, live


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("home") / "registry") as running:
        yield running


@pytest.fixture(scope="module")
def people(server: Live) -> People:
    found = People(server)
    found.protect()
    return found


def test_a_deployment_waits_is_approved_by_two_and_happens_at_once(people: People) -> None:
    name = fresh()
    people.make("ada", name, metrics={"auc": 0.9})
    people.make("ada", name, "v2", metrics={"auc": 0.92}, training_data="newer")
    people.do(c.Deploy(name, 1, "production"))

    waits = people.deploy("ci", name, "v2")
    assert waits.status_code == 202
    proposal = waits.json()
    of = proposal["id"]
    assert waits.headers["Location"] == f"/api/v1/proposals/{of}"
    assert waits.headers["Muster-Proposal"] == of
    assert proposal["state"] == "open"
    assert proposal["requester"] == "ci"
    assert proposal["reason"] == "needed"
    assert proposal["missing"] == [{"environment": "production", "from": "risk", "count": 2}]
    assert people.deploy("ci", name, "v2").json()["id"] == of  # the same one
    assert people.running(name) == 1

    effect = people.proposal(of)["effect"]
    assert (effect["replaces"], effect["proposed"]) == (f"{name}_v1", f"{name}_v2")
    told = {(each["part"], each["field"]): (each["before"], each["after"]) for each in effect["differences"]}
    assert told["metrics", "auc"] == (0.9, 0.92)
    assert told["data", "training_data"] == ("t", "newer")

    assert of in people.ids("rita", waiting_for="rita", model=name)
    assert of not in people.ids("rita", waiting_for="cy")  # who uses ci
    first = people.approve("rita", of, "recall is better")
    assert first.status_code == 200
    assert "operation" not in first.json()
    assert people.ids("rita", waiting_for="rita", model=name) == []
    assert people.running(name) == 1
    last = people.approve("rob", of)
    assert people.settled(last)["state"] == "done"
    assert people.running(name) == 2

    done = people.proposal(of)
    assert done["state"] == "applied"
    assert [(each["actor"], each["comment"]) for each in done["decisions"]] == [
        ("rita", "recall is better"),
        ("rob", ""),
    ]
    carried = done["carried_out"]
    assert (carried["actor"], carried["change"], carried["proposal"]) == ("ci", "deploy", of)
    log = people.send("ada", "GET", f"/api/v1/changes?model={name}&limit=1").json()["items"][0]
    assert log["commit"] == carried["commit"]
    head = people.server.home.storage.history
    assert f"Muster-Proposal: {of}\n" in next(
        each.message for each in head.log(None, carried["commit"]) if each.commit == carried["commit"]
    )


def test_the_plain_api_says_so_in_its_own_words(people: People) -> None:
    model_id = people.make("ada", fresh())
    waits = people.ask("bob", "POST", f"/models/{model_id}/deploy", json={})
    assert waits.status_code == 202
    said = waits.json()
    assert said["proposal"]["state"] == "open"
    assert said["proposal"]["id"] in said["message"]
    again = people.ask("bob", "POST", f"/models/{model_id}/deploy", json={})
    assert again.json()["proposal"]["id"] == said["proposal"]["id"]


def test_a_repeated_key_gives_the_proposal_again(people: People) -> None:
    name = fresh()
    people.make("ada", name)
    key = {"Idempotency-Key": f"once-{name}"}
    first, again = (people.deploy("bob", name, headers=key) for _ in range(2))
    assert first.status_code == again.status_code == 202
    assert first.json()["id"] == again.json()["id"]


def test_whoever_asked_for_it_may_withdraw_it_and_one_rejection_ends_it(people: People) -> None:
    name = fresh()
    people.make("ada", name)
    of = people.deploy("bob", name).json()["id"]
    where = f"/api/v1/proposals/{of}"
    assert people.ask("rita", "POST", f"{where}/withdraw", json={}).status_code == 403
    assert people.send("bob", "POST", f"{where}/withdraw", json={"comment": "later"}).json()["state"] == (
        "withdrawn"
    )
    other = people.deploy("bob", name).json()["id"]
    assert other != of
    rejected = people.send("rob", "POST", f"/api/v1/proposals/{other}/reject", json={"comment": "drifts"})
    assert rejected.json()["state"] == "rejected"
    refused = people.approve("rita", other)
    assert refused.status_code == 409


# ------------------------------------------------------------ each way round


@pytest.mark.parametrize(
    ("asks", "makes", "approves", "rule"),
    [
        ("bob", "ada", "bob", "requester"),
        ("ada", "bob", "bob", "author"),
        ("ci", "ada", "cy", "service-account"),
        ("bob", "ci", "cy", "service-account"),
        ("bob", "ada", "lea", "team"),
        ("bob", "ada", "ci", "person"),
    ],
)
def test_who_may_not_approve_is_told_which_rule_says_so(
    people: People, asks: str, makes: str, approves: str, rule: str
) -> None:
    name = fresh()
    people.make(makes, name)
    of = people.deploy(asks, name).json()["id"]
    refused = people.approve(approves, of)
    assert refused.status_code == 403
    assert rule in [each["rule"] for each in refused.json()["objections"]]
    seen = people.proposal(of, approves)
    assert seen["you"]["may_approve"] is False
    assert seen["decisions"] == []


def test_nobody_stands_for_two_and_nobody_speaks_for_others(people: People) -> None:
    name = fresh()
    people.make("ada", name)
    of = people.deploy("bob", name).json()["id"]
    assert people.approve("rita", of).status_code == 200
    assert people.approve("rita", of).json()["objections"][0]["rule"] == "once"
    lies = {**people.headers("rita"), "X-Muster-Actor": "rob"}
    answer = people.server.http.post(f"/api/v1/proposals/{of}/approve", json={}, headers=lies)
    assert answer.status_code == 403
    assert people.running(name) is None


def test_an_approval_is_for_what_was_there_when_it_was_given(people: People) -> None:
    name = fresh()
    people.make("ada", name)
    of = people.deploy("bob", name).json()["id"]
    people.approve("rita", of)
    people.send("ada", "PATCH", f"/api/v1/models/{name}/versions/v1", json={"description": "another"})
    seen = people.proposal(of)
    assert seen["changed"] == ["what the version says of itself"]
    assert seen["decisions"][0]["counts"] is False
    people.approve("rob", of)
    assert people.running(name) is None
    assert people.proposal(of)["approvals"] == ["rob"]
    assert people.settled(people.approve("rita", of))["state"] == "done"


def test_approvals_go_with_the_account_of_who_gave_them(people: People) -> None:
    name = fresh()
    people.make("ada", name)
    people.do(c.SetAccount("rae", create=True), c.SetRoles("registry", None, "rae", ("viewer",)))
    people.do(c.SetTeam("risk", add=("rae",)))
    of = people.deploy("bob", name).json()["id"]
    people.approve("rae", of)
    people.do(c.SetAccount("rae", disabled=True))
    people.approve("rob", of)
    assert people.running(name) is None
    seen = people.proposal(of)
    assert seen["missing"] == [{"environment": "production", "from": "risk", "count": 1}]
    assert "disabled" in seen["decisions"][0]["why_not"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/api/v1/models/{name}/versions/v1/stage", {"stage": "production"}),
        ("PATCH", "/api/v1/environments/production", {"description": "ours"}),
        ("DELETE", "/api/v1/environments/guarded", None),
        ("POST", "/models", {"name": "{name}", "version": "v9", "deployment_status": "production"}),
    ],
)
def test_other_ways_to_production_wait_as_well(
    people: People, method: str, path: str, body: dict[str, str] | None
) -> None:
    name = fresh()
    people.make("ada", name)
    if body is not None:
        full = {"description": "d", "training_data": "t"} if method == "POST" else {}
        body = full | {key: value.format(name=name) for key, value in body.items()}
    people.protect("guarded")
    answer = people.ask("ada", method, path.format(name=name), json=body)
    assert answer.status_code == 202, answer.text
    of = answer.headers["Muster-Proposal"]
    people.send("ada", "POST", f"/api/v1/proposals/{of}/withdraw", json={})


def test_a_change_of_rules_is_recorded_once_it_is_approved(people: People) -> None:
    wanted = {"description": "what customers use, and regulators see"}
    of = people.ask("ada", "PATCH", "/api/v1/environments/production", json=wanted).json()["id"]
    people.approve("rita", of)
    last = people.approve("rob", of).json()
    assert last["state"] == "applied"
    there = people.send("ada", "GET", "/api/v1/environments/production").json()
    assert there["description"] == wanted["description"]
    assert last["carried_out"]["actor"] == "ada"


def test_what_was_approved_and_did_not_start_is_asked_for_again(people: People) -> None:
    name = fresh()
    people.do(c.RegisterVersion(name, "v1", training_data="t", pending=True), by=c.Actor("ada", "token"))
    people.send("ada", "PUT", f"/api/v1/models/{name}/versions/v1/files/model.onnx", content=b"no model")
    people.send("ada", "POST", f"/api/v1/models/{name}/versions/v1/finalize")
    of = people.deploy("bob", name).json()["id"]
    people.approve("rita", of)
    assert people.settled(people.approve("rob", of))["state"] == "failed"
    assert people.proposal(of)["state"] == "open"
    again = people.deploy("bob", name)
    assert again.status_code == 202
    assert again.headers["Location"].startswith("/api/v1/operations/")


def test_back_to_what_ran_there_needs_nobody(people: People) -> None:
    name = fresh()
    for version in ("v1", "v2"):
        people.make("ada", name, version)
    people.do(c.Deploy(name, 1, "production"), c.Deploy(name, 2, "production"))
    where = f"/api/v1/deployments/production/{name}/rollback"
    silent = people.ask("bob", "POST", where, json={})
    assert silent.status_code == 403
    assert silent.json()["objections"][0]["rule"] == "reason"
    people.send("bob", "POST", f"{where}?wait=true", json={"reason": "errors"})
    assert people.running(name) == 1


# ------------------------------------------------------------ breaking the glass


def test_the_glass_is_broken_by_few_seen_by_all_and_reviewed_by_two(
    people: People, caplog: pytest.LogCaptureFixture
) -> None:
    name = fresh()
    people.make("ada", name)
    asked: dict[str, Any] = {"params": {"break_glass": "true", "wait": "true"}}
    refused = people.deploy("bob", name, **asked)
    assert refused.status_code == 403
    assert "has not the role break-glass" in refused.json()["detail"]
    people.do(c.SetRoles("environment", "production", "lea", ("break-glass",)))
    done = people.deploy("lea", name, **asked)
    assert done.status_code == 200, done.text
    assert people.running(name) == 1
    assert any(each.message == "the glass was broken" for each in caplog.records)
    log = people.send("ada", "GET", f"/api/v1/changes?model={name}&limit=1").json()["items"][0]
    assert log["mark"] == "break-glass"
    (review,) = people.send("ada", "GET", "/api/v1/reviews?state=open").json()["items"]
    assert (review["actor"], review["reason"], review["by"]["commit"]) == ("lea", "needed", log["commit"])
    where = f"/api/v1/reviews/{review['id']}/review"
    assert people.ask("lea", "POST", where, json={}).status_code == 403
    people.send("rita", "POST", where, json={"comment": "it was right"})
    assert people.ask("rita", "POST", where, json={}).status_code == 409
    assert people.send("bob", "POST", where, json={}).json()["state"] == "reviewed"
    assert people.send("ada", "GET", "/api/v1/reviews?state=open").json()["count"] == 0
