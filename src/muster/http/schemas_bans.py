"""What goes over the wire about bans, retractions, purges and uses, for OpenAPI."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from muster.http.schemas import Body, FileRecord, Text, VersionRecord
from muster.http.schemas_deployed import OperationRecord

Why = Annotated[str, Meta(min_length=1, max_length=4_000, description="Why; it becomes the commit's body")]
Of = Annotated[Text, Meta(description="A version by any reference, or sha256:… of a file")]


class NewBan(Body):
    of: Of
    reason: Why
    undeploy: Annotated[bool | None, Meta(description="Take it out of service wherever it is deployed")] = (
        None
    )


class NewRetraction(Body):
    of: Annotated[Text, Meta(description="sha256:… of the data, or its name")]
    reason: Why


class NewPurge(Body):
    reason: Why


class Reached(Struct):
    model_id: str
    name: str
    version: str
    number: int


class ReachedPlace(Reached, kw_only=True):
    environment: str


class NotUndeployed(Struct):
    environment: str
    name: str
    code: str
    message: str


class BanRecord(Struct):
    """What is banned or retracted, and what that comes to: at most 100 of its `count` versions."""

    of: str
    reason: str
    by: str
    since: str
    commit: str
    versions: list[Reached]
    count: int
    runs_in: list[ReachedPlace]
    built_on_it: int
    operations: list[OperationRecord] | UnsetType = UNSET
    not_undeployed: list[NotUndeployed] | UnsetType = UNSET


class BanRecords(Struct):
    items: list[BanRecord]
    count: int
    next: str | None


class Kept(Struct):
    path: str
    why: str


class Purged(Struct):
    """The version, which of its files were removed, and which were not because something else uses them."""

    version: VersionRecord
    removed: list[FileRecord]
    kept: list[Kept]


class RanRecord(Struct):
    """That it was declared to run from a time on until another; `to` is null while it is."""

    environment: str
    from_: str = field(name="from")
    by: str
    reason: str
    commit: str
    to: str | None
    ended_by: str | None


class UseRecord(Struct):
    """A version that was made of it: at which remove, through which of its bases, and where it ran."""

    model_id: str
    name: str
    version: str
    number: int
    relation: str
    remove: int
    through: str | None
    deleted: bool
    purged: bool
    deployed_in: list[str]
    ran: list[RanRecord]


class UseRecords(Struct):
    items: list[UseRecord]
    count: int
    next: str | None
