"""`/rules/{environment}`: who may change what runs there, and on which conditions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from muster.domain import parse
from muster.domain.changes import SetEnvironment
from muster.domain.errors import Denied, MusterError
from muster.domain.records import STAGES
from muster.domain.rule_words import sentences
from muster.http.pages import rules_form
from muster.http.pages.effect_view import Subject
from muster.http.pages.forms import FromForm, Posted, or_again, status_of
from muster.http.pages.page import Page, Viewed
from muster.http.pages.preview_view import SURE, Preview, preview, stamp
from muster.http.pages.reading import environments
from muster.http.parameters import InPath


@dataclass(frozen=True, slots=True)
class RulesView:
    """The rules of an environment in words and in the form; `others` are where a version may run first."""

    name: str
    touched: str
    sentences: tuple[str, ...]
    typed: rules_form.Typed
    others: tuple[str, ...]
    barred: Denied | None


@get("/rules/{environment:str}")
async def show(page: Viewed, environment: InPath) -> Response[bytes]:
    return await _shown(page, environment, None, None)


@post("/rules/{environment:str}", status_code=303)
async def change(page: Viewed, posted: FromForm, environment: InPath) -> Response[bytes]:
    async def work() -> Response[bytes]:
        old, _ = page.services.registry.environment(environment)
        reason = parse.reason(posted.text("reason"))
        rules = rules_form.typed(posted).parsed(page.services.calendar)
        wanted = SetEnvironment(replace(old, rules=rules), expected=posted.text("touched") or None)
        if posted.text(SURE) != _stamp(posted):
            about = Subject(environment=environment)
            seen = await page.services.pools.reads.run(partial(preview, page, wanted, about))
            return await _shown(page, environment, posted, None, seen)
        return page.after(page.to("environments", environment), await page.submit(wanted, reason))

    return await or_again(work, lambda refused: _shown(page, environment, posted, refused))


async def _shown(
    page: Page, name: str, posted: Posted | None, refused: MusterError | None, seen: Preview | None = None
) -> Response[bytes]:
    return await page.shown(
        "edit_rules.html",
        partial(_view, page, name, posted),
        status_of(refused),
        refused=refused,
        problems=rules_form.by_field(refused),
        reason=posted.text("reason") if posted else "",
        stages=STAGES,
        seen=seen,
        stamp=_stamp(posted) if posted else "",
    )


def _stamp(posted: Posted) -> str:
    """As `stamp`, of what the form says: how many rows are spare is none of that."""
    said = repr(rules_form.typed(posted))
    return stamp(Posted((("rules", said), ("touched", posted.text("touched")))))


def _view(page: Page, name: str, posted: Posted | None) -> RulesView:
    if page.at is None:
        record, touched = page.services.registry.environment(name)
        barred = page.barred(SetEnvironment(record))
    else:
        record, touched, barred = page.services.past.environment(page.at, name), "", None
    others = tuple(each.name for each in environments(page) if each.name != name)
    found = rules_form.typed(posted) if posted else rules_form.written(record.rules)
    return RulesView(name, touched, sentences(record.rules), found, others, barred)


def routes() -> list[HTTPRouteHandler]:
    """All routes of this module."""
    return [show, change]
