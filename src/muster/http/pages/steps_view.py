"""Moments that are one step before the one shown, and pages as they were at another."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from muster.http.pages import moments
from muster.http.pages.page import Page
from muster.service.values import ChangeFilter, Logged

_PLACING: Final = ("deploy", "rollback", "undeploy")
# What is said of one moment only: a page after a write, and a place in a list.
_OF_NOW: Final = frozenset({"at", "done", "before"})


def steps(page: Page, where: str) -> list[tuple[str, str]]:
    """What each step is called, and the address of the page `where` as it was then."""
    index = page.services.registry.index
    newest = page.at or index.newest()
    if newest is None:
        return []
    last = next(iter(index.changes(ChangeFilter(kinds=_PLACING), before=newest.position + 1, limit=1)), None)
    found = (
        ("An hour earlier", _earlier(page, timedelta(hours=1))),
        ("A day earlier", _earlier(page, timedelta(days=1))),
        ("Before the last deployment", _before(page, last)),
        ("One change earlier", _before(page, newest)),
    )
    return [(words, then(where, at)) for words, at in found if at]


def _earlier(page: Page, span: timedelta) -> str:
    """So long before; "" if the registry did not exist then."""
    time = page.now - span
    return moments.written(time) if page.services.registry.index.at(time) else ""


def _before(page: Page, logged: Logged | None) -> str:
    """The commit before a change; "" if it was the first."""
    if logged is None:
        return ""
    found = page.services.registry.index.changes(ChangeFilter(), before=logged.position, limit=1)
    return found[0].commit if found else ""


def then(where: str, at: str) -> str:
    """The address of the page `where` at another moment."""
    parts = urlsplit(where)
    kept = [(name, value) for name, value in parse_qsl(parts.query) if name not in _OF_NOW]
    return f"{parts.path}?{urlencode([*kept, ('at', at)])}"
