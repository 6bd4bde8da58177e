"""`/history`: the changes of all models; `/history/{commit}`: one of them."""

from __future__ import annotations

from functools import partial

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from muster.http.pages.change_view import change_view
from muster.http.pages.history_view import asked, history
from muster.http.pages.page import Viewed
from muster.http.parameters import InPath


@get("/history")
async def timeline(page: Viewed) -> Response[bytes]:
    wanted = asked(page.query)
    return await page.shown("history.html", partial(history, page, wanted), 400 if wanted.problems else 200)


@get("/history/{commit:str}")
async def change(page: Viewed, commit: InPath) -> Response[bytes]:
    return await page.shown("change.html", partial(change_view, page, commit))


def routes() -> list[HTTPRouteHandler]:
    """All routes of the history."""
    return [timeline, change]
