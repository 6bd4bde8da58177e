"""`/deploy/{model}`: choose, see the effect, and deploy."""

from __future__ import annotations

from functools import partial

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from muster.domain import parse
from muster.domain.errors import MusterError
from muster.http.pages.configuring import KINDS, beside, typed
from muster.http.pages.deploy_view import Choice, change_of, deploy_view, sign
from muster.http.pages.forms import FromForm, Posted, or_again, status_of
from muster.http.pages.operation import begun
from muster.http.pages.page import Page, Viewed
from muster.http.parameters import InPath


@get("/deploy/{model:str}")
async def choose(page: Viewed, model: InPath) -> Response[bytes]:
    if page.at is not None:
        return page.sent_to(page.present())
    choice = Choice(page.query.get("environment", ""), page.query.get("version", ""))
    return await _shown(page, model, choice)


@post("/deploy/{model:str}", status_code=200)
async def deploy(page: Viewed, posted: FromForm, model: InPath) -> Response[bytes]:
    choice = _choice(posted)

    async def work() -> Response[bytes]:
        if posted.text("preview"):
            return await _shown(page, model, choice)
        reason = parse.reason(choice.reason)
        change = await page.services.pools.reads.run(partial(change_of, page, model, choice))
        if sign(change) != choice.seen:
            return await _shown(page, model, choice, is_other=True)
        return await begun(page, change, reason)

    async def again(refused: MusterError) -> Response[bytes]:
        return await _shown(page, model, choice, refused)

    return await or_again(work, again)


def _choice(posted: Posted) -> Choice:
    return Choice(
        environment=posted.text("environment"),
        version=posted.text("version"),
        typed=typed(posted),
        reason=posted.text("reason"),
        seen=posted.text("seen"),
        expected=posted.text("expected"),
    )


async def _shown(
    page: Page, model: str, choice: Choice, refused: MusterError | None = None, *, is_other: bool = False
) -> Response[bytes]:
    # Not in the pool for reads, which answer soon: all files of a version may be read.
    make = partial(deploy_view, page, model, choice, refused, is_other=is_other)
    view = await page.services.pools.writes.run(make)
    status = status_of(refused or view.refused)
    return await page.shown("deploy.html", lambda: view, status, kinds=KINDS, beside=beside)


def routes() -> list[HTTPRouteHandler]:
    """All routes of deploying."""
    return [choose, deploy]
