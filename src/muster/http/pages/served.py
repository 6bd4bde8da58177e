"""`/who-served`: what served a model at a time, by whom, approved by whom, and seen running."""

from __future__ import annotations

from functools import partial

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from muster.domain.errors import MusterError
from muster.http.pages.forms import problems, status_of
from muster.http.pages.page import Viewed
from muster.http.pages.served_view import Answered, answered, asked


@get("/who-served")
async def who_served(page: Viewed) -> Response[bytes]:
    question = asked(page)
    found: Answered | None = None
    refused: MusterError | None = None
    if question.model:
        try:
            found = await page.services.pools.reads.run(partial(answered, page, question))
        except MusterError as wrong:
            refused = wrong
    return await page.shown(
        "served.html",
        lambda: found,
        status_of(refused),
        asked=question,
        refused=refused,
        problems=problems(refused),
    )


def routes() -> list[HTTPRouteHandler]:
    """All routes of this module."""
    return [who_served]
