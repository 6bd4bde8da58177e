"""`/register/{model}/{version}`: the files of a version, until they are fixed for ever."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from muster.domain import names, parse
from muster.domain.changes import DetachFile
from muster.domain.errors import MusterError
from muster.domain.records import Artifact
from muster.http import multiparts
from muster.http.pages import uploading
from muster.http.pages.forms import FromForm, check_token, or_again, problems, status_of
from muster.http.pages.page import Page, Viewed
from muster.http.parameters import InPath
from muster.http.references import place_of
from muster.http.streams import incoming


@dataclass(frozen=True, slots=True)
class FilesView:
    """The files, and why no more may come, if so. `failed` are files that were refused just now."""

    model: str
    label: str
    state: str
    files: tuple[Artifact, ...]
    size: int
    why_not: str
    failed: list[tuple[str, str, str]] = field(default_factory=list)
    stored: int = 0
    reason: str = ""
    refused: MusterError | None = None
    problems: dict[str, Any] = field(default_factory=dict)


@get("/register/{model:str}/{version:str}")
async def show(page: Viewed, model: InPath, version: InPath) -> Response[bytes]:
    if page.at is not None:
        return page.sent_to(page.present())
    return await page.shown("files.html", partial(files_view, page, model, version))


@post("/register/{model:str}/{version:str}", status_code=200)
async def upload(
    request: Request[Any, Any, Any], page: Viewed, model: InPath, version: InPath
) -> Response[bytes]:
    registry = page.services.registry
    found = multiparts.parts(
        incoming(request.receive, asyncio.get_running_loop()),
        multiparts.boundary(request.headers.get("content-type", "")),
    )
    place = place_of(registry, model, version)
    take = partial(uploading.take, found, partial(check_token, request), registry, place, page.visitor.actor)
    came = await page.services.pools.uploads.run(take)
    if not came.refused:
        return page.sent_to(page.to("register", model, version))
    view = partial(files_view, page, model, version, came)
    return await page.shown("files.html", view, status_of(came.refused[0][1]))


@post("/register/{model:str}/{version:str}/remove", status_code=200)
async def remove(page: Viewed, posted: FromForm, model: InPath, version: InPath) -> Response[bytes]:
    async def work() -> Response[bytes]:
        path = names.artifact_path(posted.text("path"))
        place = place_of(page.services.registry, model, version)
        return page.after(page.to("register", model, version), await page.submit(DetachFile(*place, path)))

    return await or_again(work, partial(_again, page, model, version, ""))


@post("/register/{model:str}/{version:str}/finalize", status_code=200)
async def finalize(page: Viewed, posted: FromForm, model: InPath, version: InPath) -> Response[bytes]:
    typed = posted.text("reason")

    async def work() -> Response[bytes]:
        reason = parse.reason(typed)
        registry = page.services.registry
        place = place_of(registry, model, version)
        fix = partial(registry.finalize, *place, page.visitor.actor, reason)
        recorded = await page.services.pools.writes.run(fix)
        return page.after(page.to("m", model, version), recorded)

    return await or_again(work, partial(_again, page, model, version, typed))


async def _again(page: Page, model: str, version: str, reason: str, refused: MusterError) -> Response[bytes]:
    view = partial(files_view, page, model, version, reason=reason, refused=refused)
    return await page.shown("files.html", view, status_of(refused))


def files_view(
    page: Page,
    model: str,
    version: str,
    came: uploading.Uploaded | None = None,
    reason: str = "",
    refused: MusterError | None = None,
) -> FilesView:
    """The page. Raises NotFound."""
    registry = page.services.registry
    found = registry.version(*place_of(registry, model, version))
    why_not = ""
    if found.kind == "external":
        why_not = "It runs elsewhere, so it takes no files."
    elif found.state != "pending" and (found.files or found.files_attached):
        why_not = "Its files are fixed for ever. Register other files as a new version."
    return FilesView(
        model=model,
        label=found.label or str(found.number),
        state=found.state,
        files=found.files,
        size=sum(each.size for each in found.files),
        why_not=why_not,
        failed=[(path, error.message, error.code) for path, error in came.refused] if came else [],
        stored=len(came.stored) if came else 0,
        reason=reason,
        refused=refused,
        problems=dict(problems(refused)),
    )


def routes() -> list[HTTPRouteHandler]:
    """All routes of files."""
    return [show, upload, remove, finalize]
