"""What goes over the wire about past moments, for OpenAPI."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from muster.http.schemas import Change


class ServedFile(Struct):
    path: str
    sha256: str
    size: int


class Seen(Struct):
    """What was last seen of an instance up to the moment."""

    state: str | None
    number: int | None
    instance: str | None
    digest: str | None
    time: str
    commit: str


class ServedVersion(Struct):
    environment: str
    model: str
    model_id: str
    version: str
    number: int
    recorded: bool
    files: list[ServedFile]
    by: Annotated[Change, Meta(description="The change that declared it: who, when, why")]
    approvals: Annotated[list[Any], Meta(description="Of the proposal that it carried out")]
    observed: list[Seen]


class ServedThen(Struct):
    """`at` is the time of the newest change at or before the moment that was asked for."""

    model: str
    at: str
    commit: str
    items: list[ServedVersion]
    count: int


class BlameRecord(Struct):
    """The last change of each field; null where that is further back than is looked."""

    fields: dict[str, Change | None]
    values: dict[str, Any]
