"""`/environments/{environment}/{model}`: what of a model is in one environment."""

from __future__ import annotations

from functools import partial

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from muster.http.pages.page import Viewed
from muster.http.pages.place_view import place_view
from muster.http.parameters import InPath


@get("/environments/{environment:str}/{model:str}")
async def place(page: Viewed, environment: InPath, model: InPath) -> Response[bytes]:
    return await page.shown("place.html", partial(place_view, page, environment, model))


def routes() -> list[HTTPRouteHandler]:
    """All routes of places."""
    return [place]
