"""`/edit/{model}`: what describes a model, its aliases, its name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from muster.domain import names, parse
from muster.domain.changes import UNSET, Change, SetAlias, UpdateModel
from muster.domain.errors import Invalid, MusterError
from muster.domain.parse import Form
from muster.http.pages import tag_fields
from muster.http.pages.edit_view import model_edit
from muster.http.pages.effect_view import Subject
from muster.http.pages.forms import FromForm, Posted, or_again, problems, status_of
from muster.http.pages.page import Page, Viewed
from muster.http.pages.preview_view import Preview, is_sure, preview, stamp
from muster.http.parameters import InPath
from muster.http.references import label_or_number, place_of

Work = Callable[[Page, Posted, str], Awaitable[Response[bytes]]]


@get("/edit/{model:str}")
async def show(page: Viewed, model: InPath) -> Response[bytes]:
    return await _shown(page, model, None, None)


@post("/edit/{model:str}", status_code=303)
async def change(page: Viewed, posted: FromForm, model: InPath) -> Response[bytes]:
    async def work() -> Response[bytes]:
        part = posted.text("part")
        if part not in _PARTS:
            raise Invalid.one("part", part, f"must be one of {', '.join(_PARTS)}")
        return await _PARTS[part](page, posted, model)

    return await or_again(work, lambda refused: _shown(page, model, posted, refused))


async def _shown(
    page: Page, model: str, posted: Posted | None, refused: MusterError | None, seen: Preview | None = None
) -> Response[bytes]:
    return await page.shown(
        "edit_model.html",
        partial(model_edit, page, model, posted),
        status_of(refused),
        refused=refused,
        problems=by_field(refused),
        seen=seen,
        stamp=stamp(posted) if posted else "",
    )


def by_field(refused: MusterError | None) -> dict[str, object]:
    """What was wrong, by the field of the form; whatever is wrong with a tag, beside the tags."""
    return {("tags" if name.startswith("tags") else name): each for name, each in problems(refused).items()}


# ------------------------------------------------------------ parts


async def _about(page: Page, posted: Posted, model: str) -> Response[bytes]:
    record, _ = page.services.registry.model(model)
    tags = tag_fields.updates(posted, record["tags"])
    said = {name: posted.text(name) for name in ("owner", "description", "card")}
    said["owner"] = said["owner"].strip()
    # Only what was changed: nobody's own change is taken back by a form that was open meanwhile.
    news = {name: text for name, text in said.items() if text != _plain(record[name])}
    form = Form(news | {"tags": tags, "reason": posted.text("reason")})
    change = UpdateModel(
        model,
        owner=_cleared(form, "owner", parse.name, news),
        description=form.take("description", parse.text, UNSET),
        tags=form.take("tags", parse.tag_updates, {}),
        card=form.take("card", parse.text, UNSET),
        expected=posted.text("touched") or None,
    )
    reason = form.take("reason", parse.reason, "")
    form.close()
    return page.after(page.to("m", model), await page.submit(change, reason))


def _plain(text: str | None) -> str:
    return (text or "").replace("\r\n", "\n")


def _cleared(
    form: Form, field: str, parser: Callable[[object, str], str], news: dict[str, str]
) -> str | None:
    """The field; None if it was cleared, `UNSET` if it is as it was."""
    if news.get(field) == "":
        form.take(field, parse.text, "")
        return None
    kept: str = UNSET
    return form.take(field, parser, kept)


async def _alias(page: Page, posted: Posted, model: str) -> Response[bytes]:
    form = posted.form("alias", "version", "reason")
    alias = form.need("alias", names.alias_name, "")
    version = form.need("version", label_or_number, "")
    form.take("reason", parse.reason, "")
    form.close()

    def wanted() -> SetAlias:
        number = place_of(page.services.registry, model, version.strip())[1]
        return SetAlias(model, alias, number, expected=posted.text("touched") or None)

    return await _sure(page, posted, model, wanted)


async def _unalias(page: Page, posted: Posted, model: str) -> Response[bytes]:
    change = SetAlias(model, posted.text("alias"), None, expected=posted.text("touched") or None)
    return await _sure(page, posted, model, lambda: change)


async def _rename(page: Page, posted: Posted, model: str) -> Response[bytes]:
    new = names.model_name(posted.text("new_name").strip(), "new_name")
    return await _sure(page, posted, model, lambda: page.services.registry.renaming(model, new), leads_to=new)


async def _sure(
    page: Page, posted: Posted, model: str, wanted: Callable[[], Change], leads_to: str | None = None
) -> Response[bytes]:
    """The change is made once its effect has been seen; before that its effect is shown."""
    reason = parse.reason(posted.text("reason"))
    reads = page.services.pools.reads
    change = await reads.run(wanted)
    if is_sure(posted):
        return page.after(page.to("m", leads_to or model), await page.submit(change, reason))
    seen = await reads.run(partial(preview, page, change, Subject(model)))
    return await _shown(page, model, posted, None, seen)


_PARTS: Final[dict[str, Work]] = {
    "about": _about,
    "alias": _alias,
    "unalias": _unalias,
    "rename": _rename,
}


def routes() -> list[HTTPRouteHandler]:
    """All routes of this module."""
    return [show, change]
