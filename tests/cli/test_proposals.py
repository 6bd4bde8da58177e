"""The commands of approvals: what waits, what to do next, who said what, and broken glass."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from muster import ModelRegistry
from muster.client import Client
from muster.domain import changes as c
from muster.domain.errors import ApprovalNeeded
from tests.approving import People, protect
from tests.live import Live, fresh, live
from tests.terminal import Terminal


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("home") / "registry") as running:
        yield running


@pytest.fixture(scope="module")
def people(server: Live) -> People:
    found = People(server)
    found.protect()
    found.do(c.SetRoles("environment", "production", "lea", ("break-glass",)))
    return found


class Desk:
    """A terminal of somebody's."""

    def __init__(self, people: People, folder: Path) -> None:
        self._people = people
        self._terminal = Terminal(folder)

    def run(self, who: str, *words: str, exit_code: int = 0) -> str:
        token = self._people.headers(who)["Authorization"].removeprefix("Bearer ")
        named = {"MUSTER_URL": self._people.server.url, "MUSTER_TOKEN": token}
        return self._terminal.run("muster", *words, exit_code=exit_code, **named)

    def items(self, who: str, *words: str) -> Any:
        """What a list answers with `--json`."""
        return json.loads(self.run(who, *words, "--json"))["items"]


@pytest.fixture
def desk(people: People, tmp_path: Path) -> Desk:
    return Desk(people, tmp_path)


def test_a_deployment_that_waits_says_what_is_next(people: People, desk: Desk) -> None:
    name = fresh()
    people.make("ada", name, metrics={"auc": 0.9})
    waits = desk.run("bob", "deploy", f"{name}/v1", "--reason", "better", exit_code=8)
    (of,) = people.ids("bob", model=name)
    assert f"Deploy {name} v1 to production waits for approval: {of} (2 of risk in production)" in waits
    assert f"Next: `muster proposals show {of}`; others approve it with `muster approve {of}`" in waits
    (found,) = desk.items("rita", "proposals", "list", "--model", name)
    assert found["id"] == of
    shown = desk.run("rita", "proposals", "show", of)
    assert f"{of}: Deploy {name} v1 to production" in shown
    assert "auc" in shown
    assert f"Next: muster approve {of}" in shown


def test_it_is_approved_and_done(people: People, desk: Desk) -> None:
    name = fresh()
    people.make("ada", name)
    of = people.deploy("bob", name).json()["id"]
    assert f"Would: Approve {of}" in desk.run("rita", "approve", of, "--dry-run")
    first = desk.run("rita", "approve", of, "--comment", "looks right")
    assert f"{of} still needs 1 more of risk in production" in first
    assert "approved it already" in desk.run("rita", "approve", of, exit_code=5)
    assert f"{of} is applied: Deploy {name} v1 to production." in desk.run("rob", "approve", of)
    assert people.running(name) == 1
    after = desk.run("bob", "proposals", "show", of)
    assert "looks right" in after
    assert "carried out by" in after


def test_a_proposal_is_rejected_or_taken_back(people: People, desk: Desk) -> None:
    name = fresh()
    people.make("ada", name)
    of = people.deploy("bob", name).json()["id"]
    assert f"{of} is withdrawn" in desk.run("bob", "withdraw", of)
    other = people.deploy("bob", name).json()["id"]
    assert f"{other} is rejected" in desk.run("rob", "reject", other, "--comment", "drifts")
    assert people.proposal(other)["decisions"][0]["comment"] == "drifts"


def test_broken_glass_is_listed_until_two_others_have_looked(people: People, desk: Desk) -> None:
    name = fresh()
    people.make("ada", name)
    desk.run("lea", "deploy", f"{name}/v1", "--break-glass", exit_code=5)
    desk.run("lea", "deploy", f"{name}/v1", "--break-glass", "--reason", "outage")
    assert "outage" in desk.run("ada", "reviews")
    (review,) = people.send("ada", "GET", "/api/v1/reviews").json()["items"]
    assert "is open" in desk.run("rita", "review", review["id"], "--comment", "it was right")
    assert "is reviewed" in desk.run("rob", "review", review["id"])
    assert desk.items("ada", "reviews") == []


def test_the_client_raises_what_waits_with_its_record(people: People) -> None:
    name = fresh()
    people.make("ada", name)
    token = people.headers("bob")["Authorization"].removeprefix("Bearer ")
    with Client(people.server.url, token=token) as client:
        with pytest.raises(ApprovalNeeded) as waits:
            client.deploy(f"{name}/v1", reason="better")
        of = waits.value.proposal
        assert of is not None
        assert waits.value.record is not None
        assert waits.value.record["state"] == "open"
        assert client.proposal(of)["effect"]["proposed"] == f"{name}_v1"
        assert client.withdraw(of)["state"] == "withdrawn"
        made = client.propose("deploy", name, version="v1", reason="again")
        assert made["state"] == "open"
        assert client.proposals(model=name, state="open") == [client.proposals(model=name)[0]]


def test_embedded_use_waits_as_well(tmp_path: Path) -> None:
    with ModelRegistry(tmp_path / "registry") as registry:
        home = registry._home  # there is no door of its own for rules
        home.registry.submit(c.SetTeam("risk", create=True), c.Actor("ada")).result()
        protect(home)
        model_id = registry.register_model("digits", "v1", "handwritten digits", "forms")
        with pytest.raises(ApprovalNeeded) as waits:
            registry.deploy(model_id)
        assert waits.value.proposal == "P-00001"
        with pytest.raises(ApprovalNeeded, match="P-00001 is open for it"):
            registry.deploy(model_id)
