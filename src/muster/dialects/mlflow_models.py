"""Registered models: made, read, renamed, described, tagged, aliased, deleted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from muster.dialects import mlflow_shapes as shapes
from muster.dialects.mlflow_call import Answer, Call, Refused, texts
from muster.domain import parse
from muster.domain.changes import CreateModel, DeleteModel, SetAlias, TagModel, UpdateModel
from muster.domain.errors import NotFound
from muster.domain.names import Reference
from muster.service.searching import Hit, Listed

Handler = Callable[[Call], Awaitable[Answer]]


def listed(call: Call, name: str) -> Listed:
    """The model of that name. Raises NotFound."""
    found = call.services.registry.index.listed(name)
    if found is None:
        raise NotFound("model", name)
    return found


def answered(call: Call, name: str) -> Answer:
    """The model as it is now."""
    return {"registered_model": shapes.model(listed(call, name))}


async def create(call: Call) -> Answer:
    given = call.arguments
    change = CreateModel(
        given.need("name", shapes.model_name),
        tags=given.take("tags", shapes.tags, {}),
        description=given.take("description", parse.text, ""),
    )
    await call.submit(change)
    return answered(call, change.model)


async def get(call: Call) -> Answer:
    return answered(call, call.arguments.need("name", shapes.known_name))


async def update(call: Call) -> Answer:
    given = call.arguments
    change = UpdateModel(
        given.need("name", shapes.known_name), description=given.take("description", parse.text, "")
    )
    await call.submit(change)
    return answered(call, change.model)


async def rename(call: Call) -> Answer:
    given = call.arguments
    name, new_name = given.need("name", shapes.known_name), given.need("new_name", shapes.model_name)
    change = await call.services.pools.reads.run(partial(call.services.registry.renaming, name, new_name))
    await call.submit(change)
    return answered(call, new_name)


async def delete(call: Call) -> Answer:
    await call.submit(DeleteModel(call.arguments.need("name", shapes.known_name)))
    return {}


async def get_latest_versions(call: Call) -> Answer:
    found = listed(call, call.arguments.need("name", shapes.known_name))
    wanted = [shapes.stage(each, "stages") for each in call.arguments.take("stages", texts, list[str]())]
    versions = shapes.newest(found, wanted or shapes.STAGES.values())
    return {"model_versions": versions} if versions else {}


# ------------------------------------------------------------ tags and aliases


async def set_tag(call: Call) -> Answer:
    given = call.arguments
    name, key = given.need("name", shapes.known_name), given.need("key", shapes.tag_key)
    await call.submit(TagModel(name, {key: given.take("value", shapes.tag_value, "")}))
    return {}


async def delete_tag(call: Call) -> Answer:
    given = call.arguments
    name, key = given.need("name", shapes.known_name), given.need("key", shapes.tag_key)
    await call.submit(TagModel(name, {key: None}))
    return {}


async def set_alias(call: Call) -> Answer:
    given = call.arguments
    name, alias = given.need("name", shapes.known_name), given.need("alias", shapes.new_alias)
    await call.submit(SetAlias(name, alias, given.need("version", shapes.number)))
    return {}


async def delete_alias(call: Call) -> Answer:
    given = call.arguments
    name, alias = given.need("name", shapes.known_name), given.need("alias", shapes.alias)
    await call.submit(SetAlias(name, alias, None))
    return {}


async def get_by_alias(call: Call) -> Answer:
    given = call.arguments
    name, alias = given.need("name", shapes.known_name), given.need("alias", shapes.alias)
    return {"model_version": shapes.of_hit(_aliased(call, name, alias))}


def _aliased(call: Call, name: str, alias: str) -> Hit:
    """The version that the alias means; `latest` is one of any model. Raises NotFound and Refused."""
    index = call.services.registry.index
    place = index.resolve(Reference(name, "alias", alias))
    if place is None:
        found = listed(call, name)
        if alias.lower() != "latest":
            # 400 and not 404: its client goes by that.
            raise Refused(400, "INVALID_PARAMETER_VALUE", f"Registered model alias {alias} not found.")
        place = name, shapes.newest_number(found)
    hit = index.hit(*place)
    if hit is None:
        raise NotFound("version", f"{name}/{place[1]}")
    return hit


ROUTES: dict[tuple[str, str], Handler] = {
    ("POST", "create"): create,
    ("GET", "get"): get,
    ("POST", "rename"): rename,
    ("PATCH", "update"): update,
    ("DELETE", "delete"): delete,
    ("POST", "get-latest-versions"): get_latest_versions,
    ("GET", "get-latest-versions"): get_latest_versions,
    ("POST", "set-tag"): set_tag,
    ("DELETE", "delete-tag"): delete_tag,
    ("POST", "alias"): set_alias,
    ("DELETE", "alias"): delete_alias,
    ("GET", "alias"): get_by_alias,
}
