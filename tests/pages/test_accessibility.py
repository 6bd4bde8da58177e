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
}
PAST = ["overview", "model", "version"]


@pytest.fixture(scope="module")
def moment(filled: Live) -> str:
    """A time at which all that is looked at was there."""
    filled.send("POST", "/api/v1/models", json={"name": "bare"})
    filled.send("POST", f"/api/v1/models/{'a' * 256}/versions", json={"version": "b" * 256})
    return str(filled.http.get("/api/v1/changes?limit=1").json()["items"][0]["time"])


def violations(page_url: str, visit: Visit, theme: Theme, width: int, *, script: bool = True) -> list[str]:
    page = visit(page_url, theme=theme, width=width, script=script)
    found = Axe().run(page, options=RULES).response["violations"]
    said = [f"{each['id']}: {each['nodes'][0]['html']}" for each in found]
    wide = page.evaluate("document.documentElement.scrollWidth")
    return said + ([f"{wide} px wide"] if wide > width else [])


@pytest.mark.parametrize("width", [360, 1440, 1600])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_in_anybodys_way(
    filled: Live, moment: str, visit: Visit, theme: Theme, width: int
) -> None:
    paths = PAGES | {f"past {name}": f"{PAGES[name].partition('?')[0]}?at={quote(moment)}" for name in PAST}
    found = {name: violations(filled.url + path, visit, theme, width) for name, path in paths.items()}
    assert {name: said for name, said in found.items() if said} == {}
