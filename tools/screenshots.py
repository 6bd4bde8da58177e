"""Write pictures of each page, light and dark, wide and narrow, into docs/images/.

usage: .venv/bin/python -m tools.screenshots [PAGE …]

The registry is that of the tests of the pages; its clock begins weeks ago, so that
there are ages to show.
"""

from __future__ import annotations

import io
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

import muster.bootstrap.home
from tests.live import Live, live
from tests.pages import parcels
from tests.pages.browsing import launched

IMAGES = Path(__file__).parents[1] / "docs" / "images"
THEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
WIDTHS = {"wide": 1440, "narrow": 390}
COLOURS = 128
PAGES = {
    "overview": "/",
    "model": "/m/label_digits",
    "version": "/m/label_digits/v1.3?against=v1.2",
    "past": "/?at={past}",
    "register": "/register?name=label_digits",
    "files": "/register/parcel_colour/v1",
    "deploy": "/deploy/label_digits?environment=production&version=v1.3",
    "operation": "/operation/{failed}",
    "rollback": "/rollback/label_digits/production",
}


class Clock:
    """The time, some days ago at first."""

    def __init__(self, days: float) -> None:
        self._behind = timedelta(days=days)

    def __call__(self) -> datetime:
        return datetime.now(UTC) - self._behind

    def later(self, days: float) -> None:
        """Let that many days pass, at most up to now."""
        self._behind = max(timedelta(0), self._behind - timedelta(days=days))


def main(wanted: list[str]) -> None:
    """Take the pictures of the pages `wanted`, or of all."""
    clock = Clock(days=90)
    muster.bootstrap.home.now = clock
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, live(Path(folder) / "registry") as server:
        parcels.fill(server, clock.later)
        with sync_playwright() as driver, launched(driver) as browser:
            take(server, browser, wanted or list(PAGES))


def take(server: Live, browser: Browser, wanted: list[str]) -> None:
    """A picture of each page in each theme at each width."""
    past = (datetime.now(UTC) - timedelta(days=12)).strftime("%Y-%m-%dT%H:%M:%SZ")
    failed = fail(server)
    upload(server)
    for theme in THEMES:
        for width, pixels in WIDTHS.items():
            context = browser.new_context(
                viewport={"width": pixels, "height": 900}, color_scheme=theme, base_url=server.url
            )
            page = context.new_page()
            for name in wanted:
                answer = page.goto(PAGES[name].format(past=past, failed=failed))
                assert answer is not None
                assert answer.ok, f"{name}: {answer.status}"
                if name == "version":
                    ask(page)
                save(page.screenshot(full_page=True), IMAGES / f"{name}-{theme}-{width}.png")
            context.close()


def fail(server: Live) -> str:
    """The id of a deployment that does not start."""
    body = {"version": "v1.4", "reason": "Nightly"}
    where = "/api/v1/deployments/development/label_digits"
    begun = server.send("PUT", where, json=body, headers={"x-muster-actor": "ci-bot"}).json()
    server.home.deployer.operations.get(begun["id"]).wait()
    return str(begun["id"])


def upload(server: Live) -> None:
    """A version whose files are not fixed yet."""
    versions = "/api/v1/models/parcel_colour/versions"
    server.send("POST", versions, json={"version": "v1", "pending": True})
    for path, content in (("model.onnx", parcels.digits()[1]), ("data/labels.json", b'["brown", "white"]')):
        server.send("PUT", f"{versions}/v1/files/{path}", content=content)


def ask(page: Page) -> None:
    """Have the version read a digit."""
    page.get_by_label("X FP32, 64").fill(parcels.digits()[3])
    page.get_by_role("button", name="Ask v1.3").click()
    page.locator("#answer .hit").wait_for()
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")


def save(picture: bytes, path: Path) -> None:
    """The picture with few colours, as a small file."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    # By octree, which keeps a colour that few dots have: a failure's red, for one.
    octree = Image.Quantize.FASTOCTREE
    image.quantize(COLOURS, method=octree, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
