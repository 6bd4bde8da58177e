"""Write pictures of each page, light and dark, wide and narrow, into docs/images/.

usage: .venv/bin/python -m tools.screenshots [PAGE …]

The registry is that of the tests of the pages; its clock begins weeks ago, so that
there are ages to show.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import sync_playwright

import muster.bootstrap.home
from tests.live import live
from tests.pages import parcels
from tests.pages.browsing import launched

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WIDTHS = {"wide": 1440, "narrow": 390}
PAGES = {
    "overview": "/",
    "model": "/m/label_digits",
    "version": "/m/label_digits/v1.3?against=v1.2",
    "past": "/?at={past}",
}


class Clock:
    """The time, some days ago at first."""

    def __init__(self, days: float) -> None:
        self._behind = timedelta(days=days)

    def __call__(self) -> datetime:
        return datetime.now(UTC) - self._behind

    def later(self, days: float) -> None:
        self._behind = max(timedelta(0), self._behind - timedelta(days=days))


def main(wanted: list[str]) -> None:
    """Take the pictures of the pages `wanted`, or of all."""
    clock = Clock(days=90)
    muster.bootstrap.home.now = clock
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, live(Path(folder) / "registry") as server:
        parcels.fill(server, clock.later)
        past = (datetime.now(UTC) - timedelta(days=12)).strftime("%Y-%m-%dT%H:%M:%SZ")
        with sync_playwright() as driver, launched(driver) as browser:
            for theme in ("light", "dark"):
                for width, pixels in WIDTHS.items():
                    context = browser.new_context(
                        viewport={"width": pixels, "height": 900}, color_scheme=theme, base_url=server.url
                    )
                    page = context.new_page()
                    for name, path in PAGES.items():
                        if wanted and name not in wanted:
                            continue
                        page.goto(path.format(past=past))
                        page.screenshot(path=IMAGES / f"{name}-{theme}-{width}.png", full_page=True)
                    context.close()


if __name__ == "__main__":
    main(sys.argv[1:])
