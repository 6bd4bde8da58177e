"""The pages about changes and of changing: nothing that axe finds, nothing wider than the window."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.live import Live
from tests.pages.conftest import Theme, Visit
from tests.pages.test_accessibility import RULES

pytestmark = pytest.mark.needs("chromium")

LONG = "ä" * 256
PAGES = {
    "history": "/history",
    "filtered": "/history?model=label_digits&kind=deploy&kind=rollback&environment=production",
    "nothing found": "/history?actor=nobody",
    "bad filter": "/history?since=soon",
    "moment": "/moment?where=/m/label_digits",
    "refused moment": "/moment?where=/&time=soon",
    "compare": "/compare",
    "versions": "/compare?this=label_digits/v0.9&that=label_digits/v1.3",
    "no such version": "/compare?this=label_digits/v7&that=label_digits/v1.3",
    "environments": "/environments",
    "environment": "/environments/production",
    "place": "/environments/production/address_match",
    "running place": "/environments/production/label_digits",
    "failed place": "/environments/development/label_digits",
    "delete environment": "/delete-environment/production",
    "edit model": "/edit/label_digits",
    "edit version": "/edit/label_digits/v1.3",
    "delete model": "/delete/label_digits",
    "delete version": "/delete/label_digits/v1.0",
    "settings": "/settings",
    "longest name": f"/edit/{quote(LONG)}/{quote(LONG)}",
    "its history": f"/history?model={quote(LONG)}",
    "its place": f"/environments/production/{quote(LONG)}",
    "its end": f"/delete/{quote(LONG)}",
    "its versions": f"/compare?this={quote(LONG)}/1&that={quote(LONG)}/2",
}
PAST = ["history", "compare", "versions", "environments", "environment", "place", "edit model"]


@pytest.fixture(scope="module")
def paths(filled: Live) -> dict[str, str]:
    """Every page, and some of them in the past; of the two kinds of change the fullest."""
    versions = f"/api/v1/models/{quote(LONG)}/versions"
    long = {"version": LONG, "tags": {LONG: LONG}, "owner": LONG, "reason": LONG * 4}
    filled.send("POST", versions, json=long)
    filled.send("POST", versions, json={"version": "v2", "description": LONG})
    alias = {"version": LONG, "reason": "“" + LONG}
    filled.send("PUT", f"/api/v1/models/{quote(LONG)}/aliases/{quote(LONG)}", json=alias)
    filled.send("PUT", f"/api/v1/deployments/production/{quote(LONG)}?wait=true", json={"version": LONG})
    found = filled.http.get("/api/v1/changes?limit=200").json()["items"]
    newest, oldest = found[0]["commit"], found[-1]["commit"]
    failed = next(each["commit"] for each in found if each["change"] == "deploy-failed")
    return (
        PAGES
        | {
            "change": f"/history/{newest}",
            "failed change": f"/history/{failed}",
            "moments": f"/compare?from={oldest}&to={newest}",
        }
        | {f"past {name}": f"{PAGES[name]}{'&' if '?' in PAGES[name] else '?'}at={newest}" for name in PAST}
    )


@pytest.mark.timeout(600)  # axe takes seconds a page on a busy machine
@pytest.mark.parametrize(("theme", "width"), [("light", 360), ("dark", 1440)])
def test_nothing_is_in_anybodys_way(
    filled: Live, paths: dict[str, str], visit: Visit, theme: Theme, width: int
) -> None:
    page = visit(f"{filled.url}/settings", theme=theme, width=width)
    found: dict[str, list[str]] = {}
    for name, path in paths.items():
        page.goto(filled.url + path)
        violations = Axe().run(page, options=RULES).response["violations"]
        said = [f"{each['id']}: {each['nodes'][0]['target']} {each['help']}" for each in violations]
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            said.append(f"{wide} pixels wider than the window")
        if said:
            found[name] = said
    assert found == {}
