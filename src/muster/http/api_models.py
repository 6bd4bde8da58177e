"""`/api/v1/models` and their aliases."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from litestar import Request, delete, get, patch, post, put
from litestar.handlers import HTTPRouteHandler

from muster.domain import names, parse
from muster.domain.changes import UNSET, CreateModel, DeleteModel, RenameModel, SetAlias, UpdateModel
from muster.domain.errors import NotFound
from muster.domain.records import Json
from muster.domain.registering import imported
from muster.domain.views import model_view
from muster.http import schemas
from muster.http.answers import Answer, encoded, listed, no_content
from muster.http.paging import cursor, page, place
from muster.http.parameters import After, At, Given, InPath, Limit, Reason, Tags, Wanted
from muster.http.plain import tags_wanted
from muster.http.references import label_or_number, place_of
from muster.http.services import Services
from muster.http.views import model_answer, model_read
from muster.http.writes import Asking, imports_only, reason_given, write

MODELS: Final = "/api/v1/models"
MODEL: Final = f"{MODELS}/{{model:str}}"


@get(MODELS, summary="List models by name")
async def models(
    services: Given,
    text: Wanted = None,
    owner: Wanted = None,
    tag: Tags = None,
    limit: Limit = 100,
    after: After = None,
) -> Answer[schemas.ModelRecords]:
    work = partial(_models, services, text, owner, tags_wanted(tag), place(after, ""), limit)
    return Answer(await services.pools.reads.run(work))


def _models(
    services: Services, text: str | None, owner: str | None, tags: dict[str, str], after: str, limit: int
) -> bytes:
    index = services.registry.index
    found = index.models(text=text, owner=owner, tags=tags, after=after, limit=limit + 1)
    records = [index.model_record(each.name) for each in found[:limit]]
    views = [model_view(model, created, updated) for model, _, created, updated in filter(None, records)]
    more = cursor(found[limit - 1].name) if len(found) > limit else None
    return listed(map(encoded, views), index.count_models(text=text, owner=owner, tags=tags), more)


@post(MODELS, summary="Create a model", opt={"body": schemas.NewModel})
async def create(services: Given, asked: Asking) -> Answer[schemas.ModelRecord]:
    form = asked.form()
    change = CreateModel(
        model=form.need("name", names.model_name, ""),
        owner=form.take("owner", parse.name, None),
        description=form.take("description", parse.text, ""),
        tags=form.take("tags", parse.tags, {}),
        card=form.take("card", parse.text, None),
        imported=form.take("imported", imported, None),
    )
    reason = form.take("reason", parse.reason, "")
    form.close()
    imports_only(asked, imported=change.imported)
    return await write(services, asked, reason, lambda: change, model_answer(services, 201))


@get(MODEL, summary="Show a model")
async def model(
    services: Given, request: Request[Any, Any, Any], model: InPath, at: At = None
) -> Answer[schemas.ModelRecord]:
    work = partial(model_read, services, model, at, request.headers.get("if-none-match"))
    return await services.pools.reads.run(work)


@patch(MODEL, summary="Change what describes a model", opt={"body": schemas.ModelUpdate})
async def update(services: Given, asked: Asking, model: InPath) -> Answer[schemas.ModelRecord]:
    form = asked.form()
    change = UpdateModel(
        model=model,
        owner=form.take("owner", parse.name, None if form.has("owner") else UNSET),
        description=form.take("description", parse.text, "" if form.has("description") else UNSET),
        tags=form.take("tags", parse.tag_updates, {}),
        card=form.take("card", parse.text, None if form.has("card") else UNSET),
        imported=form.take("imported", imported, None),
    )
    reason = form.take("reason", parse.reason, "")
    form.close()
    imports_only(asked, imported=change.imported)
    return await write(services, asked, reason, lambda: change, model_answer(services))


@post(f"{MODEL}/rename", status_code=200, summary="Give a model another name", opt={"body": schemas.NewName})
async def rename(services: Given, asked: Asking, model: InPath) -> Answer[schemas.ModelRecord]:
    form = asked.form()
    name = form.need("name", names.model_name, "")
    reason = form.take("reason", parse.reason, "")
    form.close()

    def change() -> RenameModel:
        return services.registry.renaming(model, name)

    return await write(services, asked, reason, change, model_answer(services))


@delete(MODEL, status_code=204, summary="Delete a model with its versions")
async def remove(services: Given, asked: Asking, model: InPath, reason: Reason = "") -> Answer[None]:
    return await write(services, asked, reason_given(reason), lambda: DeleteModel(model), no_content)


# ------------------------------------------------------------ aliases


@get(f"{MODEL}/aliases", summary="List a model's aliases")
async def aliases(
    services: Given, model: InPath, limit: Limit = 100, after: After = None
) -> Answer[schemas.Aliases]:
    return Answer(await services.pools.reads.run(partial(_aliases, services, model, after, limit)))


def _aliases(services: Services, model: str, after: str | None, limit: int) -> bytes:
    found = services.registry.index.model_record(model)
    if found is None:
        raise NotFound("model", model)
    there = found[0].aliases
    shown, more = page(there.items(), lambda each: each[0], "", after, limit)
    return listed((encoded(_alias(services, model, *each)) for each in shown), len(there), more)


def _alias(services: Services, model: str, alias: str, number: int) -> dict[str, Json]:
    model_id = services.registry.numbered(model, number).model_id
    return {"alias": alias, "number": number, "model_id": model_id}


@put(
    f"{MODEL}/aliases/{{alias:str}}", summary="Point an alias at a version", opt={"body": schemas.AliasUpdate}
)
async def set_alias(
    services: Given, asked: Asking, model: InPath, alias: InPath
) -> Answer[schemas.ModelRecord]:
    form = asked.form()
    version = form.need("version", label_or_number, "")
    reason = form.take("reason", parse.reason, "")
    form.close()

    def change() -> SetAlias:
        return SetAlias(model, names.alias_name(alias), place_of(services.registry, model, version)[1])

    return await write(services, asked, reason, change, model_answer(services))


@delete(f"{MODEL}/aliases/{{alias:str}}", status_code=204, summary="Remove an alias")
async def remove_alias(
    services: Given, asked: Asking, model: InPath, alias: InPath, reason: Reason = ""
) -> Answer[None]:
    def change() -> SetAlias:
        record = services.registry.index.model_record(model)
        if record is None or alias not in record[0].aliases:
            raise NotFound("alias", f"{model}@{alias}")
        return SetAlias(model, alias, None)

    return await write(services, asked, reason_given(reason), change, no_content)


def routes() -> list[HTTPRouteHandler]:
    """All routes of models and aliases."""
    return [models, create, model, update, rename, remove, aliases, set_alias, remove_alias]
