"""One browser and one registry for all tests of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.live import Live, live
from tests.pages import parcels
from tests.pages.browsing import launched


# Not for the whole session: while Playwright runs, nothing else in this thread can run an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver, launched(driver) as browser:
        yield browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A registry without anything in it."""
    with live(tmp_path_factory.mktemp("home") / "registry") as running:
        yield running


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A registry with something of everything: `parcels`."""
    with live(tmp_path_factory.mktemp("home") / "registry") as running:
        parcels.fill(running)
        yield running


Visit = Callable[..., Page]
Theme = Literal["light", "dark"]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Opens an address in a context of its own; each script or policy error fails the test."""
    contexts = []
    errors: list[str] = []

    def opened(url: str, *, script: bool = True, width: int = 1440, theme: Theme = "light") -> Page:
        context = browser.new_context(
            java_script_enabled=script, viewport={"width": width, "height": 900}, color_scheme=theme
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if "Content Security" in said.text else None)
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []
