"""`/api/v1/changes`: who did what, when and why, field by field."""

from __future__ import annotations

from functools import partial
from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery

from muster.domain import parse
from muster.domain.changes import KINDS
from muster.domain.errors import NotFound
from muster.domain.records import Json
from muster.http import schemas, schemas_deployed
from muster.http.answers import Answer, encoded, etag
from muster.http.parameters import After, Before, Given, InPath, Kinds, Limit, Number, Time, Wanted
from muster.http.plain import history_of
from muster.http.views import changes_page
from muster.service.past import moment
from muster.service.registry import change_view
from muster.service.values import ChangeFilter

CHANGES: Final = "/api/v1/changes"
_kind = parse.one_of(KINDS)


def wanted_of(
    model: str | None,
    number: int | None,
    environment: str | None,
    actor: str | None,
    kinds: list[str] | None,
    since: str | None,
    until: str | None,
) -> ChangeFilter:
    """Which changes are asked for. Raises Invalid."""
    return ChangeFilter(
        model=model,
        number=number,
        environment=environment,
        actor=actor,
        kinds=tuple(_kind(each, "kind") for each in kinds or ()),
        since=None if since is None else moment(since, "since"),
        until=None if until is None else moment(until, "until"),
    )


@get(CHANGES, summary="List changes, newest first")
async def changes(
    services: Given,
    model: Wanted = None,
    number: Number = None,
    environment: Wanted = None,
    actor: Wanted = None,
    kind: Kinds = None,
    since: Time = None,
    until: Time = None,
    limit: Limit = 100,
    after: After = None,
) -> Answer[schemas_deployed.Changes]:
    wanted = wanted_of(model, number, environment, actor, kind, since, until)
    return Answer(await services.pools.reads.run(partial(changes_page, services, wanted, after, limit)))


@get(f"{CHANGES}/{{commit:str}}", summary="Show a change with its diff, field by field")
async def change(services: Given, commit: InPath) -> Answer[schemas_deployed.ChangeDetail]:
    def work() -> tuple[dict[str, Json], str]:
        logged = services.registry.index.change(commit)
        if logged is None:
            raise NotFound("change", commit)
        diff = [each.view() for each in services.past.fields(logged.commit)]
        return change_view(logged) | {"diff": diff}, logged.commit

    view, sha = await services.pools.reads.run(work)
    return Answer(encoded(view), headers={"etag": etag(sha)})


@get("/api/v1/history", summary="Say who did what to a version, newest first")
async def history(
    services: Given,
    model_id: FromQuery[str],
    limit: Limit = 1000,
    before: Before = None,
) -> Answer[schemas.History]:
    found = services.registry.find(model_id)
    return Answer(await services.pools.reads.run(partial(history_of, services, found, limit, before)))


def routes() -> list[HTTPRouteHandler]:
    """All routes of changes."""
    return [changes, change, history]
