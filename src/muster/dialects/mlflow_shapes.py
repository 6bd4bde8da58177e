"""MLflow's names and dicts ↔ ours; pure.

Source: mlflow 3.18, `mlflow/protos/model_registry.proto` and
`mlflow/utils/validation.py`. A stage is one label with two spellings, an alias is an
alias, a number is the version. What is unset or empty is absent, but for the texts of
a version.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from muster.domain import names, parse
from muster.domain.errors import Invalid, NotFound
from muster.domain.plan import MAX_TAGS
from muster.domain.records import Json, Model
from muster.service.searching import Hit, Listed

MAX_TAG_KEY: Final = 250
MAX_TAG_VALUE: Final = 100_000
MAX_ALIAS: Final = 255
IS_PROMPT: Final = "mlflow.prompt.is_prompt"

STAGES: Final = {
    "None": "development",
    "Staging": "staging",
    "Production": "production",
    "Archived": "archived",
}
_SAID: Final = {ours: theirs for theirs, ours in STAGES.items()}
_STATUS: Final = {"pending": "PENDING_REGISTRATION", "final": "READY"}
_TAG_KEY: Final = re.compile(r"[/\w.\- :]+")
_ALIAS: Final = re.compile(r"[\w\-]+")
_RESERVED_ALIAS: Final = re.compile(r"latest|v\d+", re.IGNORECASE)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)

_decode = msgspec.json.Decoder(dict[str, Json]).decode


# ------------------------------------------------------------ what comes in


def model_name(value: object, field: str = "name") -> str:
    """The name of a model that is to be made: as ours, and without `:`."""
    name = names.model_name(value, field)
    if ":" in name:
        raise Invalid.one(field, value, "must not hold ':'")
    return name


def known_name(value: object, field: str = "name") -> str:
    """The name of a model that should be there: any text, for one that cannot be is just not found."""
    return parse.text(value, field)


def number(value: object, field: str = "version") -> int:
    """A version's number, as JSON or written; one that cannot be is 0, which no version has."""
    if isinstance(value, bool) or not re.fullmatch(r"[+-]?[0-9]+", str(value), re.ASCII):
        raise Invalid.one(field, value, "must be the number of a version")
    found = int(str(value)) if len(str(value)) < 12 else 0
    return max(found, 0)


def stage(value: object, field: str = "stage") -> str:
    """Our word for a stage that is written in any case."""
    word = str(value).capitalize()
    if not isinstance(value, str) or word not in STAGES:
        raise Invalid.one(field, value, f"must be one of {', '.join(STAGES)}")
    return STAGES[word]


def tag_key(value: object, field: str = "key") -> str:
    """A tag's key: 1 to 250 letters, digits and `_ / . - :` and space, a path as it would be resolved."""
    key = parse.text(value, field, MAX_TAG_KEY)
    if not _TAG_KEY.fullmatch(key):
        raise Invalid.one(field, value, "must be of letters, digits, '_', '/', '.', '-', ':' and space")
    if posixpath.normpath(key) != key or key.startswith(("/", "..")) or key == ".":
        raise Invalid.one(field, value, "must be a path as it is resolved: no '..', no '/' at either end")
    return key


def tag_value(value: object, field: str = "value") -> str:
    """A tag's value: at most 100,000 characters, kept as they are."""
    return parse.text(value, field, MAX_TAG_VALUE)


def tags(value: object, field: str = "tags") -> dict[str, str]:
    """`[{key, value}]` as ours; of a key that comes twice the last value."""
    if not isinstance(value, list) or len(value) > MAX_TAGS:
        raise Invalid.one(field, value, f"must be a list of at most {MAX_TAGS:,} tags")
    found: dict[str, str] = {}
    for at, tag in enumerate(value):
        if not isinstance(tag, dict):
            raise Invalid.one(f"{field}[{at}]", tag, "must be an object with key and value")
        key = tag_key(tag.get("key"), f"{field}[{at}].key")
        said = tag.get("value")
        found[key] = "" if said is None else tag_value(said, f"{field}[{at}].value")
    return found


def alias(value: object, field: str = "alias") -> str:
    """An alias as it is read or removed: letters, digits, `_` and `-`, 1 to 255 of them."""
    text = parse.text(value, field, MAX_ALIAS)
    if not _ALIAS.fullmatch(text):
        raise Invalid.one(field, value, "must be of letters, digits, '_' and '-'")
    return text


def new_alias(value: object, field: str = "alias") -> str:
    """An alias that is to be set: not `latest`, nor what reads like a number."""
    text = alias(value, field)
    if _RESERVED_ALIAS.fullmatch(text):
        raise Invalid.one(field, value, "is reserved: it must not be 'latest' or 'v' and a number")
    return text


def is_prompt(tags: Mapping[str, str]) -> bool:
    """Whether tags say that what has them is a prompt."""
    return tags.get(IS_PROMPT, "").lower() == "true"


# ------------------------------------------------------------ what goes out


def milliseconds(time: str) -> int:
    """An RFC 3339 time as whole milliseconds since 1970."""
    return (datetime.fromisoformat(time) - _EPOCH) // _MILLISECOND


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in sorted(tags.items())]


def _with(shape: dict[str, Json], **lists: list[Json]) -> dict[str, Json]:
    """`shape` with those of the lists that hold anything."""
    return shape | {name: values for name, values in lists.items() if values}


def record(document: bytes) -> dict[str, Json]:
    """A version's record as our API shows it."""
    return _decode(document)


def version(document: bytes, aliases: Iterable[str]) -> dict[str, Json]:
    """A ModelVersion."""
    shown = record(document)
    source = shown["source"] or {}
    shape: dict[str, Json] = {
        "name": shown["name"],
        "version": str(shown["number"]),
        "creation_timestamp": milliseconds(shown["created_at"]),
        "last_updated_timestamp": milliseconds(shown["last_updated"]),
        "current_stage": _SAID.get(shown["deployment_status"], "None"),
        "description": shown["description"],
        "source": source.get("uri", ""),
        "run_id": source.get("run_id", ""),
        "run_link": source.get("run_url", ""),
        "status": _STATUS[shown["state"]],
    }
    return _with(shape, tags=_tags(shown["tags"]), aliases=sorted(aliases))


def of_hit(hit: Hit) -> dict[str, Json]:
    """A ModelVersion of what a search gave."""
    return version(hit.document, hit.aliases)


def model(listed: Listed) -> dict[str, Json]:
    """A RegisteredModel, with its newest version of each stage."""
    ours = listed.model
    shape: dict[str, Json] = {
        "name": ours.name,
        "creation_timestamp": milliseconds(listed.created_at),
        "last_updated_timestamp": milliseconds(listed.last_updated),
    }
    if ours.description:
        shape["description"] = ours.description
    return _with(
        shape,
        latest_versions=newest(listed, _SAID),
        tags=_tags(ours.tags),
        aliases=[{"alias": alias, "version": str(n)} for alias, n in sorted(ours.aliases.items())],
    )


def newest(listed: Listed, stages: Iterable[str]) -> list[Json]:
    """Its newest version of each of `stages` (our words) that has one, as ModelVersions."""
    shown = [record(document) for document in listed.newest]
    wanted = set(stages)
    return [
        version(document, aliases_of(listed.model, each["number"]))
        for document, each in zip(listed.newest, shown, strict=True)
        if each["deployment_status"] in wanted
    ]


def newest_number(listed: Listed) -> int:
    """The highest number of a version that is there. Raises NotFound."""
    found: list[int] = [record(document)["number"] for document in listed.newest]
    if not found:
        raise NotFound("version", f"{listed.model.name}/latest")
    return max(found)


def aliases_of(model: Model, number: int) -> list[str]:
    """The aliases that mean that version."""
    return [alias for alias, meant in model.aliases.items() if meant == number]
