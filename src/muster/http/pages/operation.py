"""`/operation/{id}`: a deployment, rollback or undeployment, live; and how a page begins one."""

from __future__ import annotations

from functools import partial

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from muster.http.pages.operation_view import operation_view
from muster.http.pages.page import Page, Viewed
from muster.http.parameters import InPath
from muster.http.waiting import or_proposed
from muster.service.deployer import Placing


async def begun(page: Page, change: Placing, reason: str) -> Response[bytes]:
    """303 to the page that follows `change`, which has begun.

    Raises UnderWay, NotFound, Conflict, ApprovalNeeded.
    """
    begin = partial(page.services.deployer.begin, change, page.visitor.actor, reason)
    work = partial(page.services.pools.writes.run, begin)
    operation = await or_proposed(work, page.services, change, page.visitor.actor, reason)
    return page.sent_to(page.to("operation", operation.id))


@get("/operation/{operation_id:str}")
async def follow(page: Viewed, operation_id: InPath) -> Response[bytes]:
    if page.at is not None:
        return page.sent_to(page.present())
    return await page.shown("operation.html", partial(operation_view, page, operation_id))


def routes() -> list[HTTPRouteHandler]:
    """All routes of operations."""
    return [follow]
