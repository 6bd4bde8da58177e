"""Debian's Chromium, for tests and pictures of the pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def launched(driver: Playwright) -> Iterator[Browser]:
    """A browser without a window."""
    path = next(filter(None, map(shutil.which, _NAMES)))
    browser = driver.chromium.launch(
        executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    )
    try:
        yield browser
    finally:
        browser.close()
