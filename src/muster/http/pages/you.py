"""What belongs to who looks: the name that their changes go by, their tokens, and light or dark."""

from __future__ import annotations

from functools import partial
from typing import Any

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from muster.domain.names import actor_id
from muster.http.pages.access import shown
from muster.http.pages.forms import FromForm, or_again
from muster.http.pages.page import Viewed
from muster.http.pages.tokens_view import me
from muster.http.pages.visitor import THEMES


@get("/you")
async def you(page: Viewed) -> Response[bytes]:
    return await shown(page, "you.html", partial(me, page))


@post("/you", status_code=303)
async def rename(page: Viewed, posted: FromForm) -> Response[bytes]:
    typed = posted.text("actor").strip()

    async def work() -> Response[bytes]:
        name = actor_id(typed) if typed else None
        return page.sent_to("/you", page.visitor.cookie("actor", name))

    return await or_again(work, lambda refused: shown(page, "you.html", partial(me, page), posted, refused))


@post("/theme", status_code=303)
async def theme(request: Request[Any, Any, Any], page: Viewed, posted: FromForm) -> Response[bytes]:
    wanted = posted.text("theme")
    origin = request.headers.get("referer", "").removeprefix(page.visitor.url)
    back = origin if origin.startswith("/") and not origin.startswith("//") else "/"
    return page.sent_to(back, page.visitor.cookie("theme", wanted if wanted in THEMES else None))


def routes() -> list[HTTPRouteHandler]:
    """All routes of this module."""
    return [you, rename, theme]
