"""`/api/v1/models/{model}/versions`, the list of all versions, and references."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Final

from litestar import Request, delete, get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from muster.domain import parse, registering
from muster.domain.changes import UNSET, DeleteVersion, Note, SetStage, UpdateVersion
from muster.domain.errors import Invalid
from muster.domain.records import KINDS, STAGES
from muster.domain.views import before_import
from muster.http import schemas, schemas_deployed
from muster.http.answers import Answer, listed, no_content, of_write
from muster.http.api_models import MODEL
from muster.http.paging import cursor, place
from muster.http.parameters import After, At, Given, InPath, Limit, Order, Reason, Tags, Wanted
from muster.http.plain import tags_wanted
from muster.http.references import place_of
from muster.http.services import Services
from muster.http.views import all_shown, changes_page, place_then, version_answer, version_read
from muster.http.writes import Asking, imports_only, reason_given, write
from muster.service.registry import change_view
from muster.service.submissions import Recorded
from muster.service.values import ChangeFilter, VersionFilter

VERSIONS: Final = f"{MODEL}/versions"
VERSION: Final = f"{VERSIONS}/{{version:str}}"


@get(VERSIONS, summary="List a model's versions")
async def versions(
    services: Given,
    model: InPath,
    stage: Wanted = None,
    tag: Tags = None,
    text: Wanted = None,
    kind: Wanted = None,
    order: Order = "number",
    limit: Limit = 100,
    after: After = None,
) -> Answer[schemas.VersionRecords]:
    wanted = _wanted(model, stage, tag, text, kind)
    return Answer(await services.pools.reads.run(partial(_page_of, services, wanted, order, limit, after)))


@get("/api/v1/versions", summary="List versions of all models")
async def all_versions(
    services: Given,
    model: Wanted = None,
    stage: Wanted = None,
    tag: Tags = None,
    text: Wanted = None,
    kind: Wanted = None,
    owner: Wanted = None,
    environment: Wanted = None,
    order: Order = "sequence",
    limit: Limit = 100,
    after: After = None,
) -> Answer[schemas.VersionRecords]:
    wanted = _wanted(model, stage, tag, text, kind, owner, environment)
    return Answer(await services.pools.reads.run(partial(_page_of, services, wanted, order, limit, after)))


def _wanted(
    model: str | None,
    stage: str | None,
    tag: list[str] | None,
    text: str | None,
    kind: str | None,
    owner: str | None = None,
    environment: str | None = None,
) -> VersionFilter:
    return VersionFilter(
        model=model,
        stage=None if stage is None else parse.one_of(STAGES)(stage, "stage"),
        tags=tags_wanted(tag),
        text=text,
        kind=None if kind is None else parse.one_of(KINDS)(kind, "kind"),
        owner=owner,
        environment=environment,
    )


def _page_of(services: Services, wanted: VersionFilter, order: str, limit: int, after: str | None) -> bytes:
    index = services.registry.index
    if wanted.model is not None and index.model_record(wanted.model) is None:
        services.registry.model(wanted.model)  # says that there is none
    found = index.versions(
        wanted,
        after=place(after, 0),
        limit=limit + 1,
        descending=order.startswith("-"),
        order=order.removeprefix("-"),
    )
    more = cursor(found[limit - 1].sequence) if len(found) > limit else None
    documents = (document for document, _ in all_shown(services, found[:limit]))
    return listed(documents, index.count_versions(wanted), more)


@post(
    VERSIONS, summary="Register a version", opt={"body": schemas.NewVersion, "also": {200: "VersionRecord"}}
)
async def register(services: Given, asked: Asking, model: InPath) -> Answer[schemas.VersionRecord]:
    body = asked.body
    if isinstance(body, Mapping):
        if "name" in body:
            raise Invalid.one("name", body["name"], "is said by the path, not by the body")
        body = {**body, "name": model}
    change, reason = registering.registration(body, strict=False)
    imports_only(asked, number=change.number, imported=change.imported)
    return await write(services, asked, reason, lambda: change, version_answer(services, 201))


@get("/api/v1/resolve", summary="Show the version that a reference means")
async def resolve(
    services: Given,
    request: Request[Any, Any, Any],
    ref: Annotated[
        str, QueryParameter(description="A model id, name/v1.0, name/3, name@alias or name:production")
    ],
    at: At = None,
) -> Answer[schemas.VersionRecord]:
    def work() -> Answer[Any]:
        if at is None:
            found = services.registry.locate(ref)
            there = (found.model, found.number)
        else:
            there = services.past.locate(services.past.at(at), ref)
        return version_read(services, there, at, request.headers.get("if-none-match"))

    return await services.pools.reads.run(work)


@get(VERSION, summary="Show a version")
async def version(
    services: Given, request: Request[Any, Any, Any], model: InPath, version: InPath, at: At = None
) -> Answer[schemas.VersionRecord]:
    tag = request.headers.get("if-none-match")
    if at is None:
        return version_read(services, place_of(services.registry, model, version), None, tag)
    there = await services.pools.reads.run(partial(place_then, services, at, model, version))
    return await services.pools.reads.run(partial(version_read, services, there, at, tag))


@patch(VERSION, summary="Change what describes a version", opt={"body": schemas.VersionUpdate})
async def update(
    services: Given, asked: Asking, model: InPath, version: InPath
) -> Answer[schemas.VersionRecord]:
    form = asked.form()
    wanted = UpdateVersion(
        model,
        0,  # known once the version is found
        owner=form.take("owner", parse.name, None if form.has("owner") else UNSET),
        description=form.take("description", parse.text, "" if form.has("description") else UNSET),
        tags=form.take("tags", parse.tag_updates, {}),
        imported=form.take("imported", registering.imported, None),
    )
    reason = form.take("reason", parse.reason, "")
    form.close()
    imports_only(asked, imported=wanted.imported)

    def change() -> UpdateVersion:
        return replace(wanted, number=place_of(services.registry, model, version)[1])

    return await write(services, asked, reason, change, version_answer(services))


@delete(VERSION, status_code=204, summary="Delete a version")
async def remove(
    services: Given, asked: Asking, model: InPath, version: InPath, reason: Reason = ""
) -> Answer[None]:
    def change() -> DeleteVersion:
        return DeleteVersion(*place_of(services.registry, model, version))

    return await write(services, asked, reason_given(reason), change, no_content)


@put(f"{VERSION}/stage", summary="Set a version's stage by hand", opt={"body": schemas.StageUpdate})
async def stage(
    services: Given, asked: Asking, model: InPath, version: InPath
) -> Answer[schemas.VersionRecord]:
    form = asked.form()
    wanted = form.need("stage", parse.one_of(STAGES), "")
    archive_others = form.take("archive_others", parse.boolean, False)
    imported = form.take("imported", registering.imported, None)
    reason = form.take("reason", parse.reason, "")
    form.close()
    imports_only(asked, imported=imported)

    def change() -> SetStage:
        return SetStage(*place_of(services.registry, model, version), wanted, archive_others, imported)

    return await write(services, asked, reason, change, version_answer(services))


@post(
    f"{VERSION}/notes", summary="Write words about a version into its history", opt={"body": schemas.NewNote}
)
async def note(services: Given, asked: Asking, model: InPath, version: InPath) -> Answer[schemas.Change]:
    form = asked.form()
    message = form.need("message", parse.message, "")
    reason = form.take("reason", parse.reason, "")
    form.close()

    def change() -> Note:
        return Note(*place_of(services.registry, model, version), message)

    def answer(recorded: Recorded) -> Answer[Any]:
        assert recorded.logged is not None  # a note is always a commit
        return of_write(change_view(recorded.logged), recorded, 201)

    return await write(services, asked, reason, change, answer)


@get(f"{VERSION}/history", summary="Say who did what to a version, newest first")
async def history(
    services: Given, model: InPath, version: InPath, limit: Limit = 100, after: After = None
) -> Answer[schemas_deployed.Changes]:
    there = place_of(services.registry, model, version)
    wanted = ChangeFilter(model=there[0], number=there[1])

    def before() -> dict[str, Any] | None:
        return before_import(services.registry.record(services.registry.numbered(*there).model_id))

    work = partial(changes_page, services, wanted, after, limit, before)
    return Answer(await services.pools.reads.run(work))


def routes() -> list[HTTPRouteHandler]:
    """All routes of versions."""
    return [versions, all_versions, register, resolve, version, update, remove, stage, note, history]
