"""People in front of a live server with access control: who they are, and what they ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from muster.bootstrap import Home
from muster.domain import changes as c
from muster.domain.records import Environment
from muster.domain.rules import Approvals, EnvironmentRules
from tests.live import Live
from tests.serving import wait_for

PEOPLE = ("bob", "rita", "rob", "cy", "lea")


def protect(home: Home, name: str = "production", count: int = 2, **more: Any) -> None:
    """Have the environment demand approvals of risk."""
    there = [each for each, _ in home.registry.index.environments() if each.name == name]
    rules = EnvironmentRules(approvals=(Approvals("risk", count),), **more)
    change = c.SetEnvironment(
        replace(there[0] if there else Environment(name), rules=rules), create=not there
    )
    home.registry.submit(change, c.Actor("muster", internal=True)).result(60)


@dataclass
class People:
    """Everybody, each with a token: the one place that knows how a request says who it is from.

    ada is admin, bob and the service `ci` deploy, rita, rob and cy are of risk; cy uses `ci`.
    """

    server: Live
    _headers: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.do(c.BeginAccess("ada"))
        for name in PEOPLE:
            self.do(c.SetAccount(name, create=True), c.SetRoles("registry", None, name, ("viewer",)))
        self.do(c.SetAccount("ci", "service", owner="ada", users=("cy",), create=True))
        for name in ("bob", "ci"):
            self.do(c.SetRoles("registry", None, name, ("deployer",)))
        self.do(c.SetTeam("risk", add=("rita", "rob", "cy", "bob"), create=True))

    def do(self, *changes: c.Change, by: c.Actor | None = None) -> None:
        """Without a request: as Muster itself, unless said otherwise."""
        for change in changes:
            actor = by or c.Actor("muster", internal=True)
            self.server.home.registry.submit(change, actor).result(60)

    def protect(self, name: str = "production", count: int = 2, **more: Any) -> None:
        """Have the environment demand approvals of risk."""
        protect(self.server.home, name, count, **more)

    def headers(self, who: str) -> dict[str, str]:
        """What says that a request is theirs."""
        if who not in self._headers:
            secret, _ = self.server.home.gate.give(who)
            self._headers[who] = {"Authorization": f"Bearer {secret}"}
        return self._headers[who]

    def ask(self, who: str, method: str, path: str, **more: Any) -> httpx.Response:
        """A request of theirs."""
        headers = self.headers(who) | more.pop("headers", {})
        return self.server.http.request(method, path, headers=headers, **more)

    def send(self, who: str, method: str, path: str, **more: Any) -> httpx.Response:
        """A request of theirs that must go well."""
        answer = self.ask(who, method, path, **more)
        assert answer.status_code < 400, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def make(self, who: str, name: str, version: str = "v1", **fields: Any) -> str:
        """A version without files, by them; its model id."""
        body = {"name": name, "version": version, "description": "d", "training_data": "t", **fields}
        return str(self.send(who, "POST", "/models", json=body).json()["model_id"])

    def deploy(self, who: str, name: str, version: str = "v1", **more: Any) -> httpx.Response:
        """Their request to deploy it to production."""
        where = f"/api/v1/deployments/production/{name}"
        body = {"version": version, "reason": "needed"}
        return self.ask(who, "PUT", where, json=body, **more)

    def approve(self, who: str, of: str, comment: str = "") -> httpx.Response:
        return self.ask(who, "POST", f"/api/v1/proposals/{of}/approve", json={"comment": comment})

    def proposal(self, of: str, who: str = "ada") -> dict[str, Any]:
        """The proposal as they see it."""
        found: dict[str, Any] = self.send(who, "GET", f"/api/v1/proposals/{of}").json()
        return found

    def settled(self, answer: httpx.Response) -> dict[str, Any]:
        """The operation that an approval began, once it has ended."""
        where = f"/api/v1/operations/{answer.json()['operation']['id']}"
        return wait_for(lambda: self.send("ada", "GET", where).json(), lambda operation: operation["ended"])

    def running(self, name: str) -> int | None:
        """The number of the version that is declared in production."""
        found = self.server.home.registry.deployment("production", name)
        return found[0].version if found else None

    def ids(self, who: str, **wanted: str) -> Sequence[str]:
        """The proposals that a list of theirs holds."""
        answer = self.send(who, "GET", "/api/v1/proposals", params=wanted).json()
        return [each["id"] for each in answer["items"]]
