"""`/register`: a new version, and with its first version a model."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from muster.domain.errors import Invalid, MusterError, Problem
from muster.domain.records import RELATIONS
from muster.http.pages.configuring import beside
from muster.http.pages.forms import FromForm, or_again, problems, status_of
from muster.http.pages.page import Page, Viewed
from muster.http.pages.registering import Typed, typed
from muster.service.values import VersionFilter


@dataclass(frozen=True, slots=True)
class RegisterView:
    """The form. `known` is the model that goes by the name, with its newest version; None for a new one."""

    typed: Typed
    known: Known | None
    problems: dict[str, Problem]
    all_problems: Sequence[Problem]
    refused: MusterError | None


@dataclass(frozen=True, slots=True)
class Known:
    """A model that is there: the next number, and how its newest version is called."""

    name: str
    next_number: int
    newest: str


@get("/register")
async def describe(page: Viewed) -> Response[bytes]:
    if page.at is not None:
        return page.sent_to(page.present())
    begun = Typed({"name": page.query.get("name", "")}, key=secrets.token_hex(16))
    return await _shown(page, begun)


@post("/register", status_code=200)
async def register(page: Viewed, posted: FromForm) -> Response[bytes]:
    sent = typed(posted)
    if posted.text("more"):
        return await _shown(page, sent)

    async def work() -> Response[bytes]:
        change, reason = sent.parsed()
        registry = page.services.registry
        request = sent.request()
        recorded = registry.answered(request) if request else None
        if recorded is None:
            submitted = registry.submit(change, page.visitor.actor, reason, request)
            recorded = await page.services.outcomes.of(submitted)
        called = change.label or str(recorded.number)
        where = page.to("register" if change.pending else "m", change.model, called)
        return page.after(where, recorded)

    async def again(refused: MusterError) -> Response[bytes]:
        return await _shown(page, sent, refused)

    return await or_again(work, again)


async def _shown(page: Page, sent: Typed, refused: MusterError | None = None) -> Response[bytes]:
    def view() -> RegisterView:
        all_problems = refused.problems if isinstance(refused, Invalid) else ()
        known = _known(page, sent.text("name"))
        return RegisterView(replace(sent), known, problems(refused), all_problems, refused)

    return await page.shown("register.html", view, status_of(refused), beside=beside, relations=RELATIONS)


def _known(page: Page, name: str) -> Known | None:
    """The model of that name, if there is one."""
    index = page.services.registry.index
    found = index.model_record(name) if name else None
    if found is None:
        return None
    newest = index.versions(VersionFilter(model=name), limit=1, descending=True, order="number")
    record: dict[str, Any] = json.loads(newest[0].document) if newest else {}
    return Known(name, found[0].next_number, str(record.get("version", "")))


def routes() -> list[HTTPRouteHandler]:
    """All routes of registering."""
    return [describe, register]
