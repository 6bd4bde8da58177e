"""Coming in and going out: a token is exchanged for a session of this browser."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final, cast

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from muster.domain.errors import Invalid, MusterError, Unauthenticated
from muster.http import auth, callers
from muster.http.pages.forms import FromForm, or_again
from muster.http.pages.page import Viewed

SESSION: Final = timedelta(hours=12)


def own_path(text: str | None) -> str:
    """`text` if it is a path of this server, else the overview's."""
    return text if text and text.startswith("/") and not text.startswith(("//", "/\\")) else "/"


@get("/login")
async def login(page: Viewed) -> Response[bytes]:
    return await page.shown("login.html", refused=None, to=own_path(page.query.get("to")))


@post("/login", status_code=303)
async def enter(request: Request[Any, Any, Any], page: Viewed, posted: FromForm) -> Response[bytes]:
    to = own_path(posted.text("to"))

    def work() -> str:
        token = posted.text("credential").strip()
        if not token:
            raise Invalid.one("credential", "", "must be a token")
        gate = page.services.gate
        actor, used = gate.identify(token, callers.address(cast(Mapping[str, Any], request.scope)))
        session, _ = gate.give(
            actor.name, kind="session", proof=used.proof, note="browser", limits=actor.limits, lasts=SESSION
        )
        return session

    async def entered() -> Response[bytes]:
        session = await page.services.pools.writes.run(work)
        return page.sent_to(to, page.visitor.cookie("session", session, SESSION))

    async def again(refused: MusterError) -> Response[bytes]:
        return await page.shown("login.html", status=400, refused=refused, to=to)

    return await or_again(entered, again)


@get("/login/service")
async def away(page: Viewed) -> Response[bytes]:
    """To the log-in service; it sends the browser back to `/login/back`."""
    to, back = own_path(page.query.get("to")), f"{page.visitor.url}/login/back"
    go = partial(page.services.entrance.go, back, page.visitor.token, to)
    where = await page.services.pools.writes.run(go)
    return Response(b"", status_code=303, headers={"location": where, **page.visitor.greeting()})


@get("/login/back")
async def back(page: Viewed) -> Response[bytes]:
    said = page.query

    async def entered() -> Response[bytes]:
        if "error" in said:
            why = said.get("error_description", said["error"])
            raise Unauthenticated(f"the log-in service refused: {why}")
        came = partial(
            page.services.entrance.came, said.get("state", ""), said.get("code", ""), page.visitor.token
        )
        session, to = await page.services.pools.writes.run(came)
        return page.sent_to(to, page.visitor.cookie("session", session, SESSION))

    async def again(refused: MusterError) -> Response[bytes]:
        return await page.shown("login.html", status=403, refused=refused, to="/")

    return await or_again(entered, again)


@post("/logout", status_code=303)
async def leave(request: Request[Any, Any, Any], page: Viewed, posted: FromForm) -> Response[bytes]:  # noqa: ARG001  its token is checked
    session = auth.session_in(request.headers)
    if session is not None:
        await page.services.pools.writes.run(partial(page.services.gate.end, session))
    return page.sent_to("/login", page.visitor.cookie("session", None))


def routes() -> list[HTTPRouteHandler]:
    """All routes of this module."""
    return [login, enter, away, back, leave]
