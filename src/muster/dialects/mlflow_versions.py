"""Model versions: made, read, described, tagged, moved from stage to stage, deleted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from muster.dialects import mlflow_places as places
from muster.dialects import mlflow_shapes as shapes
from muster.dialects import mlflow_sources as sources
from muster.dialects.mlflow_call import Answer, Arguments, Call, boolean
from muster.domain import parse
from muster.domain.changes import DeleteVersion, RegisterVersion, SetStage, UpdateVersion
from muster.domain.errors import Invalid, NotFound
from muster.domain.records import Fields
from muster.service.searching import Hit

Handler = Callable[[Call], Awaitable[Answer]]


def hit(call: Call, name: str, number: int) -> Hit:
    """The version of that number. Raises NotFound."""
    found = call.services.registry.index.hit(name, number)
    if found is None:
        raise NotFound("version", f"{name}/{number}")
    return found


def answered(call: Call, name: str, number: int) -> Answer:
    """The version as it is now."""
    return {"model_version": shapes.of_hit(hit(call, name, number))}


def _place(given: Arguments) -> tuple[str, int]:
    return given.need("name", shapes.known_name), given.need("version", shapes.number)


async def create(call: Call) -> Answer:
    change = await _pinned(call, _registration(call))
    recorded = await call.submit(change)
    assert recorded.number is not None
    return answered(call, change.model, recorded.number)


def _registration(call: Call) -> RegisterVersion:
    """What the client asks for. Raises Invalid and NotFound."""
    given = call.arguments
    name = given.need("name", shapes.known_name)
    uri = given.need("source", sources.source)
    tags = given.take("tags", shapes.tags, dict[str, str]())
    run_id = given.take("run_id", parse.text, "")
    tracked_as = given.take("model_id", parse.text, "")
    prompt = shapes.is_prompt(tags)
    copied = None if prompt else sources.copied(call.services.registry, uri)
    if copied is None:
        sources.check_place(uri, of_run=bool(run_id or tracked_as), prompt=prompt)
    else:
        for field, said, there in (
            ("run_id", run_id, copied.run_id),
            ("model_id", tracked_as, copied.tracked_as),
        ):
            if said and said != there:
                raise Invalid.one(field, said, "must be that of the version that source names")
    source: Fields = {
        "uri": copied.uri if copied else uri,
        "location": copied.location if copied else None,
        "run_id": run_id,
        "run_url": given.take("run_link", sources.address, ""),
        "tracked_as": tracked_as,
    }
    return RegisterVersion(
        name,
        description=given.take("description", parse.text, ""),
        tags=tags,
        source={key: value for key, value in source.items() if value},
        model_kind="prompt" if prompt else "model",
        bases=(copied.base,) if copied else (),
        files=copied.files if copied else (),
        signature=copied.signature if copied else None,
        new_model=False,
    )


async def _pinned(call: Call, change: RegisterVersion) -> RegisterVersion:
    """The registration with the files that its source names below our own proxy, if it does.

    They are the version's own from then on, whatever becomes of them there.

    Raises:
        NotFound: the source names this server, which has no such files.
    """
    uri = (change.source or {}).get("uri", "")
    services = call.services
    if change.files or change.model_kind == "prompt":
        return change
    source = places.of_source(uri, call.base.rpartition("/")[2], services.allowed_hosts)
    if source is None:
        return change

    def pin(place: places.Place, surely: bool) -> RegisterVersion:
        try:
            files = places.files_below(services, place)
        except NotFound:
            if surely:
                raise
            return change  # then it is on a tracking server elsewhere
        return replace(change, files=files, signature=services.registry.signature(files))

    return await services.pools.writes.run(partial(pin, source.place, source.surely))


async def get(call: Call) -> Answer:
    return answered(call, *_place(call.arguments))


async def update(call: Call) -> Answer:
    name, number = _place(call.arguments)
    description = call.arguments.take("description", parse.text, "")
    await call.submit(UpdateVersion(name, number, description=description))
    return answered(call, name, number)


async def delete(call: Call) -> Answer:
    await call.submit(DeleteVersion(*_place(call.arguments)))
    return {}


async def transition_stage(call: Call) -> Answer:
    name, number = _place(call.arguments)
    stage = call.arguments.need("stage", shapes.stage)
    alone = call.arguments.take("archive_existing_versions", boolean, False)
    await call.submit(SetStage(name, number, stage, archive_others=alone))
    return answered(call, name, number)


async def get_download_uri(call: Call) -> Answer:
    shown = shapes.record(hit(call, *_place(call.arguments)).document)
    return {"artifact_uri": sources.location(shown, call.base)}


async def set_tag(call: Call) -> Answer:
    given = call.arguments
    name, number = _place(given)
    tags = {given.need("key", shapes.tag_key): given.take("value", shapes.tag_value, "")}
    await call.submit(UpdateVersion(name, number, tags=tags))
    return {}


async def delete_tag(call: Call) -> Answer:
    name, number = _place(call.arguments)
    await call.submit(UpdateVersion(name, number, tags={call.arguments.need("key", shapes.tag_key): None}))
    return {}


ROUTES: dict[tuple[str, str], Handler] = {
    ("POST", "create"): create,
    ("GET", "get"): get,
    ("PATCH", "update"): update,
    ("DELETE", "delete"): delete,
    ("POST", "transition-stage"): transition_stage,
    ("GET", "get-download-uri"): get_download_uri,
    ("POST", "set-tag"): set_tag,
    ("DELETE", "delete-tag"): delete_tag,
}
