"""`/m/{model}/{version}`: a version, and asking it something."""

from __future__ import annotations

from functools import partial

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from muster.domain.errors import Unavailable
from muster.http.pages.forms import FromForm
from muster.http.pages.page import Viewed
from muster.http.pages.try_view import tried
from muster.http.pages.version_view import running, version_view
from muster.http.parameters import InPath


@get("/m/{model:str}/{version:str}")
async def show(page: Viewed, model: InPath, version: InPath) -> Response[bytes]:
    return await page.shown("version.html", partial(version_view, page, model, version))


@post("/m/{model:str}/{version:str}", status_code=200)
async def ask(page: Viewed, posted: FromForm, model: InPath, version: InPath) -> Response[bytes]:
    where, signature = await page.services.pools.reads.run(partial(running, page, model, version))
    if where is None:
        raise Unavailable(f"{model} {version} runs nowhere now, so there is nothing to ask")
    answer = await tried(page.services.gateway, where, model, signature, posted)
    view = partial(version_view, page, model, version, answer)
    return await page.shown("version.html", view, answer.status)


def routes() -> list[HTTPRouteHandler]:
    """All routes of versions."""
    return [show, ask]
