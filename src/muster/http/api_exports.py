"""`/api/v1/exports`: the audit log and changelogs as files, and the signatures that go with them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Final

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from litestar.response import Stream

from muster.domain import parse
from muster.domain.exports import Written
from muster.http import schemas_proof
from muster.http.answers import Answer
from muster.http.api_changes import wanted_of
from muster.http.parameters import At, Given, InPath, Kinds, Time, Wanted
from muster.http.services import Services
from muster.service.exports import Export
from muster.service.values import ChangeFilter

AUDIT: Final = "/api/v1/exports/audit"
CHANGELOG: Final = "/api/v1/models/{model:str}/changelog"
MEDIA: Final = {
    "jsonl": "application/jsonl",
    "csv": "text/csv; charset=utf-8",
    "markdown": "text/markdown; charset=utf-8",
}
_form = parse.one_of(("jsonl", "csv"))

Form = Annotated[str, QueryParameter(name="format", description="jsonl or csv")]


@get(AUDIT, summary="Download the audit log, newest first", opt={"media": MEDIA["jsonl"]})
async def audit(
    services: Given,
    form: Form = "jsonl",
    model: Wanted = None,
    environment: Wanted = None,
    actor: Wanted = None,
    kind: Kinds = None,
    since: Time = None,
    until: Time = None,
    at: At = None,
) -> Stream:
    wanted = wanted_of(model, None, environment, actor, kind, since, until)
    return await _streamed(services, wanted, _written(form), at)


@get(f"{AUDIT}/signature", summary="Sign what the audit log says")
async def audit_signature(
    services: Given,
    form: Form = "jsonl",
    model: Wanted = None,
    environment: Wanted = None,
    actor: Wanted = None,
    kind: Kinds = None,
    since: Time = None,
    until: Time = None,
    at: At = None,
) -> Answer[schemas_proof.ExportSignature]:
    wanted = wanted_of(model, None, environment, actor, kind, since, until)
    return await _signed(services, wanted, _written(form), at)


@get(CHANGELOG, summary="Download a model's changelog", opt={"media": MEDIA["markdown"]})
async def changelog(services: Given, model: InPath, at: At = None) -> Stream:
    return await _streamed(services, ChangeFilter(model=model), "markdown", at)


@get(f"{CHANGELOG}/signature", summary="Sign a model's changelog")
async def changelog_signature(
    services: Given, model: InPath, at: At = None
) -> Answer[schemas_proof.ExportSignature]:
    return await _signed(services, ChangeFilter(model=model), "markdown", at)


def _written(form: str) -> Written:
    return "csv" if _form(form, "format") == "csv" else "jsonl"


async def _export(services: Services, wanted: ChangeFilter, written: Written, at: str | None) -> Export:
    return await services.pools.reads.run(partial(services.exports.export, wanted, written, at))


async def _streamed(services: Services, wanted: ChangeFilter, written: Written, at: str | None) -> Stream:
    export = await _export(services, wanted, written, at)
    headers = {"muster-head": export.head.commit}
    return Stream(_pieces(services, export), media_type=MEDIA[written], headers=headers)


async def _pieces(services: Services, export: Export) -> AsyncIterator[bytes]:
    pieces = services.exports.pieces(export)
    while (piece := await services.pools.downloads.run(partial(next, pieces, None))) is not None:
        yield piece


async def _signed(
    services: Services, wanted: ChangeFilter, written: Written, at: str | None
) -> Answer[schemas_proof.ExportSignature]:
    export = await _export(services, wanted, written, at)
    line = await services.pools.downloads.run(partial(services.exports.signature, export))
    return Answer(line, headers={"muster-head": export.head.commit})


def routes() -> list[HTTPRouteHandler]:
    """All routes of exports."""
    return [audit, audit_signature, changelog, changelog_signature]
