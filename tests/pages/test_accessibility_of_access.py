"""The pages of access, rules, webhooks and checkpoints: nothing that axe finds, nothing too wide."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.pages.conftest import Theme, Visit
from tests.pages.entering import Guarded
from tests.pages.entering import guarded as opened
from tests.pages.test_accessibility import RULES

pytestmark = pytest.mark.needs("chromium")

PAGES = (
    "/access",
    "/access?subject=root",
    "/access/account/root",
    "/access/account/bot",
    "/access/team/risk",
    "/access/environment/production",
    "/access/model/label_digits",
    "/rules/production",
    "/webhooks",
    "/webhooks/hook",
    "/checkpoints",
    "/you",
    "/settings",
)
PAST = ("/access", "/access/account/root", "/access/team/risk", "/rules/production")
BARRED = ("/access", "/access/team/risk", "/access/model/label_digits", "/rules/production", "/webhooks")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with opened(tmp_path_factory.mktemp("home") / "registry", webhook_hosts=("127.0.0.1",)) as found:
        bot = {"id": "bot", "kind": "service", "owner": "root", "users": ["root"]}
        found.ask("POST", "/api/v1/accounts", json=bot)
        team = {"name": "risk", "members": ["root"], "claims": ["risk-group"], "description": "d"}
        found.ask("POST", "/api/v1/teams", json=team)
        found.ask("POST", "/api/v1/models", json={"name": "label_digits", "owner": "root"})
        grant = {"subject": "team:risk", "roles": ["viewer", "deployer"]}
        for place in ({}, {"scope": "environment", "name": "production"}, {"scope": "team", "name": "risk"}):
            found.ask("PUT", "/api/v1/roles", json=grant | place)
        freeze = {"name": "year end", "dtstart": "2026-12-20T18:00", "duration": "P14D"}
        rules = {"approvals": [{"from": "risk", "count": 1}], "freeze": [freeze], "reason": True}
        found.ask("PATCH", "/api/v1/environments/production", json={"rules": rules})
        hook = {"name": "hook", "url": "http://127.0.0.1:9/hook", "models": ["label_digits"]}
        found.ask("POST", "/api/v1/webhooks", json=hook)
        found.ask("PATCH", "/api/v1/models/label_digits", json={"description": "told"})
        found.ask("POST", "/api/v1/checkpoints", json={})
        yield found


@pytest.mark.timeout(600)  # axe takes seconds a page on a busy machine
@pytest.mark.parametrize(("theme", "width"), [("light", 360), ("dark", 1440)])
def test_nothing_is_in_anybodys_way(guarded: Guarded, visit: Visit, theme: Theme, width: int) -> None:
    page = visit(f"{guarded.server.url}/login", theme=theme, width=width)
    guarded.enter(page, "root", "/")
    newest = guarded.ask("GET", "/api/v1/changes?limit=1")["items"][0]["commit"]
    found: dict[str, list[str]] = {}

    def look(path: str) -> None:
        page.goto(guarded.server.url + path)
        violations = Axe().run(page, options=RULES).response["violations"]
        said = [f"{each['id']}: {each['nodes'][0]['target']} {each['help']}" for each in violations]
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            said.append(f"{wide} pixels wider than the window")
        if said:
            found[path] = said

    for path in (*PAGES, *(f"{each}?at={newest}" for each in PAST)):
        look(path)
    guarded.enter(page, guarded.account("viewer"), "/")
    for path in BARRED:
        look(path)
    assert found == {}
