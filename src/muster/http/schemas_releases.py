"""What goes over the wire about releases, for OpenAPI."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from muster.http.schemas import Body, Config, Reason, Text

Part = Annotated[Text, Meta(description="A version by any reference")]


class ReleasedVersion(Body):
    ref: Part
    config: Config | None = None


class NewRelease(Body):
    environment: Text
    versions: Annotated[list[Part | ReleasedVersion], Meta(min_length=1, max_length=50)]
    reason: Reason | None = None


class ReleaseBackRequest(Body):
    """With `empty` a model may be left with nothing deployed, as it was before the release."""

    empty: bool | None = None
    reason: Reason | None = None


class Replaced(Struct):
    version: int
    config: dict[str, Any]


class ReleasePartRecord(Struct):
    model: str
    version: int
    config: dict[str, Any]
    replaced: Replaced | None


class ReleaseRecord(Struct):
    """Versions of several models that were put into an environment at once."""

    id: str
    environment: str
    state: str
    parts: list[ReleasePartRecord]
    by: dict[str, Any]
    taken_back: dict[str, Any] | None


class ReleaseRecords(Struct):
    items: list[ReleaseRecord]
    count: int
    next: str | None
