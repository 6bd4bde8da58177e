"""People who look at pages of a server with access control: in a browser, or as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
from playwright.sync_api import Page

from muster.domain import changes as c
from tests.approving import People
from tests.live import fresh
from tests.pages.acting import BROWSER


@contextmanager
def seen_by(people: People, who: str) -> Iterator[httpx.Client]:
    """A client that keeps cookies and says who it is, as a browser that has logged in does."""
    headers = {**BROWSER, **people.headers(who)}
    with httpx.Client(base_url=people.server.url, headers=headers, timeout=60) as client:
        yield client


def entered(visit: Callable[..., Page], people: People, who: str, path: str, *, script: bool = True) -> Page:
    """A browser that has logged in with a token of theirs, at a page."""
    secret = people.headers(who)["Authorization"].removeprefix("Bearer ")
    page = visit(f"{people.server.url}/login?to={path}", script=script)
    page.get_by_role("textbox", name="Token").fill(secret)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.wait_for_url(f"{people.server.url}{path}")
    return page


def asked(people: People, who: str = "bob") -> tuple[str, str]:
    """A model with a version in production and a better one that they asked to deploy: name and proposal."""
    name = fresh("model")
    people.make("ada", name, metrics={"auc": 0.9, "loss": 0.2})
    people.make("ada", name, "v2", metrics={"auc": 0.92, "loss": 0.25}, training_data="newer")
    people.do(c.Deploy(name, 1, "production"))
    return name, str(people.deploy(who, name, "v2").json()["id"])
