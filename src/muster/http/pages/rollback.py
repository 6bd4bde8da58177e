"""`/rollback/{model}/{environment}` and `/undeploy/…`: one button and a reason."""

from __future__ import annotations

from functools import partial

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from muster.domain import parse
from muster.domain.changes import RollBack, Undeploy
from muster.domain.errors import Invalid, MusterError
from muster.http.pages.configuring import number
from muster.http.pages.forms import FromForm, or_again, status_of
from muster.http.pages.operation import begun
from muster.http.pages.page import Page, Viewed
from muster.http.pages.rollback_view import RollbackView, rollback_view, undeploy_view
from muster.http.parameters import InPath
from muster.http.references import version_meant


@get("/rollback/{model:str}/{environment:str}")
async def look_back(page: Viewed, model: InPath, environment: InPath) -> Response[bytes]:
    if page.at is not None:
        return page.sent_to(page.present())
    view = partial(rollback_view, page, model, environment, page.query.get("to", ""))
    return await _shown(page, "rollback.html", view)


@post("/rollback/{model:str}/{environment:str}", status_code=200)
async def roll_back(page: Viewed, posted: FromForm, model: InPath, environment: InPath) -> Response[bytes]:
    to, why = posted.text("to"), posted.text("reason")

    def change() -> RollBack:
        target = version_meant(page.services.registry, model, to) if to else None
        # What it returns from is what was shown: sent twice, it does not go back twice.
        return RollBack(
            model, _number(posted.text("from")), environment, target, expected=_seen(posted.text("expected"))
        )

    async def work() -> Response[bytes]:
        reason = parse.reason(why)
        return await begun(page, await page.services.pools.reads.run(change), reason)

    async def again(refused: MusterError) -> Response[bytes]:
        return await _shown(
            page, "rollback.html", partial(rollback_view, page, model, environment, to, why, refused)
        )

    return await or_again(work, again)


@get("/undeploy/{model:str}/{environment:str}")
async def look_out(page: Viewed, model: InPath, environment: InPath) -> Response[bytes]:
    if page.at is not None:
        return page.sent_to(page.present())
    return await _shown(page, "undeploy.html", partial(undeploy_view, page, model, environment))


@post("/undeploy/{model:str}/{environment:str}", status_code=200)
async def undeploy(page: Viewed, posted: FromForm, model: InPath, environment: InPath) -> Response[bytes]:
    why = posted.text("reason")

    async def work() -> Response[bytes]:
        reason = parse.reason(why)
        change = Undeploy(model, environment, _seen(posted.text("expected")))
        return await begun(page, change, reason)

    async def again(refused: MusterError) -> Response[bytes]:
        return await _shown(
            page, "undeploy.html", partial(undeploy_view, page, model, environment, why, refused)
        )

    return await or_again(work, again)


def _number(text: str) -> int:
    return parse.integer(1, 2**31)(number(text), "from")


def _seen(text: str) -> str | None:
    """The commit that was looked at."""
    if text and len(text) != 40:
        raise Invalid.one("expected", text, "must be the commit that the page showed")
    return text or None


async def _shown(page: Page, template: str, make: partial[RollbackView]) -> Response[bytes]:
    # Not in the pool for reads, which answer soon: all files of a version may be read.
    view = await page.services.pools.writes.run(make)
    return await page.shown(template, lambda: view, status_of(view.refused))


def routes() -> list[HTTPRouteHandler]:
    """All routes of going back and of leaving."""
    return [look_back, roll_back, look_out, undeploy]
