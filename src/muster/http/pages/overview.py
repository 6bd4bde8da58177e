"""`/`: what runs where, what needs a person, and what changed."""

from __future__ import annotations

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from muster.http.pages.page import Viewed


@get("/")
async def overview(page: Viewed) -> Response[bytes]:
    return await page.shown("overview.html")


def routes() -> list[HTTPRouteHandler]:
    """All routes of the overview."""
    return [overview]
