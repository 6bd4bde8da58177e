"""What the log says, as rows and marks: computed from entries only, whatever the tree holds.

Following along and rebuilding call the same functions, in the order of the log.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from muster.domain.messages import Entry, moved_from, moved_line, rfc3339
from muster.domain.views import Times
from muster.index import tables
from muster.index.database import Row, inserting
from muster.service.values import Logged

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MODEL_ITSELF = frozenset({"create-model", "update-model", "rename", "register", "delete", "delete-model"})
TOUCHES_MODEL = _MODEL_ITSELF | {"tag-model", "alias"}
UPDATES_MODEL = _MODEL_ITSELF | {"stage", "deploy", "rollback", "undeploy"}  # what moves its versions, too


def microseconds(time: datetime) -> int:
    """`time` as whole microseconds since 1970."""
    return (time - _EPOCH) // _MICROSECOND


def moment(time_us: int) -> datetime:
    """The reverse of `microseconds`, in UTC."""
    return _EPOCH + timedelta(microseconds=time_us)


class ChangeRow(NamedTuple):
    """A row of `changes`."""

    position: int
    commit_id: str | None
    time_us: int
    kind: str
    subject: str
    reason: str
    actor: str
    auth: str
    model: str | None
    number: int | None
    environment: str | None
    also: str
    deployed: str | None
    request_key: str | None
    request_digest: str | None
    observed: str | None
    instance: str | None
    digest: str | None
    renamed: str | None
    records: str
    proposal: str | None
    mark: str | None
    moved: str


def change_row(position: int, commit: str | None, entry: Entry) -> ChangeRow:
    """The row of one change."""
    key, request_digest = entry.request or (None, None)
    return ChangeRow(
        position,
        commit,
        microseconds(entry.time),
        entry.kind,
        entry.subject,
        entry.reason,
        entry.actor,
        entry.auth,
        entry.model,
        entry.number,
        entry.environment,
        ",".join(map(str, entry.also)),
        entry.deployed,
        key,
        request_digest,
        entry.observed,
        entry.instance,
        entry.digest,
        entry.renamed,
        "\n".join(entry.records),
        entry.proposal,
        entry.mark,
        "\n".join(map(moved_line, entry.moved)),
    )


def logged(row: Row) -> Logged:
    """The reverse of `change_row`; `commit` is "" while the batch is not sealed."""
    change = ChangeRow._make(row)
    request = None
    if change.request_key is not None and change.request_digest is not None:
        request = (change.request_key, change.request_digest)
    return Logged(
        change.position,
        change.commit_id or "",
        Entry(
            kind=change.kind,
            subject=change.subject,
            reason=change.reason,
            actor=change.actor,
            auth=change.auth,
            time=moment(change.time_us),
            model=change.model,
            number=change.number,
            environment=change.environment,
            also=tuple(map(int, change.also.split(","))) if change.also else (),
            deployed=change.deployed,
            request=request,
            observed=change.observed,
            instance=change.instance,
            digest=change.digest,
            renamed=change.renamed,
            records=tuple(change.records.split("\n")) if change.records else (),
            proposal=change.proposal,
            mark=change.mark,
            moved=tuple(map(moved_from, change.moved.split("\n"))) if change.moved else (),
        ),
    )


def answer(row: Row) -> tuple[str, Logged] | None:
    """The digest of the request and the change that answered it, of a row with an idempotency key."""
    found = logged(row)
    return (found.entry.request[1], found) if found.entry.request else None


class TouchRow(NamedTuple):
    """A row of `touches`."""

    model: str
    number: int
    position: int
    kind: str
    own: bool
    record: bool


def touch_rows(position: int, entry: Entry) -> list[TouchRow]:
    """One row for each version that `entry` names."""
    if entry.model is None:
        return []
    numbers = dict.fromkeys((entry.number, *entry.also)) if entry.also else (entry.number,)
    return [
        TouchRow(entry.model, number, position, entry.kind, number == entry.number, entry.touches_record)
        for number in numbers
        if number is not None
    ]


class PlacementRow(NamedTuple):
    """A row of `placements`."""

    environment: str
    model: str
    position: int
    number: int | None


def placement_row(position: int, entry: Entry) -> PlacementRow | None:
    """What `entry` declares to run, if it declares anything."""
    if entry.deployed is None or entry.environment is None or entry.model is None:
        return None
    number = None if entry.deployed == "none" else int(entry.deployed)
    return PlacementRow(entry.environment, entry.model, position, number)


class MoveRow(NamedTuple):
    """A row of `moves`."""

    model: str
    position: int
    line: str


def move_rows(position: int, entry: Entry) -> list[MoveRow]:
    """One row for each model that `entry` moves at once with others."""
    return [MoveRow(each.model, position, moved_line(each)) for each in entry.moved]


class RecordTouchRow(NamedTuple):
    """A row of `record_touches`."""

    path: str
    position: int


def record_touch_rows(position: int, entry: Entry) -> list[RecordTouchRow]:
    """One row for each of the smaller records that `entry` names."""
    return [RecordTouchRow(path, position) for path in entry.records]


class Mark(NamedTuple):
    """A place in the log, its time as a record shows it, and whether an import did what is there."""

    position: int
    time: str
    by_import: bool = False


class Marks(NamedTuple):
    """What the log says of a version: its first and last change, deploy and rollback."""

    registered: Mark
    touched: Mark
    deploy: Mark | None = None
    rollback: Mark | None = None

    @property
    def times(self) -> Times:
        """The times as the record shows them."""
        return Times(
            self.registered.time,
            self.touched.time,
            self.deploy and self.deploy.time,
            self.rollback and self.rollback.time,
            self.touched.by_import,
        )


def mark_of(position: int, entry: Entry) -> Mark:
    """The mark of the entry that is there."""
    return Mark(position, rfc3339(entry.time), entry.auth == "import")


def marks_after(before: Marks | None, mark: Mark, entry: Entry, own: bool) -> Marks | None:
    """The marks of a version that `entry` names (`own`: first of all), after it."""
    if not entry.touches_record:
        return before
    if before is None:
        return Marks(mark, mark)
    if own and entry.kind == "deploy":
        return before._replace(touched=mark, deploy=mark)
    if own and entry.kind == "rollback":
        return before._replace(touched=mark, rollback=mark)
    return before._replace(touched=mark)


class ModelMarks(NamedTuple):
    """What the log says of a model: when it was made, and last changed, as positions.

    `updated` is the last change of what it is and of its versions' stages, but not of tags and aliases.
    """

    live: bool
    created: int
    touched: int
    updated: int


def model_marks_after(before: ModelMarks | None, position: int, kind: str) -> ModelMarks | None:
    """The marks of a model that a change of `kind` names, after it."""
    if kind not in TOUCHES_MODEL and (before is None or kind not in UPDATES_MODEL):
        return before
    touched = position if before is None or kind in TOUCHES_MODEL else before.touched
    updated = position if before is None or kind in UPDATES_MODEL else before.updated
    again = before is not None and before.live
    created = before.created if before is not None and again else position
    return ModelMarks(kind != "delete-model", created, touched, updated)


def environment_touched_after(before: int | None, position: int, kind: str) -> int:
    """The position that touched an environment last; those that came with the repository: its first."""
    if kind in ("environment", "delete-environment"):
        return position
    return 1 if before is None else before


INSERT_CHANGE = inserting(tables.changes, ChangeRow._fields)
INSERT_TOUCH = inserting(tables.touches, TouchRow._fields)
INSERT_RECORD_TOUCH = inserting(tables.record_touches, RecordTouchRow._fields)
INSERT_MOVE = inserting(tables.moves, MoveRow._fields)
INSERT_PLACEMENT = inserting(tables.placements, PlacementRow._fields)
