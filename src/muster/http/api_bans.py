"""`/api/v1/bans`, `/api/v1/retractions`, `/api/v1/uses`, and purging a version's files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from muster.domain import parse
from muster.domain.banning import BANS, file_ban_path, version_ban_path
from muster.domain.changes import Actor, Ban, Purge, RetractData
from muster.domain.errors import Invalid, MusterError
from muster.domain.records import Json
from muster.domain.retracting import RETRACTIONS, digest_retraction_path, name_retraction_path
from muster.http import schemas_bans
from muster.http.answers import Answer, encoded, listed, no_content, of_write
from muster.http.api_versions import VERSION
from muster.http.paging import cursor, place
from muster.http.parameters import After, Given, InPath, Limit
from muster.http.references import place_of
from muster.http.services import Services
from muster.http.views import shown
from muster.http.writes import (
    Asked,
    Asking,
    answered_before,
    conditioned,
    preview_view,
    previewed,
    submitted,
    write,
)
from muster.service.bans import Bans, Reach
from muster.service.uses import Uses

Of = Annotated[str, QueryParameter(description="A version by any reference, a digest (sha256:…) or a name")]
Why = Annotated[str, QueryParameter(min_length=1, description="Why; it becomes the commit's body")]


# ------------------------------------------------------------ bans


@get("/api/v1/bans", summary="List what is banned, and where it runs")
async def bans(services: Given, limit: Limit = 100, after: After = None) -> Answer[schemas_bans.BanRecords]:
    found = partial(Bans(services.registry).bans, after=place(after, ""), limit=limit + 1)
    return Answer(await services.pools.reads.run(partial(_page, services, BANS, found, limit)))


@post(
    "/api/v1/bans",
    summary="Ban a version, or a file in every version that holds it",
    opt={"body": schemas_bans.NewBan, "also": {200: "BanRecord"}},
)
async def ban(services: Given, asked: Asking) -> Answer[schemas_bans.BanRecord]:
    form = asked.form()
    of = form.need("of", parse.text, "")
    reason = form.need("reason", _why, "")
    undeploy = form.take("undeploy", parse.boolean, False)
    form.close()
    about = Bans(services.registry)
    if (recorded := answered_before(services, asked)) is not None and recorded.number is not None:
        change = Ban(recorded.model, recorded.number)  # an alias may have moved since
    else:
        change = await services.pools.reads.run(partial(about.ban, of))
    if recorded is None:
        conditioned(change, asked)
        if asked.dry_run:
            work = partial(_foreseen, services, asked.actor, reason, change, undeploy)
            return Answer(encoded(await services.pools.reads.run(work)))
        recorded = await submitted(services, asked, reason, change)
    reach = await services.pools.reads.run(partial(about.banned, _path_of_ban(change)))
    view = reach.view()
    if undeploy:
        work_out = partial(_undeployed, services, reach, asked.actor, reason)
        view |= await services.pools.writes.run(work_out)
    return of_write(view, recorded, 201 if recorded.commit else 200)


def _path_of_ban(change: Ban) -> str:
    if change.sha256 is not None:
        return file_ban_path(change.sha256)
    assert change.model is not None
    assert change.number is not None
    return version_ban_path(change.model, change.number)


def _foreseen(services: Services, actor: Actor, reason: str, change: Ban, undeploy: bool) -> dict[str, Json]:
    """What a ban would do now, and where what is banned runs."""
    index = services.registry.index
    preview = services.registry.preview(change, actor, reason)
    sequences = index.saying("file", change.sha256) if change.sha256 is not None else []
    if change.model is not None and change.number is not None:
        sequences = [each for each in [index.sequence_of(change.model, change.number)] if each is not None]
    effects = [
        f"{version.model_id} is taken out of service in {environment}"
        if undeploy
        else f"{version.model_id} runs in {environment} and goes on running there"
        for version in index.traced(sequences).values()
        for environment in version.deployed_in
    ]
    return preview_view(replace(preview, effects=(*preview.effects, *effects)))


def _undeployed(services: Services, reach: Reach, actor: Actor, reason: str) -> dict[str, Json]:
    """Begin to take it out of service everywhere; what cannot be begun is said."""
    begun: list[Json] = []
    refused: list[Json] = []
    for change, version in Bans(services.registry).undeployments(reach):
        try:
            begun.append(services.deployer.begin(change, actor, reason).view())
        except MusterError as error:
            refused.append(
                {
                    "environment": change.environment,
                    "name": version.model,
                    "code": error.code,
                    "message": error.message,
                }
            )
    return {"operations": begun, "not_undeployed": refused}


@delete("/api/v1/bans", status_code=204, summary="Lift a ban")
async def unban(services: Given, asked: Asking, of: Of, reason: Why) -> Answer[None]:
    return await write(
        services, asked, _why(reason, "reason"), lambda: Bans(services.registry).lifting(of), no_content
    )


# ------------------------------------------------------------ retractions


@get("/api/v1/retractions", summary="List the data that is retracted, and where what it was used for runs")
async def retractions(
    services: Given, limit: Limit = 100, after: After = None
) -> Answer[schemas_bans.BanRecords]:
    found = partial(Bans(services.registry).retractions, after=place(after, ""), limit=limit + 1)
    return Answer(await services.pools.reads.run(partial(_page, services, RETRACTIONS, found, limit)))


@post(
    "/api/v1/retractions",
    summary="Retract data: flag all that was trained on it",
    opt={"body": schemas_bans.NewRetraction, "also": {200: "BanRecord"}},
)
async def retract(services: Given, asked: Asking) -> Answer[schemas_bans.BanRecord]:
    form = asked.form()
    of = form.need("of", parse.text, "")
    reason = form.need("reason", _why, "")
    form.close()
    about = Bans(services.registry)
    change = about.retraction(of)
    if (recorded := answered_before(services, asked)) is None:
        conditioned(change, asked)
        if asked.dry_run:
            return await previewed(services, asked.actor, reason, change)
        recorded = await submitted(services, asked, reason, change)
    reach = await services.pools.reads.run(partial(about.retracted, _path_of_retraction(change)))
    return of_write(reach.view(), recorded, 201 if recorded.commit else 200)


def _path_of_retraction(change: RetractData) -> str:
    if change.sha256 is not None:
        return digest_retraction_path(change.sha256)
    assert change.name is not None
    return name_retraction_path(change.name)


@delete("/api/v1/retractions", status_code=204, summary="Take the retraction of data back")
async def unretract(services: Given, asked: Asking, of: Of, reason: Why) -> Answer[None]:
    return await write(
        services, asked, _why(reason, "reason"), lambda: Bans(services.registry).reinstating(of), no_content
    )


# ------------------------------------------------------------ uses


@get("/api/v1/uses", summary="Say what was trained on, built on or holds something, and where it ran when")
async def uses(
    services: Given, of: Of, limit: Limit = 100, after: After = None
) -> Answer[schemas_bans.UseRecords]:
    wanted = parse.message(of, "of")
    return Answer(
        await services.pools.reads.run(partial(_uses_page, services, wanted, limit, place(after, 0)))
    )


def _uses_page(services: Services, of: str, limit: int, after: int) -> bytes:
    found, count = Uses(services.registry.index).of(of, after=after, limit=limit + 1)
    more = cursor(found[limit - 1].version.sequence) if len(found) > limit else None
    return listed((encoded(each.view()) for each in found[:limit]), count, more)


def _page(services: Services, folder: str, found: Callable[[], list[Reach]], limit: int) -> bytes:
    records = found()
    more = cursor(records[limit - 1].document.path) if len(records) > limit else None
    count = services.registry.index.count_documents(folder)
    return listed((encoded(each.view()) for each in records[:limit]), count, more)


# ------------------------------------------------------------ purging


@post(
    f"{VERSION}/purge",
    status_code=200,
    summary="Remove the files of a version for good; its record stays",
    opt={"body": schemas_bans.NewPurge},
)
async def purge(
    services: Given, asked: Asking, model: InPath, version: InPath
) -> Answer[schemas_bans.Purged]:
    form = asked.form()
    reason = form.need("reason", _why, "")
    form.close()
    change = Purge(*place_of(services.registry, model, version))
    if answered_before(services, asked) is None:
        change = conditioned(change, asked)
        if asked.dry_run:
            return await previewed(services, asked.actor, reason, change)
    return await services.pools.writes.run(partial(_purged, services, asked, change, reason))


def _purged(services: Services, asked: Asked, change: Purge, reason: str) -> Answer[Any]:
    recorded, cleared = services.purger.purge(change, asked.actor, reason, asked.request)
    found = services.registry.numbered(change.model, change.number)
    document, tag = shown(services, found)
    removed = [{"path": each.path, "size": each.size, "sha256": each.sha256} for each in cleared.removed]
    kept = [{"path": path, "why": why} for path, why in cleared.kept.items()]
    content = b'{"version":%b,"removed":%b,"kept":%b}' % (document, encoded(removed), encoded(kept))
    return of_write(content, recorded, touched=tag)


def _why(value: object, field: str) -> str:
    """A reason that is not empty."""
    kept = parse.reason(value, field)
    if not kept:
        raise Invalid.one(field, value, "must not be empty: say why")
    return kept


def routes() -> list[HTTPRouteHandler]:
    """All routes of bans, retractions, uses and purges."""
    return [bans, ban, unban, retractions, retract, unretract, uses, purge]
