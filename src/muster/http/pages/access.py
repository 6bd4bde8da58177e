"""`/access`: people, services, teams, and who has which role where."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from muster.domain.access import ACCOUNT_KINDS, ALL_ROLES
from muster.domain.changes import Change
from muster.domain.errors import Invalid, MusterError
from muster.http.pages import access_forms as forms
from muster.http.pages import access_view as views
from muster.http.pages.forms import FromForm, Posted, or_again, status_of
from muster.http.pages.page import Page, Viewed
from muster.http.parameters import InPath

Wanted: TypeAlias = Callable[[Posted], tuple[Change, str]]
View: TypeAlias = Callable[[], object]
_NOTHING: Final = Posted(())
# Beside which field it is said that there is no such account or team, or one already, in each part.
_FIELDS: Final = {
    "account": {"account": "account"},
    "team": {"team": "team", "account": "members"},
    "members": {"account": "members"},
    "roles": {"account": "subject", "team": "subject"},
    "service": {"account": "owner"},
}


async def shown(
    page: Page,
    template: str,
    view: View,
    posted: Posted | None = None,
    refused: MusterError | None = None,
    secret: str = "",
) -> Response[bytes]:
    """A page with forms in several parts: what was wrong stands in the part that was sent.

    `secret` is shown this once.
    """
    part = posted.text("part") if posted else ""
    return await page.shown(
        template,
        view,
        status_of(refused),
        posted=posted or _NOTHING,
        part=part,
        refused=refused,
        problems=forms.by_field(refused, **_FIELDS.get(part, {})),
        roles=ALL_ROLES,
        kinds=ACCOUNT_KINDS,
        secret=secret,
    )


async def done(
    page: Page, posted: Posted, parts: dict[str, Wanted], where: str, template: str, view: View
) -> Response[bytes]:
    """Have recorded what the part that was sent asks for; else the page again."""

    async def work() -> Response[bytes]:
        part = posted.text("part")
        if part not in parts:
            raise Invalid.one("part", part, f"must be one of {', '.join(parts)}")
        change, reason = parts[part](posted)
        return page.after(where, await page.submit(change, reason))

    return await or_again(work, lambda refused: shown(page, template, view, posted, refused))


# ------------------------------------------------------------ all of it


@get("/access")
async def whole(page: Viewed) -> Response[bytes]:
    return await shown(page, "access.html", partial(views.whole, page))


@post("/access", status_code=303)
async def change(page: Viewed, posted: FromForm) -> Response[bytes]:
    parts: dict[str, Wanted] = {
        "account": forms.new_account,
        "team": forms.new_team,
        "roles": lambda said: forms.roles(said, "registry", None),
    }
    return await done(page, posted, parts, page.to("access"), "access.html", partial(views.whole, page))


# ------------------------------------------------------------ a team


@get("/access/team/{team:str}")
async def team(page: Viewed, team: InPath) -> Response[bytes]:
    return await shown(page, "team.html", partial(views.team, page, team))


@post("/access/team/{team:str}", status_code=303)
async def change_team(page: Viewed, posted: FromForm, team: InPath) -> Response[bytes]:
    parts: dict[str, Wanted] = {
        "members": lambda said: forms.team_anew(said, team),
        "roles": lambda said: forms.roles(said, "team", team),
        "end": lambda said: forms.end_of_team(said, team),
    }
    ends = posted.text("part") == "end"
    where = page.to("access") if ends else page.to("access", "team", team)
    return await done(page, posted, parts, where, "team.html", partial(views.team, page, team))


# ------------------------------------------------------------ roles at a place


@get("/access/environment/{environment:str}")
async def environment(page: Viewed, environment: InPath) -> Response[bytes]:
    return await shown(page, "place_roles.html", partial(views.place_of_environment, page, environment))


@post("/access/environment/{environment:str}", status_code=303)
async def change_environment(page: Viewed, posted: FromForm, environment: InPath) -> Response[bytes]:
    parts: dict[str, Wanted] = {"roles": lambda said: forms.roles(said, "environment", environment)}
    view = partial(views.place_of_environment, page, environment)
    where = page.to("access", "environment", environment)
    return await done(page, posted, parts, where, "place_roles.html", view)


@get("/access/model/{model:str}")
async def model(page: Viewed, model: InPath) -> Response[bytes]:
    return await shown(page, "place_roles.html", partial(views.place_of_model, page, model))


@post("/access/model/{model:str}", status_code=303)
async def change_model(page: Viewed, posted: FromForm, model: InPath) -> Response[bytes]:
    parts: dict[str, Wanted] = {"roles": lambda said: forms.roles(said, "model", model)}
    view = partial(views.place_of_model, page, model)
    return await done(page, posted, parts, page.to("access", "model", model), "place_roles.html", view)


def routes() -> list[HTTPRouteHandler]:
    """All routes of access, but for accounts."""
    return [whole, change, team, change_team, environment, change_environment, model, change_model]
