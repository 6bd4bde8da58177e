"""A registry with access controlled, and browsers that have logged in to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page

from muster.domain.changes import BeginAccess
from muster.service.observing import MUSTER
from tests.live import Live, fresh, live
from tests.pages.acting import BROWSER, token


@dataclass(frozen=True)
class Guarded:
    """The server, and a client of its admin `root`."""

    server: Live
    admin: httpx.Client

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """What the admin asks, which must go well."""
        answer = self.admin.request(method, path, **more)
        assert answer.status_code < 400, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def account(self, *roles: str, name: str = "", **place: str) -> str:
        """A new account with those roles there."""
        name = name or fresh("person")
        self.ask("POST", "/api/v1/accounts", json={"id": name})
        if roles:
            self.ask("PUT", "/api/v1/roles", json={"subject": name, "roles": list(roles), **place})
        return name

    def secret(self, account: str) -> str:
        """A token of the account."""
        return str(self.ask("POST", "/api/v1/tokens", json={"account": account})["token"])

    @contextmanager
    def visitor(self, account: str) -> Iterator[httpx.Client]:
        """A client that keeps cookies and has logged in as the account."""
        with httpx.Client(base_url=self.server.url, headers=BROWSER, timeout=60) as client:
            sent = {"token": token(client.get("/login")), "credential": self.secret(account)}
            assert client.post("/login", data=sent).status_code == 303
            yield client

    def enter(self, page: Page, account: str, path: str = "/") -> None:
        """Log in as the account on the page `/login`, and go on to `path`."""
        page.goto(f"{self.server.url}/login?to={path}")
        page.get_by_role("textbox", name="Token").fill(self.secret(account))
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{self.server.url}{path}")


@contextmanager
def guarded(folder: Path, **settings: Any) -> Iterator[Guarded]:
    """A server of the home `folder`, whose admin is `root`."""
    with live(folder, **settings) as server:
        server.home.registry.submit(BeginAccess("root"), MUSTER).result()
        secret, _ = server.home.gate.give("root")
        headers = {"authorization": f"Bearer {secret}"}
        with httpx.Client(base_url=server.url, headers=headers, timeout=60) as admin:
            yield Guarded(server, admin)
