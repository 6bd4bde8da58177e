"""`/m/{model}`: a model."""

from __future__ import annotations

from functools import partial

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from muster.http.pages.model_view import model_view
from muster.http.pages.page import Viewed
from muster.http.parameters import InPath


@get("/m/{model:str}")
async def show(page: Viewed, model: InPath) -> Response[bytes]:
    return await page.shown("model.html", partial(model_view, page, model))


def routes() -> list[HTTPRouteHandler]:
    """All routes of models."""
    return [show]
