"""An environment's rules, as people see and change them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.pages.acting import token
from tests.pages.conftest import Visit
from tests.pages.entering import Guarded
from tests.pages.entering import guarded as opened

pytestmark = pytest.mark.needs("chromium")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with opened(tmp_path_factory.mktemp("home") / "registry") as found:
        found.ask("POST", "/api/v1/teams", json={"name": "risk", "members": ["root"]})
        yield found


@pytest.mark.parametrize(("script", "name"), [(True, "staging"), (False, "development")])
def test_rules_are_changed_once_their_effect_was_seen(
    guarded: Guarded, visit: Visit, script: bool, name: str
) -> None:
    page = visit(f"{guarded.server.url}/login", script=script)
    guarded.enter(page, "root", f"/environments/{name}")
    page.get_by_role("link", name="Change… the rules").click()
    page.get_by_label("Who may deploy").fill("team:risk root")
    page.get_by_label("Evidence").fill("auc >= 0.9")
    page.get_by_label("Every change takes a reason").check()
    page.get_by_label("Where it has to run first").select_option("production")
    page.get_by_label("Hours that it has to run there").fill("24")
    page.get_by_label("Aliases that count").fill("champion")
    for column, text in (("Name", "year end"), ("Begins", "2026-12-20T18:00"), ("Lasts", "P14D")):
        page.get_by_label(f"{column} of freeze 1").fill(text)
    page.get_by_label("Again of freeze 1").fill("FREQ=YEARLY")
    page.get_by_label("Time zone of freeze 1").fill("Europe/Berlin")
    page.get_by_label("Reason for").fill("As agreed")
    page.get_by_role("button", name="Show what it changes").click()
    expect(page.locator("#effect")).to_contain_text("champion")
    assert "rules" not in guarded.ask("GET", f"/api/v1/environments/{name}")
    page.get_by_role("button", name=f"Change the rules of {name}").click()
    expect(page.locator("#flash")).to_contain_text("Done.")
    assert guarded.ask("GET", f"/api/v1/environments/{name}")["rules"] == {
        "deploy": ["team:risk", "root"],
        "evidence": ["auc >= 0.9"],
        "reason": True,
        "soak": {"environment": "production", "hours": 24.0},
        "freeze": [
            {
                "name": "year end",
                "dtstart": "2026-12-20T18:00:00",
                "duration": "P14D",
                "rrule": "FREQ=YEARLY",
                "timezone": "Europe/Berlin",
            }
        ],
        "aliases": ["champion"],
    }
    page.goto(f"{guarded.server.url}/rules/{name}")
    expect(page.get_by_label("Who may deploy")).to_have_value("team:risk root")
    expect(page.get_by_label("Begins of freeze 1")).to_have_value("2026-12-20T18:00:00")
    expect(page.get_by_role("region", name="As they are")).to_contain_text("frozen (year end)")


def test_all_that_is_wrong_is_said_at_once_beside_its_field(guarded: Guarded, visit: Visit) -> None:
    page = visit(f"{guarded.server.url}/login")
    guarded.enter(page, "root", "/rules/production")
    page.get_by_label("Who may deploy").fill("team:No!")
    page.get_by_label("Team 1 that approves").fill("risk")
    page.get_by_label("How many of team 1").fill("many")
    page.get_by_label("Evidence").fill("better than before")
    page.get_by_label("Where it has to run first").select_option("staging")
    page.get_by_label("Name of freeze 1").fill("year end")
    page.get_by_label("Begins of freeze 1").fill("Christmas")
    page.get_by_role("button", name="Show what it changes").click()
    for field in ("deploy", "approval_0", "evidence", "soak", "freeze_0"):
        expect(page.locator(f"#{field}-wrong")).to_be_visible()
    expect(page.locator("#approval_0-wrong")).to_contain_text("count must be")
    expect(page.locator("#freeze_0-wrong")).to_contain_text("dtstart must be")
    expect(page.get_by_label("Begins of freeze 1")).to_have_value("Christmas")


def test_who_may_not_change_them_reads_them_and_who_can(guarded: Guarded) -> None:
    name = guarded.account("viewer")
    with guarded.visitor(name) as client:
        page = client.get("/rules/production")
        assert page.status_code == 200
        assert 'aria-disabled="true">Change the rules' in page.text
        assert "maintainer" in page.text
        sent = {"token": token(client.get("/you")), "public": "yes"}
        answer = client.post("/rules/production", data=sent)
        assert (answer.status_code, "Rule: <code>access</code>" in answer.text) == (403, True)
    assert "rules" not in guarded.ask("GET", "/api/v1/environments/production")
