"""`/api/v1/releases`: versions of several models that move at once, and come back at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from muster.domain import parse
from muster.domain.changes import Deploy, Release, ReleaseBack
from muster.domain.errors import Invalid
from muster.domain.parse import Form
from muster.domain.records import Config
from muster.domain.releases import release_id
from muster.domain.releasing import MAX_PARTS, Moving
from muster.http import schemas_releases as schemas
from muster.http.answers import Answer, encoded, listed, of_write
from muster.http.paging import cursor, place
from muster.http.parameters import After, Given, InPath, Limit, Wait, Wanted
from muster.http.services import Services
from muster.http.writes import Asked, Asking, answered_before, begun, conditioned, ended, foreseen
from muster.service.releases import Releases, released

RELEASES: Final = "/api/v1/releases"
RELEASE: Final = f"{RELEASES}/{{release:str}}"
Wish = tuple[str, Config]
_ENDED: Final = {"also": {200: "ReleaseRecord"}}


@get(RELEASES, summary="List releases, the latest first")
async def releases(
    services: Given, environment: Wanted = None, limit: Limit = 100, after: After = None
) -> Answer[schemas.ReleaseRecords]:
    def work() -> bytes:
        found = Releases(services.registry.index)
        items = found.all(environment, before=place(after, "") or None, limit=limit + 1)
        more = cursor(items[limit - 1]["id"]) if len(items) > limit else None
        return listed(map(encoded, items[:limit]), found.count(environment), more)

    return Answer(await services.pools.reads.run(work))


@get(RELEASE, summary="Get a release")
async def release(services: Given, release: InPath) -> Answer[schemas.ReleaseRecord]:
    work = partial(Releases(services.registry.index).one, release_id(release))
    return Answer(encoded(await services.pools.reads.run(work)))


@post(
    RELEASES,
    status_code=202,
    summary="Put versions of several models into an environment, all or none",
    opt={"body": schemas.NewRelease, **_ENDED},
)
async def create(services: Given, asked: Asking, wait: Wait = False) -> Answer[schemas.ReleaseRecord]:
    form = asked.form()
    environment = form.need("environment", parse.name, "")
    nothing: tuple[Wish, ...] = ()
    versions = form.need("versions", _versions, nothing)
    reason = form.take("reason", parse.reason, "")
    form.close()

    def change() -> Release:
        found = [(services.registry.locate(ref), config) for ref, config in versions]
        parts = (Deploy(each.model, each.number, environment, config) for each, config in found)
        return Release(environment, tuple(parts))

    return await _move(services, asked, reason, change, environment, wait=wait)


@post(
    f"{RELEASE}/back",
    status_code=202,
    summary="Take a release back: every model returns to what it replaced, or none does",
    opt={"body": schemas.ReleaseBackRequest, **_ENDED},
)
async def back(
    services: Given, asked: Asking, release: InPath, wait: Wait = False
) -> Answer[schemas.ReleaseRecord]:
    form = asked.form()
    empty = form.take("empty", parse.boolean, False)
    reason = form.take("reason", parse.reason, "")
    form.close()
    of = release_id(release)
    there = await services.pools.reads.run(partial(Releases(services.registry.index).one, of))
    change = ReleaseBack(of, empty)
    return await _move(services, asked, reason, lambda: change, there["environment"], wait=wait)


async def _move(
    services: Services,
    asked: Asked,
    reason: str,
    change: Callable[[], Moving],
    environment: str,
    *,
    wait: bool,
) -> Answer[Any]:
    """Begin it and answer with the operation; with `wait` with the release once it has ended."""
    if asked.expected is not None:
        raise Invalid.one("If-Match", asked.expected, "is not taken here")
    if (recorded := answered_before(services, asked)) is not None and recorded.logged is not None:
        entry = recorded.logged.entry
        operation = services.deployer.operations.answered(entry.kind, environment, entry.models, recorded)
    else:
        if asked.dry_run:
            return await foreseen(services, asked, reason, environment, change)
        wanted = await services.pools.reads.run(change)
        operation = await begun(services, asked, reason, conditioned(wanted, asked))
    if not wait:
        where = f"/api/v1/operations/{operation.id}"
        return Answer(encoded(operation.view()), 202, {"location": where})
    recorded = await ended(operation)
    of = released(recorded)
    if of is None:  # all of it was so already
        return Answer(encoded(operation.view()))
    record = await services.pools.reads.run(partial(Releases(services.registry.index).one, of))
    return of_write(record, recorded)


def _version(value: object, field: str) -> Wish:
    if isinstance(value, str):
        return parse.text(value, field), Config()
    form = Form(value, field)
    ref = form.need("ref", parse.text, "")
    config = form.take("config", parse.config, Config())
    form.close()
    return ref, config


_parts = parse.sequence(_version, MAX_PARTS)


def _versions(value: object, field: str) -> tuple[Wish, ...]:
    """References, or objects with `ref` and `config`; at least one."""
    found = _parts(value, field)
    if not found:
        raise Invalid.one(field, value, "must name at least one version")
    return found


def routes() -> list[HTTPRouteHandler]:
    """All routes of this module."""
    return [releases, release, create, back]
