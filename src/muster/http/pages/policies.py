"""`/policies`: rules that hold everywhere; setting one, and what it would have stopped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from muster.domain import parse, policies
from muster.domain.changes import DeletePolicy, SetPolicy
from muster.domain.errors import MusterError
from muster.http.pages.forms import FromForm, Posted, or_again, problems, status_of
from muster.http.pages.page import Page, Viewed
from muster.http.pages.policies_view import FIELDS, Replayed, body_of, listed, policy_view, replayed, typed
from muster.http.parameters import InPath

_NEW = dict.fromkeys((*FIELDS, "reason", "since"), "") | {"enabled": "yes"}


@get("/policies")
async def every(page: Viewed) -> Response[bytes]:
    return await _list(page, None, None)


@post("/policies", status_code=303)
async def create(page: Viewed, posted: FromForm) -> Response[bytes]:
    async def work() -> Response[bytes]:
        name = policies.policy_name(posted.text("name").strip())
        return await _written(page, posted, name, partial(_list, page, posted, None))

    return await or_again(work, lambda refused: _list(page, posted, refused))


@get("/policies/{policy:str}")
async def one(page: Viewed, policy: InPath) -> Response[bytes]:
    return await _one(page, policy, None, None)


@post("/policies/{policy:str}", status_code=303)
async def change(page: Viewed, posted: FromForm, policy: InPath) -> Response[bytes]:
    async def work() -> Response[bytes]:
        name = policies.policy_name(policy, "policy")
        if posted.text("do") == "delete":
            recorded = await page.submit(DeletePolicy(name), parse.reason(posted.text("reason")))
            return page.after(page.to("policies"), recorded)
        return await _written(page, posted, name, partial(_one, page, policy, posted, None))

    return await or_again(work, lambda refused: _one(page, policy, posted, refused))


async def _written(
    page: Page, posted: Posted, name: str, shown: Callable[[Replayed], Awaitable[Response[bytes]]]
) -> Response[bytes]:
    """The policy of the form, set; or, if it is to be tried, the page with what it would have stopped."""
    wanted, form = policies.parsed(body_of(posted), name)
    form.close()
    if posted.text("do") == "test":
        found = await page.services.pools.writes.run(
            partial(replayed, page, wanted, posted.text("since").strip())
        )
        return await shown(found)
    recorded = await page.submit(SetPolicy(wanted), parse.reason(posted.text("reason")))
    return page.after(page.to("policies", name), recorded)


async def _list(
    page: Page, posted: Posted | None, refused: MusterError | None, found: Replayed | None = None
) -> Response[bytes]:
    return await page.shown(
        "policies.html",
        partial(listed, page),
        status_of(refused),
        typed=typed(posted) if posted else _NEW,
        found=found,
        refused=refused,
        problems=problems(refused),
    )


async def _one(
    page: Page, name: str, posted: Posted | None, refused: MusterError | None, found: Replayed | None = None
) -> Response[bytes]:
    return await page.shown(
        "policy.html",
        partial(policy_view, page, name, posted),
        status_of(refused),
        found=found,
        refused=refused,
        problems=problems(refused),
    )


def routes() -> list[HTTPRouteHandler]:
    """All routes of policies."""
    return [every, create, one, change]
