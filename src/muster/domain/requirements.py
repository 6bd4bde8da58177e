"""What must be said of a version, as JSON Schema: by the registry of all, by a team of its models.

    requirements/registry.json       {"schema": {…}, "block": ["register", "deploy", "review"],
    requirements/team/<team>.json     "environments": ["production"], "description": "…"}

What a schema is held against is the version as the API shows it, with `tags` that are
the model's and the version's own over them, `model` (name, owner, description, tags,
aliases) and `card`, the model's card as a map from heading to text. So `intended_use`,
`risk_tier`, `validator` and `review_due` are tags: every door can already set and search them.

    register   a version that lacks something is not registered, or not finalized
    deploy     nor does it come into the environments, or into any if none is named
    review     nor does one whose `review_due` has passed

What is not blocked is shown where it needs attention. The language of the schemas and
that of the cards are ports: the domain knows no library.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any, Final, Protocol

from muster.domain import access, codec, parse
from muster.domain import changes as c
from muster.domain.errors import Invalid, NotFound
from muster.domain.names import environment_name
from muster.domain.parse import Form
from muster.domain.plan import check_expected, plan
from muster.domain.records import Fields, Json, Model
from muster.domain.snapshot import Plan, Records, Snapshot

FOLDER: Final = "requirements"
BLOCKS: Final = ("register", "deploy", "review")
REVIEW_DUE: Final = "review_due"
MAX_SCHEMA: Final = 65_536  # bytes, as one line of JSON
MAX_LISTED: Final = 100
_TEAMS: Final = f"{FOLDER}/team"
_OF_THE_MODEL: Final = ("name", "owner", "description", "tags", "aliases")


@dataclass(frozen=True, slots=True)
class Requirement:
    """What the registry (`team` None) or a team requires."""

    team: str | None
    schema: Fields
    block: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    description: str = ""

    @property
    def whose(self) -> str:
        """In words."""
        return "the registry" if self.team is None else f"team {self.team}"

    def blocks(self, what: str, environment: str) -> bool:
        """Whether it keeps what lacks something out of the environment."""
        return what in self.block and (not self.environments or environment in self.environments)


@dataclass(frozen=True, slots=True)
class Lack:
    """A field of what a schema was held against, and the rule that it breaks."""

    field: str
    rule: str

    def __str__(self) -> str:
        return f"{self.field} {self.rule}"


class Schemas(Protocol):
    """Knows JSON Schema. Any thread may call."""

    def check(self, schema: Fields, field: str) -> None:
        """Return if `schema` is one that can be used here. Raises Invalid."""
        ...

    def lacks(self, schema: Fields, instance: Json) -> tuple[Lack, ...]:
        """Everything that `instance` breaks of it, by field. Raises Invalid if `schema` is none."""
        ...


class Cards(Protocol):
    """Reads the cards of models. Any thread may call."""

    def sections(self, model: str, sha256: str) -> Mapping[str, str]:
        """The model's card with that digest: each heading with the text below it, up to the next.

        Raises:
            Stale: the card is another one now.
        """
        ...


# ------------------------------------------------------------ files


def path_of(team: str | None) -> str:
    """The record in the repository of what the registry or a team requires."""
    return f"{FOLDER}/registry.json" if team is None else f"{_TEAMS}/{team}.json"


def to_dict(requirement: Requirement) -> dict[str, Json]:
    """As the API shows it: always whole."""
    return {
        "team": requirement.team,
        "description": requirement.description,
        "schema": dict(requirement.schema),
        "block": list(requirement.block),
        "environments": list(requirement.environments),
    }


def to_bytes(requirement: Requirement) -> bytes:
    """The file of a requirement; its path says whose it is."""
    record = to_dict(requirement)
    del record["team"]
    return codec.encode({key: value for key, value in record.items() if key == "schema" or value})


@lru_cache(maxsize=256)
def from_bytes(path: str, data: bytes) -> Requirement:
    """The reverse of `to_bytes`.

    Raises:
        Invalid: naming what is wrong with it.
    """
    try:
        record = json.loads(data)
    except ValueError as error:
        raise Invalid.one(path, data[:60], f"must be JSON ({error})") from None
    team = path.rpartition("/")[2].removesuffix(".json") if path.startswith(f"{_TEAMS}/") else None
    form = Form(record, path)
    found = taken(form, team)
    form.close()
    return found


def taken(form: Form, team: str | None) -> Requirement:
    """What a form says that is required."""
    return Requirement(
        team,
        schema=form.need("schema", schema_from, {}),
        block=form.take("block", parse.sequence(parse.one_of(BLOCKS), len(BLOCKS)), ()),
        environments=form.take("environments", parse.sequence(environment_name, MAX_LISTED), ()),
        description=form.take("description", parse.text, ""),
    )


def schema_from(value: object, field: str) -> Fields:
    """A schema as JSON, at most 64 KiB; whether it is one is for `Schemas` to say."""
    if not isinstance(value, Mapping):
        raise Invalid.one(field, value, "must be a JSON object")
    found: Any = parse.plain(value, field, depth=32)
    if len(codec.canonical(found)) > MAX_SCHEMA:
        raise Invalid.one(field, "…", f"must be at most {MAX_SCHEMA:,} bytes")
    kept: Fields = found
    return kept


# ------------------------------------------------------------ reading


def requirements(before: Records) -> tuple[Requirement, ...]:
    """All that is required, of whose models ever."""
    return tuple(from_bytes(path, data) for path, data in before.documents(FOLDER))


def applying(found: tuple[Requirement, ...], owner: str | None) -> Iterator[Requirement]:
    """Those of them that hold for a model with that owner."""
    for each in found:
        if each.team is None or owner == f"{access.TEAM}{each.team}":
            yield each


def model_fields(model: Model) -> dict[str, Json]:
    """What a schema sees of a model."""
    found = {name: getattr(model, name) for name in _OF_THE_MODEL}
    return found | {"tags": dict(model.tags), "aliases": dict(model.aliases)}


def instance(version: Fields, model: Fields, card: Mapping[str, str]) -> dict[str, Json]:
    """What schemas are held against, of a version and a model as the API shows them."""
    shown = {name: model[name] for name in _OF_THE_MODEL}
    return {**version, "tags": {**model["tags"], **version["tags"]}, "model": shown, "card": dict(card)}


@dataclass(frozen=True, slots=True)
class Review:
    """When a version is to be reviewed again: a day, or what was written and is none."""

    said: str
    day: date | None = field(init=False)

    def __post_init__(self) -> None:
        try:
            day = date.fromisoformat(self.said)
        except ValueError:
            day = None
        object.__setattr__(self, "day", day)

    def overdue(self, today: date) -> str | None:
        """Why it is, in words; None if it is not. The day itself is in time."""
        if self.day is None:
            return f"{REVIEW_DUE} is {self.said!r}, which is no day as in 2026-12-31"
        return f"its review was due on {self.said}" if today > self.day else None


def review_of(tags: Mapping[str, str]) -> Review | None:
    """When the version with these tags (its own over the model's) is to be reviewed; None: not said."""
    said = tags.get(REVIEW_DUE)
    return None if said is None else Review(said)


# ------------------------------------------------------------ plans


@plan.register
def _(change: c.SetRequirement, before: Snapshot) -> Plan:
    if change.team is not None and access.team(before, change.team) is None:
        raise NotFound("team", change.team)
    for name in change.environments:
        if before.environment(name) is None:
            raise NotFound("environment", name)
    path = path_of(change.team)
    check_expected(before.document_touched(path), change.expected)
    new = Requirement(change.team, change.schema, change.block, change.environments, change.description)
    data = to_bytes(new)
    old = before.document(path)
    if old == data:
        return Plan("")
    return Plan(f"{'Set' if old is None else 'Change'} what {new.whose} requires", edits={path: data})


@plan.register
def _(change: c.DeleteRequirement, before: Snapshot) -> Plan:
    path = path_of(change.team)
    data = before.document(path)
    if data is None:
        raise NotFound("requirement", "registry" if change.team is None else f"team {change.team}")
    check_expected(before.document_touched(path), change.expected)
    return Plan(f"Require nothing more for {from_bytes(path, data).whose}", edits={path: None})
