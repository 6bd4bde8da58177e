"""`/delete/{model}` and `/delete/{model}/{version}`: what would go, what stands against it, and doing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from muster.domain import parse
from muster.domain.changes import Change, DeleteModel, DeleteVersion
from muster.domain.errors import MusterError
from muster.http.pages.effect_view import Subject
from muster.http.pages.forms import FromForm, Posted, or_again, problems, status_of
from muster.http.pages.page import Page, Viewed
from muster.http.pages.preview_view import Preview, preview
from muster.http.pages.reading import version_record
from muster.http.pages.rendering import size
from muster.http.parameters import InPath
from muster.http.references import place_of
from muster.service.values import VersionFilter

_STAYS = "The history stays, and so do the bytes in Git; neither number nor id is used again."


@dataclass(frozen=True, slots=True)
class Leaving:
    """What is to be deleted and the commit that touched it last; `places` are where it is deployed,
    and the page that takes it out of service there."""

    what: str
    href: str
    touched: str
    seen: Preview
    told: list[str]
    places: list[tuple[str, str]]


@get("/delete/{model:str}")
async def model_leaves(page: Viewed, model: InPath) -> Response[bytes]:
    return await _shown(page, partial(_model, page, model), "", None)


@post("/delete/{model:str}", status_code=303)
async def delete_model(page: Viewed, posted: FromForm, model: InPath) -> Response[bytes]:
    change = DeleteModel(model, expected=posted.text("touched") or None)
    return await _deleted(page, posted, change, partial(_model, page, model), page.to())


@get("/delete/{model:str}/{version:str}")
async def version_leaves(page: Viewed, model: InPath, version: InPath) -> Response[bytes]:
    return await _shown(page, partial(_version, page, model, version), "", None)


@post("/delete/{model:str}/{version:str}", status_code=303)
async def delete_version(page: Viewed, posted: FromForm, model: InPath, version: InPath) -> Response[bytes]:
    _, number = place_of(page.services.registry, model, version)
    change = DeleteVersion(model, number, expected=posted.text("touched") or None)
    return await _deleted(page, posted, change, partial(_version, page, model, version), page.to("m", model))


async def _deleted(
    page: Page, posted: Posted, change: Change, view: Callable[[], Leaving], leads_to: str
) -> Response[bytes]:
    async def work() -> Response[bytes]:
        recorded = await page.submit(change, parse.reason(posted.text("reason")))
        return page.after(leads_to, recorded)

    return await or_again(work, lambda refused: _shown(page, view, posted.text("reason"), refused))


async def _shown(
    page: Page, view: Callable[[], Leaving], reason: str, refused: MusterError | None
) -> Response[bytes]:
    told = {"reason": reason, "refused": refused, "problems": problems(refused)}
    return await page.shown("delete.html", view, status_of(refused), **told)


def _model(page: Page, name: str) -> Leaving:
    registry = page.services.registry
    record, touched = registry.model(name)
    count = registry.index.count_versions(VersionFilter(model=name))
    told = [f"{'1 version goes' if count == 1 else f'{count:,} versions go'} with it."]
    if record["aliases"]:
        told.append(f"Its aliases go: {', '.join(f'@{alias}' for alias in sorted(record['aliases']))}.")
    change = DeleteModel(name)
    return Leaving(
        what=name,
        href=page.to("m", name),
        touched=touched,
        seen=preview(page, change, Subject(name)),
        told=[*told, _STAYS],
        places=_places(page, name, None),
    )


def _version(page: Page, model: str, version: str) -> Leaving:
    registry = page.services.registry
    _, number = place_of(registry, model, version)
    record = version_record(page, model, number)
    told = []
    if files := record["files"]:
        total = size(sum(each["size"] for each in files))
        count = "1 file is" if len(files) == 1 else f"{len(files)} files are"
        told.append(f"{count} no longer offered ({total}).")
    aliases = [alias for alias, meant in registry.model(model)[0]["aliases"].items() if meant == number]
    if aliases:
        told.append(f"What means it is removed: {', '.join(f'@{alias}' for alias in sorted(aliases))}.")
    change = DeleteVersion(model, number)
    return Leaving(
        what=f"{model} {record['version']}",
        href=page.to("m", model, record["version"]),
        touched=registry.numbered(model, number).touched,
        seen=preview(page, change, Subject(model, number)),
        told=[*told, _STAYS],
        places=_places(page, model, number),
    )


def _places(page: Page, model: str, number: int | None) -> list[tuple[str, str]]:
    """Where it is deployed, and the page that takes it out of service there."""
    return [
        (each.environment, page.to("undeploy", model, each.environment))
        for each, _ in page.services.registry.index.deployments(model=model)
        if number in (None, each.version)
    ]


def routes() -> list[HTTPRouteHandler]:
    """All routes of this module."""
    return [model_leaves, delete_model, version_leaves, delete_version]
