"""A change as the events that MLflow's webhooks tell of, in their words; pure.

Source: mlflow 3.18, `mlflow/entities/webhook.py` and `mlflow/webhooks/types.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from muster.dialects.mlflow_shapes import is_prompt
from muster.domain.errors import Invalid
from muster.domain.records import Json, Model, Version
from muster.service.past import FieldChange
from muster.service.values import Logged

_TEMPLATE: Final = "mlflow.prompt.text"

ACTIONS: Final[dict[str, tuple[str, ...]]] = {
    "REGISTERED_MODEL": ("CREATED",),
    "MODEL_VERSION": ("CREATED",),
    "MODEL_VERSION_TAG": ("SET", "DELETED"),
    "MODEL_VERSION_ALIAS": ("CREATED", "DELETED"),
    "PROMPT": ("CREATED",),
    "PROMPT_VERSION": ("CREATED",),
    "PROMPT_TAG": ("SET", "DELETED"),
    "PROMPT_VERSION_TAG": ("SET", "DELETED"),
    "PROMPT_ALIAS": ("CREATED", "DELETED"),
}


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """What a webhook may ask for: an entity and what happens to it, in capitals."""

    entity: str
    action: str


@dataclass(frozen=True, slots=True)
class Told:
    """An event that happened, and what is said of it."""

    event: Event
    data: Mapping[str, Json]


class Then(Protocol):
    """The registry as it was at a change: the part of `Past` that is needed here."""

    def version(self, at: Logged, model: str, number: int) -> Version: ...

    def model(self, at: Logged, name: str) -> Model: ...

    def fields(self, commit: str) -> Sequence[FieldChange]: ...


def event(value: object, field: str = "event") -> Event:
    """`{entity, action}` as an event. Raises Invalid."""
    if not isinstance(value, dict):
        raise Invalid.one(field, value, "must be an object with entity and action")
    entity, action = str(value.get("entity")).upper(), str(value.get("action")).upper()
    if entity not in ACTIONS:
        raise Invalid.one(f"{field}.entity", value.get("entity"), f"must be one of {', '.join(ACTIONS)}")
    if action not in ACTIONS[entity]:
        rule = f"must be {' or '.join(ACTIONS[entity])} for {entity}"
        raise Invalid.one(f"{field}.action", value.get("action"), rule)
    return Event(entity, action)


def events(value: object, field: str = "events") -> tuple[Event, ...]:
    """A list of events, at least one, each once. Raises Invalid."""
    if not isinstance(value, list) or not value:
        raise Invalid.one(field, value, "must be a list of at least one event")
    found = [event(each, f"{field}[{at}]") for at, each in enumerate(value[:100])]
    return tuple(dict.fromkeys(found))


def told(logged: Logged, then: Then) -> list[Told]:
    """The events of a change, in order."""
    entry = logged.entry
    if entry.model is None:
        return []
    match entry.kind:
        case "create-model":
            return [_model_created(then.model(logged, entry.model))]
        case "register" if entry.number is not None:
            version = then.version(logged, entry.model, entry.number)
            made = [_version_created(version)]
            return (
                [_model_created(then.model(logged, entry.model)), *made]
                if version.number == 1 and _made_model(then.fields(logged.commit))
                else made
            )
        case "update" | "update-model" | "tag-model" | "alias":
            return list(_changed(logged, entry.model, then))
    return []


def _made_model(fields: Sequence[FieldChange]) -> bool:
    return any(
        each.path.endswith("/model.json") and each.field == "name" and each.before is None for each in fields
    )


def _model_created(model: Model) -> Told:
    entity = "PROMPT" if is_prompt(model.tags) else "REGISTERED_MODEL"
    data = {"name": model.name, "tags": dict(model.tags), "description": model.description or None}
    return Told(Event(entity, "CREATED"), data)


def _version_created(version: Version) -> Told:
    source = version.source or {}
    data: dict[str, Json] = {
        "name": version.model,
        "version": str(version.number),
        "tags": dict(version.tags),
        "description": version.description or None,
    }
    if version.kind == "prompt":
        return Told(Event("PROMPT_VERSION", "CREATED"), data | {"template": version.tags.get(_TEMPLATE, "")})
    data |= {"source": source.get("uri", ""), "run_id": source.get("run_id")}
    return Told(Event("MODEL_VERSION", "CREATED"), data)


def _changed(logged: Logged, name: str, then: Then) -> Iterator[Told]:
    """What happened to tags and aliases."""
    prompt = is_prompt(then.model(logged, name).tags)
    number = logged.entry.number
    for field in then.fields(logged.commit):
        kind, _, key = field.field.partition(".")
        data: dict[str, Json] = {"name": name}
        match kind, field.path.rpartition("/")[2]:
            case "tags", "version.json":
                entity = "PROMPT_VERSION_TAG" if prompt else "MODEL_VERSION_TAG"
                data |= {"version": str(number), "key": key}
            case "tags", "model.json" if prompt:
                entity = "PROMPT_TAG"
                data |= {"key": key}
            case "aliases", "model.json":
                entity = "PROMPT_ALIAS" if prompt else "MODEL_VERSION_ALIAS"
                gone = field.after is None
                data |= {"alias": key} | ({} if gone else {"version": str(field.after)})
                yield Told(Event(entity, "DELETED" if gone else "CREATED"), data)
                continue
            case _:
                continue
        if field.after is None:
            yield Told(Event(entity, "DELETED"), data)
        else:
            yield Told(Event(entity, "SET"), data | {"value": field.after})


def example(event: Event) -> dict[str, Json]:
    """What a test of a webhook sends."""
    data: dict[str, Json] = {
        "name": "example_prompt" if event.entity.startswith("PROMPT") else "example_model"
    }
    if event.entity in ("REGISTERED_MODEL", "PROMPT"):
        return data | {"tags": {"example_key": "example_value"}, "description": "An example"}
    if event.entity.endswith("_ALIAS"):
        version = {"version": "1"} if event.action == "CREATED" else {}
        return data | {"alias": "example_alias"} | version
    if event.entity.endswith("_TAG"):
        of_version = {"version": "1"} if "VERSION" in event.entity else {}
        value = {"value": "example_value"} if event.action == "SET" else {}
        return data | of_version | {"key": "example_key"} | value
    data |= {"version": "1", "tags": {"example_key": "example_value"}, "description": "An example"}
    if event.entity == "PROMPT_VERSION":
        return data | {"template": "Hello {{name}}!"}
    return data | {"source": "models:/123", "run_id": "abcd1234abcd5678"}
