"""`/models`, deploy, rollback, history: the API for curl."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler

from muster.domain import names, parse, registering
from muster.domain.changes import Deploy, RollBack
from muster.domain.errors import Invalid, NotFound
from muster.domain.records import STAGES, Config, Json
from muster.http import schemas
from muster.http.answers import Answer, encoded, etag, matches, of_write
from muster.http.parameters import At, Before, Given, InPath, Limit, Tags, Wanted
from muster.http.references import label_or_number, version_meant
from muster.http.services import Services
from muster.http.views import shown, version_read
from muster.http.writes import Asked, Asking, answered_before, begun, conditioned, ended, foreseen, write
from muster.service.deployer import Placing
from muster.service.registry import change_view
from muster.service.submissions import Recorded
from muster.service.values import Found, Logged, VersionFilter

_HISTORY = ("commit", "time", "actor", "change", "reason", "message")


@get("/models", summary="List model ids in the order of registration")
async def models(
    services: Given,
    name: Wanted = None,
    stage: Wanted = None,
    tag: Tags = None,
    limit: Limit = 1000,
    after: Wanted = None,
) -> Answer[schemas.ModelIds]:
    wanted = VersionFilter(
        model=name,
        stage=None if stage is None else parse.one_of(STAGES)(stage, "stage"),
        tags=tags_wanted(tag),
    )
    return Answer(
        encoded(await services.pools.reads.run(partial(_model_ids, services, wanted, after, limit)))
    )


def _model_ids(services: Services, wanted: VersionFilter, after: str | None, limit: int) -> dict[str, Json]:
    index = services.registry.index
    start = 0
    if after is not None:
        last = index.find(after)
        if last is None:
            raise Invalid.one("after", after, "must be the id of a registered model")
        start = last.sequence
    page = [model_id for _, model_id in index.model_ids(wanted, after=start, limit=limit + 1)]
    answer: dict[str, Json] = {"models": page[:limit], "count": index.count_versions(wanted)}
    return answer | ({"next": page[limit - 1]} if len(page) > limit else {})


def tags_wanted(tags: list[str] | None) -> dict[str, str]:
    """Tags as a list filters by them.

    Raises:
        Invalid: one is not `key:value`, or two ask for different values of one key.
    """
    wanted: dict[str, str] = {}
    for tag in tags or ():
        key, sign, value = tag.partition(":")
        if not sign or not key:
            raise Invalid.one("tag", tag, "must be key:value")
        if wanted.setdefault(key, value) != value:
            raise Invalid.one("tag", tag, "must not ask for two values of one key")
    return wanted


@get("/models/{model_id:str}", summary="Show a version's record")
async def model(
    services: Given, request: Request[Any, Any, Any], model_id: InPath, at: At = None
) -> Answer[schemas.VersionRecord]:
    if at is None:
        return Answer(*record_of(services, model_id, request.headers.get("if-none-match")))
    return await services.pools.reads.run(partial(_record_at, services, model_id, at))


def _record_at(services: Services, model_id: str, at: str) -> Answer[Any]:
    """The record as it was at a time or commit. Raises NotFound and Invalid."""
    with services.registry.index.snapshot() as now:
        place = now.identified(model_id)
    if place is None:
        raise NotFound("model", model_id)
    return version_read(services, place, at, None)


def record_of(
    services: Services, model_id: str, if_none_match: str | None
) -> tuple[bytes, int, dict[str, str]]:
    """The record's bytes as they are stored, status and headers. Raises NotFound."""
    document, touched = shown(services, services.registry.find(model_id))
    tag = etag(touched)
    if if_none_match is not None and matches(if_none_match, tag):
        return b"", 304, {"etag": tag}
    return document, 200, {"etag": tag}


@post("/models", summary="Register a version", opt={"body": schemas.Registration, "also": {200: None}})
async def register(services: Given, asked: Asking) -> Answer[schemas.Registered]:
    return await registered(services, asked)


async def registered(services: Services, asked: Asked) -> Answer[schemas.Registered]:
    """The answer to a registration."""
    change, reason = registering.registration(asked.body, strict=True)

    def answer(recorded: Recorded) -> Answer[Any]:
        model_id = names.model_id(change.model, change.label, recorded.number or 0)
        status = 201 if recorded.commit else 200
        return of_write({"message": "Model registered successfully", "model_id": model_id}, recorded, status)

    return await write(services, asked, reason, lambda: change, answer)


@post(
    "/models/{model_id:str}/deploy",
    status_code=200,
    summary="Put a version into service, and wait until it serves",
    opt={"body": schemas.PlainDeploy},
)
async def deploy(services: Given, asked: Asking, model_id: InPath) -> Answer[schemas.Deployed]:
    form = asked.form()
    environment = form.take("environment", names.environment_name, "production")
    config = form.take("config", parse.config, Config())
    reason = form.take("reason", parse.reason, "")
    form.close()

    def change(found: Found) -> Deploy:
        return Deploy(found.model, found.number, environment, config)

    def answer(record: dict[str, Json], _: Recorded) -> dict[str, Json]:
        return {"message": f"Model {model_id} deployed to {environment}", "model": record}

    return await _place(services, asked, reason, model_id, environment, change, answer)


@post(
    "/models/{model_id:str}/rollback",
    status_code=200,
    summary="Return to the version that was deployed before",
    opt={"body": schemas.PlainRollback},
)
async def rollback(services: Given, asked: Asking, model_id: InPath) -> Answer[schemas.RolledBack]:
    form = asked.form()
    environment = form.take("environment", names.environment_name, "production")
    to = form.take("to", label_or_number, None)
    empty = form.take("empty", parse.boolean, False)
    reason = form.take("reason", parse.reason, "")
    form.close()

    def change(found: Found) -> RollBack:
        target = None if to is None else version_meant(services.registry, found.model, to)
        return RollBack(found.model, found.number, environment, target, empty)

    def answer(record: dict[str, Json], recorded: Recorded) -> dict[str, Json]:
        stage = record["deployment_status"]
        message = f"Model {model_id} rolled back to {stage}"
        return {"message": message, "model": record, "restored": _restored(services, recorded)}

    return await _place(services, asked, reason, model_id, environment, change, answer)


async def _place(
    services: Services,
    asked: Asked,
    reason: str,
    model_id: str,
    environment: str,
    change: Callable[[Found], Placing],
    answer: Callable[[dict[str, Json], Recorded], dict[str, Json]],
) -> Answer[Any]:
    """Carry a change out for the version of that model id, wait, and answer with its record."""
    recorded = answered_before(services, asked)
    if recorded is None:
        found = services.registry.find(model_id)
        if asked.dry_run:
            return await foreseen(services, asked, reason, environment, partial(change, found))
        wanted = conditioned(change(found), asked)
        recorded = await ended(await begun(services, asked, reason, wanted))
    record = _record_then(services, model_id, recorded)
    return of_write(answer(record, recorded), recorded)


def _record_then(services: Services, model_id: str, recorded: Recorded) -> dict[str, Json]:
    """The version's record as the first answer to the request showed it."""
    if recorded.repeated and recorded.logged is not None and recorded.model and recorded.number:
        return services.past.version_record(recorded.logged, recorded.model, recorded.number)
    return services.registry.record(model_id)


def _restored(services: Services, recorded: Recorded) -> str | None:
    """The model id of what a rollback returned to."""
    logged = recorded.logged
    if logged is None or recorded.model is None or logged.entry.deployed in (None, "none"):
        return None
    number = int(logged.entry.deployed or 0)
    return services.past.version(logged, recorded.model, number).model_id


@get("/models/{model_id:str}/history", summary="Say who did what to a version, newest first")
async def history(
    services: Given,
    model_id: InPath,
    limit: Limit = 1000,
    before: Before = None,
) -> Answer[schemas.History]:
    found = services.registry.find(model_id)
    return Answer(await services.pools.reads.run(partial(history_of, services, found, limit, before)))


def history_of(services: Services, found: Found, limit: int, before: str | None) -> bytes:
    """The changes of a version, as JSON."""
    position = None if before is None else _position(services, before)
    logged = services.registry.version_history(found.model, found.number, before=position, limit=limit)
    return msgspec.json.encode({"model_id": found.model_id, "history": [_short(each) for each in logged]})


def _position(services: Services, commit: str) -> int:
    logged = services.registry.index.change(names.commit_id(commit, "before"))
    if logged is None:
        raise NotFound("commit", commit)
    return logged.position


def _short(logged: Logged) -> dict[str, Json]:
    view = change_view(logged)
    return {key: view[key] for key in _HISTORY}


def routes() -> list[HTTPRouteHandler]:
    """All routes of the plain API."""
    return [models, model, register, deploy, rollback, history]
