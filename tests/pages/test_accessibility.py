"""Nothing that axe finds, on any page, in either theme, at any width; and nothing wider than the window."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.live import Live
from tests.pages.conftest import Theme, Visit

pytestmark = pytest.mark.needs("chromium")

# Best practices are left out where axe is of two minds with the standard itself.
RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
}
PAGES = {
    "overview": "/",
    "nothing found": "/?q=nothing+like+it",
    "model": "/m/label_digits",
    "model without versions": "/m/bare",
    "longest name": f"/m/{'a' * 256}",
    "version": "/m/label_digits/v1.3?against=v1.1",
    "version without files": "/m/route_cost/v31",
    "you": "/you",
    "not there": "/m/nowhere",
    "done": "/?done=nothing",
    "deploy": "/deploy/label_digits?environment=production&version=v1.3",
    "deploy what was not fixed": "/deploy/bare_files?environment=staging&version=v1",
    "deploy the longest": f"/deploy/{'a' * 256}",
    "roll back": "/rollback/label_digits/production",
    "nothing to roll back to": "/rollback/label_digits/staging",
    "nothing to roll back": "/rollback/bare/production",
    "undeploy": "/undeploy/label_digits/production",
    "register": "/register?name=label_digits",
    "files": "/register/bare_files/v1",
    "files that are fixed": "/register/label_digits/v1.3",
}
PAST = ["overview", "model", "version"]


@pytest.fixture(scope="module")
def moment(filled: Live) -> str:
    """A time at which all that is looked at was there."""
    filled.send("POST", "/api/v1/models", json={"name": "bare"})
    filled.send("POST", "/api/v1/models/bare_files/versions", json={"version": "v1", "pending": True})
    filled.send("PUT", "/api/v1/models/bare_files/versions/v1/files/a/long/path/to.bin", content=b"x")
    filled.send("POST", f"/api/v1/models/{'a' * 256}/versions", json={"version": "b" * 256})
    return str(filled.http.get("/api/v1/changes?limit=1").json()["items"][0]["time"])


def paths(moment: str) -> dict[str, str]:
    """Every page, and some of them in the past."""
    return PAGES | {f"past {name}": f"{PAGES[name].partition('?')[0]}?at={quote(moment)}" for name in PAST}


# At each width once, in each theme; what axe looks at is the same at both of the wide ones.
@pytest.mark.timeout(600)  # axe takes seconds a page on a busy machine
@pytest.mark.parametrize(("theme", "width"), [("light", 360), ("dark", 360), ("light", 1440), ("dark", 1600)])
def test_nothing_is_in_anybodys_way(
    filled: Live, moment: str, visit: Visit, theme: Theme, width: int
) -> None:
    page = visit(f"{filled.url}/you", theme=theme, width=width)
    found: dict[str, list[str]] = {}
    for name, path in paths(moment).items():
        page.goto(filled.url + path)
        violations = Axe().run(page, options=RULES).response["violations"]
        found[name] = [f"{each['id']}: {each['nodes'][0]['html']}" for each in violations]
        if (wide := page.evaluate("document.documentElement.scrollWidth")) > width:
            found[name].append(f"{wide} px wide")
    assert {name: said for name, said in found.items() if said} == {}


def test_all_can_be_reached_with_the_keyboard(filled: Live, moment: str, visit: Visit) -> None:
    page = visit(f"{filled.url}/m/label_digits/v1.3")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("document.activeElement.tagName + ' ' + document.activeElement.textContent.trim()")
        )
    assert {"BUTTON Compare", "BUTTON Ask v1.3", "A model.onnx"} <= reached
