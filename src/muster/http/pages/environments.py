"""`/environments`: where versions run, and what an environment's rules are."""

from __future__ import annotations

from functools import partial

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from muster.domain import names, parse
from muster.domain.changes import DeleteEnvironment, SetEnvironment
from muster.domain.errors import MusterError
from muster.domain.parse import Form
from muster.domain.placing import TARGETS
from muster.domain.records import STAGES, Environment
from muster.http.api_environments import environment_from
from muster.http.pages.effect_view import Subject
from muster.http.pages.environments_view import environment_view, listed
from muster.http.pages.forms import FromForm, Posted, or_again, problems, status_of
from muster.http.pages.page import Page, Viewed
from muster.http.pages.preview_view import is_sure, preview, stamp
from muster.http.parameters import InPath

_CHOICES = {"targets": TARGETS, "stages": STAGES}
_NEW = {"target": TARGETS[0], "rank": "0", "stage": "", "description": "", "allow_pickle": ""}


def _form(posted: Posted) -> Form:
    """What was typed, as the parsers of the API want it."""
    rank = posted.text("rank").strip()
    number = rank.removeprefix("-").isdecimal() and rank.isascii() and len(rank) < 12
    return Form(
        {
            "name": posted.text("name").strip(),
            "target": posted.text("target") or None,
            "rank": int(rank) if number else rank,
            "stage": posted.text("stage") or None,
            "description": posted.text("description"),
            "allow_pickle": posted.text("allow_pickle") == "yes",
            "reason": posted.text("reason"),
        }
    )


def _typed(posted: Posted) -> dict[str, str]:
    return {name: posted.text(name) for name in ("name", "reason", *_NEW)}


@get("/environments")
async def environments(page: Viewed) -> Response[bytes]:
    return await _list(page, {"name": "", "reason": "", **_NEW}, None)


async def _list(page: Page, typed: dict[str, str], refused: MusterError | None) -> Response[bytes]:
    return await page.shown(
        "environments.html",
        partial(listed, page),
        status_of(refused),
        typed=typed,
        refused=refused,
        problems=problems(refused),
        **_CHOICES,
    )


@post("/environments", status_code=303)
async def create(page: Viewed, posted: FromForm) -> Response[bytes]:
    async def work() -> Response[bytes]:
        form = _form(posted)
        name = form.need("name", names.environment_name, "")
        new = environment_from(form, Environment(name), page.services.calendar)
        reason = form.take("reason", parse.reason, "")
        form.close()
        recorded = await page.submit(SetEnvironment(new, create=True), reason)
        return page.after(page.to("environments", name), recorded)

    return await or_again(work, lambda refused: _list(page, _typed(posted), refused))


@get("/environments/{environment:str}")
async def environment(page: Viewed, environment: InPath) -> Response[bytes]:
    return await _one(page, environment, None, None)


@post("/environments/{environment:str}", status_code=303)
async def update(page: Viewed, posted: FromForm, environment: InPath) -> Response[bytes]:
    async def work() -> Response[bytes]:
        old, _ = page.services.registry.environment(environment)
        form = _form(posted)
        form.take("name", parse.text, "")
        new = environment_from(form, old, page.services.calendar)
        reason = form.take("reason", parse.reason, "")
        form.close()
        change = SetEnvironment(new, expected=posted.text("touched") or None)
        if not is_sure(posted):
            about = Subject(environment=environment)
            seen = await page.services.pools.reads.run(partial(preview, page, change, about))
            return await _one(page, environment, posted, None, seen=seen)
        recorded = await page.submit(change, reason)
        return page.after(page.to("environments", environment), recorded)

    return await or_again(work, lambda refused: _one(page, environment, posted, refused))


async def _one(
    page: Page, name: str, posted: Posted | None, refused: MusterError | None, seen: object = None
) -> Response[bytes]:
    return await page.shown(
        "environment.html",
        partial(environment_view, page, name),
        status_of(refused),
        typed=None if posted is None else _typed(posted),
        stamp="" if posted is None else stamp(posted),
        seen=seen,
        refused=refused,
        problems=problems(refused),
        **_CHOICES,
    )


@get("/delete-environment/{environment:str}")
async def leaving(page: Viewed, environment: InPath) -> Response[bytes]:
    return await _leaving(page, environment, "", None)


@post("/delete-environment/{environment:str}", status_code=303)
async def delete(page: Viewed, posted: FromForm, environment: InPath) -> Response[bytes]:
    async def work() -> Response[bytes]:
        reason = parse.reason(posted.text("reason"))
        change = DeleteEnvironment(environment, expected=posted.text("touched") or None)
        return page.after(page.to("environments"), await page.submit(change, reason))

    return await or_again(work, lambda refused: _leaving(page, environment, posted.text("reason"), refused))


async def _leaving(page: Page, name: str, reason: str, refused: MusterError | None) -> Response[bytes]:
    def work() -> dict[str, object]:
        _, touched = page.services.registry.environment(name)
        about = Subject(environment=name)
        seen = preview(page, DeleteEnvironment(name), about)
        return {
            "what": f"environment {name}",
            "href": page.to("environments", name),
            "touched": touched,
            "seen": seen,
            "told": ["Its rules go. The history of what ran there stays."],
            "places": [],
        }

    view = await page.services.pools.reads.run(work)
    return await page.shown(
        "delete.html",
        lambda: view,
        status_of(refused),
        reason=reason,
        refused=refused,
        problems=problems(refused),
    )


def routes() -> list[HTTPRouteHandler]:
    """All routes of environments."""
    return [environments, create, environment, update, leaving, delete]
