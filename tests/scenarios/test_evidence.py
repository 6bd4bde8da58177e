"""A version is deployed once the right person has evaluated it: refused, evaluated by the wrong one, allowed.

Ada runs the registry, Bob makes models, Carl is of the team that validates them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from muster import Client
from muster.domain.changes import BeginAccess
from muster.domain.errors import Denied
from muster.service.observing import MUSTER
from tests.live import Live, live
from tests.repositories import git

HOLDOUT = {"name": "holdout", "sha256": "a" * 64}
RULES = ["auc >= 0.9 by team:validation", "auc no worse than deployed by 0.01 by team:validation", "report"]


@dataclass
class People:
    """Everybody's own client."""

    server: Live
    ada: Client
    bob: Client
    carl: Client
    report: Path

    def deploy(self, version: str) -> list[str]:
        """Bob deploys; what is said against it."""
        try:
            self.bob.deploy(f"digits/{version}", "production")
        except Denied as refused:
            return [str(each) for each in refused.objections if each.rule == "production: evidence"]
        return []


@pytest.fixture
def people(tmp_path: Path) -> Iterator[People]:
    with live(tmp_path / "home") as server:
        server.home.registry.submit(BeginAccess("ada"), MUSTER).result()
        with Client(server.url, authorization=f"Bearer {server.home.gate.give('ada')[0]}") as ada:
            for name in ("bob", "carl"):
                ada.calls.write("POST", "/api/v1/accounts", {"id": name})
                ada.calls.write("PUT", "/api/v1/roles", {"subject": name, "roles": ["deployer"]})
            ada.calls.write("POST", "/api/v1/teams", {"name": "validation", "members": ["carl"]})
            ada.update_environment("production", {"rules": {"evidence": RULES}})
            secrets = [server.home.gate.give(name)[0] for name in ("bob", "carl")]
            bob, carl = (Client(server.url, authorization=f"Bearer {secret}") for secret in secrets)
            report = tmp_path / "report.html"
            report.write_text("<h1>Validation of digits</h1>")
            with bob, carl:
                yield People(server, ada, bob, carl, report)


def test_the_right_person_evaluates_and_then_it_is_deployed(people: People) -> None:
    for version in ("v1", "v2"):
        people.bob.register("digits", version)
    missing, reportless = people.deploy("v1")
    assert "digits/v1 has no evaluation by team:validation with auc" in missing
    assert "(carl of team validation can evaluate it: `muster evaluate`)" in missing
    assert "digits/v1 has no evaluation with a report" in reportless

    people.bob.evaluate("digits/v1", {"auc": 0.97}, dataset=HOLDOUT, report=people.report)
    (wrong,) = people.deploy("v1")
    assert "(evaluation 1 does not count: bob is not of team validation)" in wrong
    with pytest.raises(Denied, match="bob cannot evaluate as team:validation"):
        people.bob.evaluate("digits/v1", {"auc": 0.97}, evaluator="team:validation")

    # To join the team does not make what was done before a work of the team.
    people.ada.calls.write("PATCH", "/api/v1/teams/validation", {"add": ["bob"]})
    assert "bob was not of team validation then" in people.deploy("v1")[0]
    people.ada.calls.write("PATCH", "/api/v1/teams/validation", {"remove": ["bob"]})

    found = people.carl.evaluate("digits/v1", {"auc": 0.92}, dataset=HOLDOUT, evaluator="team:validation")
    assert (found["by"], found["verified"], found["teams"]) == ("carl", True, ["validation"])
    assert people.deploy("v1") == []

    people.carl.evaluate("digits/v2", {"auc": 0.905}, dataset=HOLDOUT, report=people.report)
    (worse,) = people.deploy("v2")
    assert "that of digits/v1, deployed there, is 0.92: 0.015 too low, and the higher is better" in worse
    people.carl.evaluate("digits/v2", {"auc": 0.915}, dataset=HOLDOUT, report=people.report)
    assert people.deploy("v2") == []

    # The way back is open, though what was evaluated may have been forgotten.
    people.ada.update_environment("production", {"rules": {"evidence": ["auc >= 0.99"]}})
    people.bob.rollback("digits/v2")
    assert people.bob.version("digits:production")["version"] == "v1"


def test_who_leaves_takes_their_word_along(people: People) -> None:
    people.bob.register("digits", "v1")
    people.carl.evaluate("digits/v1", {"auc": 0.95}, dataset=HOLDOUT, report=people.report)
    people.ada.calls.write("PATCH", "/api/v1/accounts/carl", {"disabled": True})
    (gone,) = people.deploy("v1")
    assert "the account carl is disabled" in gone


@pytest.mark.needs("git-lfs")
def test_a_clone_has_the_evidence_and_gets_the_report(people: People, tmp_path: Path) -> None:
    people.bob.register("digits", "v1")
    people.carl.evaluate("digits/v1", {"auc": 0.95}, dataset=HOLDOUT, report=people.report)
    git(tmp_path, "lfs", "install")
    git(tmp_path, "clone", "-q", str(people.server.home.storage.folder.repository), "clone")
    clone = tmp_path / "clone"
    (record,) = clone.glob("models/*/digits/versions/1/evaluations/1.json")
    assert '"by": "carl"' in record.read_text()
    report = record.parent / "1" / "files" / "report.html"
    assert report.read_text().startswith("version https://git-lfs")
    git(clone, "lfs", "pull", "-I", "models/*/digits/versions/1/evaluations/**", "-X", "", home=tmp_path)
    assert report.read_text() == people.report.read_text()
