"""`/api/v1/models/{model}/served` and the blame of records: any past moment, answered."""

from __future__ import annotations

from typing import Any, Final

from litestar import get
from litestar.handlers import HTTPRouteHandler

from muster.domain.errors import NotFound
from muster.domain.messages import rfc3339
from muster.domain.records import Json
from muster.http import schemas_past as schemas
from muster.http.answers import Answer, encoded
from muster.http.parameters import At, Given, InPath, Wanted
from muster.http.references import place_of
from muster.http.services import Services
from muster.service.blame import Blame, of_model, of_version
from muster.service.registry import change_view
from muster.service.served import served_at
from muster.service.values import Logged

MODEL: Final = "/api/v1/models/{model:str}"


@get(f"{MODEL}/served", summary="Say what served at a time: version, digests, by whom, approved, observed")
async def served(
    services: Given, model: InPath, at: At = None, environment: Wanted = None
) -> Answer[schemas.ServedThen]:
    def work() -> Answer[Any]:
        moment = _moment(services, at)
        services.past.model(moment, model)
        registry = services.registry
        found = served_at(registry.index, registry.history, services.past, moment, model, environment)
        view = {
            "model": model,
            "at": rfc3339(moment.entry.time),
            "commit": moment.commit,
            "items": [each.view() for each in found],
            "count": len(found),
        }
        return Answer(encoded(view), headers={"muster-head": moment.commit})

    return await services.pools.reads.run(work)


@get(f"{MODEL}/blame", summary="Say who set each field of a model, and when")
async def blame_model(services: Given, model: InPath, at: At = None) -> Answer[schemas.BlameRecord]:
    def work() -> Answer[Any]:
        moment = None if at is None else services.past.at(at)
        then = moment or _newest(services)
        record = services.past.model_record(then, model)
        blame = of_model(services.registry.index, services.past, model, record["created_at"], moment)
        return _blamed(record, blame)

    return await services.pools.reads.run(work)


@get(
    f"{MODEL}/versions/{{version:str}}/blame",
    summary="Say who set each field of a version, and when",
)
async def blame_version(
    services: Given, model: InPath, version: InPath, at: At = None
) -> Answer[schemas.BlameRecord]:
    def work() -> Answer[Any]:
        moment = None if at is None else services.past.at(at)
        then = moment or _newest(services)
        if moment is None:
            name, number = place_of(services.registry, model, version)
        else:
            name, number = services.past.locate(moment, f"{model}/{version}")
        record = services.past.version_record(then, name, number)
        blame = of_version(services.registry.index, services.past, name, number, moment)
        return _blamed(record, blame)

    return await services.pools.reads.run(work)


def _blamed(record: dict[str, Json], blame: Blame) -> Answer[Any]:
    found = {name: blame.of(name) for name in record}
    fields = {name: change_view(by) if by is not None else None for name, by in found.items()}
    return Answer(encoded({"fields": fields, "values": record}))


def _moment(services: Services, text: str | None) -> Logged:
    return _newest(services) if text is None else services.past.at(text)


def _newest(services: Services) -> Logged:
    found = services.registry.index.newest()
    if found is None:
        raise NotFound("moment", "nothing was recorded yet")
    return found


def routes() -> list[HTTPRouteHandler]:
    """All routes of this module."""
    return [served, blame_model, blame_version]
