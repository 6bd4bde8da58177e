"""`/edit/{model}/{version}`: what may change of a version, and words about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from muster.domain import parse
from muster.domain.changes import UNSET, Note, SetStage, UpdateVersion
from muster.domain.errors import Invalid, MusterError
from muster.domain.parse import Form
from muster.domain.records import STAGES
from muster.http.pages import tag_fields
from muster.http.pages.edit import by_field
from muster.http.pages.edit_view import version_edit
from muster.http.pages.effect_view import Subject
from muster.http.pages.forms import FromForm, Posted, or_again, status_of
from muster.http.pages.page import Page, Viewed
from muster.http.pages.preview_view import Preview, is_sure, preview, stamp
from muster.http.pages.reading import version_record
from muster.http.parameters import InPath
from muster.http.references import place_of

Work = Callable[[Page, Posted, str, str], Awaitable[Response[bytes]]]


@get("/edit/{model:str}/{version:str}")
async def show(page: Viewed, model: InPath, version: InPath) -> Response[bytes]:
    return await _shown(page, model, version, None, None)


@post("/edit/{model:str}/{version:str}", status_code=303)
async def change(page: Viewed, posted: FromForm, model: InPath, version: InPath) -> Response[bytes]:
    async def work() -> Response[bytes]:
        part = posted.text("part")
        if part not in _PARTS:
            raise Invalid.one("part", part, f"must be one of {', '.join(_PARTS)}")
        return await _PARTS[part](page, posted, model, version)

    return await or_again(work, lambda refused: _shown(page, model, version, posted, refused))


async def _shown(
    page: Page,
    model: str,
    version: str,
    posted: Posted | None,
    refused: MusterError | None,
    seen: Preview | None = None,
) -> Response[bytes]:
    return await page.shown(
        "edit_version.html",
        partial(version_edit, page, model, version, posted),
        status_of(refused),
        refused=refused,
        problems=by_field(refused),
        seen=seen,
        stamp=stamp(posted) if posted else "",
    )


# ------------------------------------------------------------ parts


async def _about(page: Page, posted: Posted, model: str, version: str) -> Response[bytes]:
    _, number = place_of(page.services.registry, model, version)
    record = version_record(page, model, number)
    tags = tag_fields.updates(posted, record["tags"])
    owner, description = posted.text("owner").strip(), posted.text("description")
    news: dict[str, object] = {"tags": tags, "reason": posted.text("reason")}
    if owner != (record["owner"] or "") and owner:
        news["owner"] = owner
    if description != record["description"].replace("\r\n", "\n"):
        news["description"] = description
    form = Form(news)
    change = UpdateVersion(
        model,
        number,
        owner=form.take("owner", parse.name, UNSET if owner or not record["owner"] else None),
        description=form.take("description", parse.text, UNSET),
        tags=form.take("tags", parse.tag_updates, {}),
        expected=posted.text("touched") or None,
    )
    reason = form.take("reason", parse.reason, "")
    form.close()
    return page.after(page.to("m", model, version), await page.submit(change, reason))


async def _stage(page: Page, posted: Posted, model: str, version: str) -> Response[bytes]:
    form = posted.form("stage", "reason")
    stage = form.need("stage", parse.one_of(STAGES), "")
    reason = form.take("reason", parse.reason, "")
    form.close()
    _, number = place_of(page.services.registry, model, version)
    others = posted.text("archive_others") == "yes"
    change = SetStage(model, number, stage, others, expected=posted.text("touched") or None)
    if is_sure(posted):
        return page.after(page.to("m", model, version), await page.submit(change, reason))
    about = Subject(model, number)
    seen = await page.services.pools.reads.run(partial(preview, page, change, about))
    return await _shown(page, model, version, posted, None, seen)


async def _note(page: Page, posted: Posted, model: str, version: str) -> Response[bytes]:
    form = posted.form("message", "reason")
    message = form.need("message", parse.message, "")
    reason = form.take("reason", parse.reason, "")
    form.close()
    _, number = place_of(page.services.registry, model, version)
    return page.after(page.to("m", model, version), await page.submit(Note(model, number, message), reason))


_PARTS: Final[dict[str, Work]] = {"about": _about, "stage": _stage, "note": _note}


def routes() -> list[HTTPRouteHandler]:
    """All routes of this module."""
    return [show, change]
