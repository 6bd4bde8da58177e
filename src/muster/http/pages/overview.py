"""`/`: what runs where, what needs a person, and what changed."""

from __future__ import annotations

from functools import partial

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from muster.http.pages.overview_view import overview
from muster.http.pages.page import Viewed


@get("/")
async def home(page: Viewed) -> Response[bytes]:
    return await page.shown("overview.html", partial(overview, page))


def routes() -> list[HTTPRouteHandler]:
    """All routes of the overview."""
    return [home]
