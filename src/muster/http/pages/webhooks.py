"""`/webhooks`: who is told of what happens, and what became of each message."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from muster.domain import parse
from muster.domain.errors import Invalid, MusterError
from muster.domain.parse import Form
from muster.http.api_webhooks import hook_name, wanted_from
from muster.http.pages import webhooks_view as views
from muster.http.pages.access_forms import by_field, listed
from muster.http.pages.forms import FromForm, Posted, or_again, status_of
from muster.http.pages.page import Page, Viewed
from muster.http.parameters import InPath
from muster.service.hooks import Hook, Wanted

_NOTHING = Posted(())


@get("/webhooks")
async def webhooks(page: Viewed) -> Response[bytes]:
    return await _list(page, None, None)


async def _list(page: Page, posted: Posted | None, refused: MusterError | None) -> Response[bytes]:
    return await page.shown(
        "webhooks.html",
        partial(views.listed, page),
        status_of(refused),
        posted=posted or _NOTHING,
        refused=refused,
        problems=by_field(refused, webhook="name"),
    )


@post("/webhooks", status_code=303)
async def create(page: Viewed, posted: FromForm) -> Response[bytes]:
    actor = page.visitor.actor

    def made() -> Hook:
        page.services.gate.check_may_tell(actor)
        name, url, description, wanted = _wanted(posted)
        return page.services.telling.add(name, url, wanted, actor.name, description=description)

    async def work() -> Response[bytes]:
        hook = await page.services.pools.writes.run(made)
        return await _one(page, hook.name, None, hook.secret)

    return await or_again(work, lambda refused: _list(page, posted, refused))


def _wanted(posted: Posted) -> tuple[str, str, str, Wanted]:
    form = Form(
        {
            "name": posted.text("name").strip(),
            "url": posted.text("url").strip(),
            "description": posted.text("description"),
            "kinds": listed(posted.text("kinds")),
            "models": [each.strip() for each in posted.text("models").split("\n") if each.strip()],
            "environments": listed(posted.text("environments")),
        }
    )
    name, url = form.need("name", hook_name, ""), form.need("url", parse.text, "")
    wanted = wanted_from(form, Wanted())
    description = form.take("description", parse.text, "")
    form.close()
    return name, url, description, wanted


@get("/webhooks/{webhook:str}")
async def webhook(page: Viewed, webhook: InPath) -> Response[bytes]:
    return await _one(page, webhook, None)


async def _one(page: Page, name: str, refused: MusterError | None, secret: str = "") -> Response[bytes]:
    view = partial(views.one, page, name)
    return await page.shown("webhook.html", view, status_of(refused), refused=refused, secret=secret)


@post("/webhooks/{webhook:str}", status_code=303)
async def change(page: Viewed, posted: FromForm, webhook: InPath) -> Response[bytes]:
    telling, actor = page.services.telling, page.visitor.actor
    parts: dict[str, Callable[[], Any]] = {
        "disable": lambda: telling.disable(webhook, actor.name),
        "enable": lambda: telling.enable(webhook),
        "remove": lambda: telling.remove(webhook),
        "recover": lambda: telling.recover(webhook),
        "redeliver": lambda: telling.redeliver(webhook, posted.text("delivery")),
        "secret": lambda: telling.renew_secret(webhook),
    }

    def act() -> Any:
        page.services.gate.check_may_tell(actor)
        part = posted.text("part")
        if part not in parts:
            raise Invalid.one("part", part, f"must be one of {', '.join(parts)}")
        return parts[part]()

    async def work() -> Response[bytes]:
        found = await page.services.pools.writes.run(act)
        match posted.text("part"):
            case "remove":
                return page.sent_to("/webhooks")
            case "secret":
                return await _one(page, webhook, None, found.secret)
            case _:
                return page.sent_to(page.to("webhooks", webhook))

    return await or_again(work, lambda refused: _one(page, webhook, refused))


def routes() -> list[HTTPRouteHandler]:
    """All routes of webhooks."""
    return [webhooks, create, webhook, change]
