"""What the tree says, as rows; the marks of the log come in as arguments.

Following along and rebuilding call the same functions, so that both give the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import msgspec

from muster.domain import codec
from muster.domain.bases import place_of
from muster.domain.records import Artifact, Deployment, Environment, Json, Model, Version
from muster.domain.retracting import data_sets
from muster.domain.views import version_view
from muster.index import tables
from muster.index.database import inserting
from muster.index.entries import Marks, ModelMarks

# msgspec and not `json`, which takes three times as long: a rebuild does little else.
MAX_ORIGIN = 300

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(dict[str, Json])


class ModelRow(NamedTuple):
    """A row of `models`."""

    name: str
    folded: str
    live: bool
    owner: str | None
    created: int
    touched: int
    updated: int
    record: bytes


def model_row(model: Model, record: bytes, marks: ModelMarks) -> ModelRow:
    """The row of one model; `record` is the bytes of `model`."""
    return ModelRow(
        model.name,
        model.name.casefold(),
        not model.deleted,
        model.owner,
        marks.created,
        marks.touched,
        marks.updated,
        record,
    )


class VersionRow(NamedTuple):
    """A row of `versions`."""

    sequence: int
    model: str
    number: int
    label: str | None
    model_id: str
    folded: str
    live: bool
    stage: str
    kind: str
    owner: str | None
    created_at: str
    last_updated: str
    touched: int
    last_deploy: int | None
    last_rollback: int | None
    purged: bool
    record: bytes
    document: bytes


def version_row(version: Version, record: bytes, marks: Marks, deployed_in: Iterable[str]) -> VersionRow:
    """The row of one version with its files; `record` is the bytes of its `version.json`."""
    live = version.state != "deleted"
    view = version_view(version, marks.times, deployed_in)
    return VersionRow(
        marks.registered.position,
        version.model,
        version.number,
        version.label,
        version.model_id,
        version.model_id.casefold(),
        live,
        version.stage,
        version.kind,
        version.owner,
        view["created_at"],
        view["last_updated"],
        marks.touched.position,
        marks.deploy and marks.deploy.position,
        marks.rollback and marks.rollback.position,
        version.purged,
        record,
        _encode(view) if live else b"",
    )


class TagRow(NamedTuple):
    """A row of `tags`."""

    key: str
    value: str
    sequence: int


class SourceRow(NamedTuple):
    """A row of `sources`."""

    sequence: int
    uri: str
    run_id: str


class BuiltOnRow(NamedTuple):
    """A row of `built_on`."""

    base: int
    sequence: int


class OriginRow(NamedTuple):
    """A row of `origins`."""

    kind: str
    value: str
    sequence: int


class ModelTagRow(NamedTuple):
    """A row of `model_tags`."""

    key: str
    value: str
    model: str


class MetricRow(NamedTuple):
    """A row of `metrics`."""

    key: str
    value: float
    sequence: int


class AliasRow(NamedTuple):
    """A row of `aliases`."""

    model: str
    alias: str
    number: int


class FileRow(NamedTuple):
    """A row of `files`."""

    model: str
    number: int
    path: str
    size: int
    sha256: str


class EnvironmentRow(NamedTuple):
    """A row of `environments`."""

    name: str
    rank: int
    touched: int
    record: bytes


class DeploymentRow(NamedTuple):
    """A row of `deployments`."""

    environment: str
    model: str
    number: int | None
    declared: int
    record: bytes


def tag_rows(version: Version, sequence: int) -> Iterator[TagRow]:
    """The rows of a version's tags."""
    return (TagRow(key, value, sequence) for key, value in version.tags.items())


def source_rows(version: Version, sequence: int) -> Iterator[SourceRow]:
    """The row of what a version says of its source, if it says that."""
    said = version.source or {}
    uri, run_id = said.get("uri", ""), said.get("run_id", "")
    if uri or run_id:
        yield SourceRow(sequence, uri, run_id)


def origin_rows(version: Version, sequence: int) -> Iterator[OriginRow]:
    """The rows of what a version says it was made from, but for versions that are here.

    Words of more than 300 characters are no name that anybody would ask for.
    """
    said: set[tuple[str, str | None]] = set()
    for base in version.bases:
        said |= {("base-sha256", base.get("digest")), ("base-uri", base.get("uri"))}
        if place_of(base) is None:
            said.add(("ref", base.get("ref")))
    for data in data_sets(version):
        said |= {(f"data-{word}", data.get(word)) for word in ("sha256", "name", "uri", "digest")}
    for kind, value in said:
        if value and len(value) <= MAX_ORIGIN:
            yield OriginRow(kind, value, sequence)


def base_places(version: Version) -> list[tuple[str, int]]:
    """Model and number of the versions here that it was made from, by the names of that time."""
    return list(dict.fromkeys(filter(None, map(place_of, version.bases))))


def metric_rows(version: Version, sequence: int) -> Iterator[MetricRow]:
    """The rows of a version's metrics."""
    return (MetricRow(key, float(value), sequence) for key, value in version.metrics.items())


def model_tag_rows(model: Model) -> Iterator[ModelTagRow]:
    """The rows of a model's tags."""
    return (ModelTagRow(key, value, model.name) for key, value in model.tags.items())


def alias_rows(model: Model) -> Iterator[AliasRow]:
    """The rows of a model's aliases."""
    return (AliasRow(model.name, alias, number) for alias, number in model.aliases.items())


def file_row(model: str, number: int, file: Artifact) -> FileRow:
    """The row of one file."""
    return FileRow(model, number, file.path, file.size, file.sha256)


def by_rank(places: Sequence[tuple[str, int]]) -> list[str]:
    """Names of (name, rank) by falling rank; those of one rank by name."""
    return [name for name, _ in sorted(places, key=lambda place: (-place[1], place[0]))]


# ------------------------------------------------------------ records, decoded


def _decoded(record: bytes) -> dict[str, Json]:
    try:
        return _decoder.decode(record)
    except msgspec.DecodeError:
        return codec.decode(record)  # raises what callers know, if it is no record


def model_of(record: bytes) -> Model:
    """The model that a `model.json` says."""
    return codec.model_from_dict(_decoded(record))


def version_of(record: bytes) -> Version:
    """The version that a `version.json` says, without files."""
    return codec.version_from_dict(_decoded(record))


def with_files(record: bytes, files: Sequence[Artifact]) -> Version:
    """The version that a `version.json` says, with its files."""
    version = version_of(record)
    return replace(version, files=tuple(files)) if files else version


@lru_cache(maxsize=256)
def environment_of(record: bytes) -> Environment:
    """The environment that a record says."""
    return codec.environment_from_dict(_decoded(record))


def deployment_of(record: bytes) -> Deployment:
    """The deployment that a record says."""
    return codec.deployment_from_dict(_decoded(record))


INSERT_MODEL = inserting(tables.models, ModelRow._fields)
INSERT_VERSION = inserting(tables.versions, VersionRow._fields)
INSERT_TAG = inserting(tables.tags, TagRow._fields)
INSERT_BUILT_ON = inserting(tables.built_on, BuiltOnRow._fields)
INSERT_ORIGIN = inserting(tables.origins, OriginRow._fields)
INSERT_SOURCE = inserting(tables.sources, SourceRow._fields)
INSERT_MODEL_TAG = inserting(tables.model_tags, ModelTagRow._fields)
INSERT_METRIC = inserting(tables.metrics, MetricRow._fields)
INSERT_ALIAS = inserting(tables.aliases, AliasRow._fields)
INSERT_FILE = inserting(tables.files, FileRow._fields)
INSERT_ENVIRONMENT = inserting(tables.environments, EnvironmentRow._fields)
INSERT_DEPLOYMENT = inserting(tables.deployments, DeploymentRow._fields)


class DocumentRow(NamedTuple):
    """A row of `documents`."""

    path: str
    touched: int
    record: bytes


INSERT_DOCUMENT = inserting(tables.documents, DocumentRow._fields)
