"""`/settings`: how this server is set up, whether all is well with its registry, and light or dark."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from muster.http.pages.page import Mark, Page, Viewed
from muster.http.pages.visitor import THEMES
from muster.http.services import Setup
from muster.service.values import VersionFilter


@dataclass(frozen=True, slots=True)
class SetupView:
    """The set-up, and how the registry is: what it holds, its newest change, its index and its packs."""

    setup: Setup
    newest: Mark | None
    head: str
    changes: int
    models: int
    versions: int
    up_to_date: bool
    packs: int
    themes: tuple[str, ...]


@get("/settings")
async def settings(page: Viewed) -> Response[bytes]:
    return await page.shown("settings.html", partial(setup_view, page))


def setup_view(page: Page) -> SetupView:
    """As it is now, whatever moment is shown: a server has no past."""
    services = page.services
    index = services.registry.index
    newest = index.newest()
    return SetupView(
        setup=services.setup,
        newest=page.mark(newest) if newest else None,
        head=index.head() or "",
        changes=newest.position if newest else 0,
        models=index.count_models(),
        versions=index.count_versions(VersionFilter()),
        up_to_date=services.up_to_date(),
        packs=services.setup.packs(),
        themes=THEMES,
    )


def routes() -> list[HTTPRouteHandler]:
    """All routes of this module."""
    return [settings]
