"""One change → rows, inside the one write transaction."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from muster.domain.errors import Unavailable
from muster.domain.messages import Entry, rfc3339
from muster.domain.records import Version
from muster.index import statements as s
from muster.index.database import Row, Values, translated
from muster.index.entries import (
    INSERT_CHANGE,
    INSERT_MOVE,
    INSERT_PLACEMENT,
    INSERT_RECORD_TOUCH,
    INSERT_TOUCH,
    ChangeRow,
    Mark,
    Marks,
    ModelMarks,
    answer,
    change_row,
    environment_touched_after,
    mark_of,
    marks_after,
    model_marks_after,
    moment,
    move_rows,
    placement_row,
    record_touch_rows,
    touch_rows,
)
from muster.index.paths import Edits, parted
from muster.index.rows import (
    INSERT_ALIAS,
    INSERT_BUILT_ON,
    INSERT_DEPLOYMENT,
    INSERT_DOCUMENT,
    INSERT_ENVIRONMENT,
    INSERT_FILE,
    INSERT_METRIC,
    INSERT_MODEL,
    INSERT_MODEL_TAG,
    INSERT_ORIGIN,
    INSERT_SOURCE,
    INSERT_TAG,
    INSERT_VERSION,
    BuiltOnRow,
    DeploymentRow,
    DocumentRow,
    EnvironmentRow,
    alias_rows,
    base_places,
    by_rank,
    deployment_of,
    environment_of,
    file_row,
    metric_rows,
    model_of,
    model_row,
    model_tag_rows,
    origin_rows,
    source_rows,
    tag_rows,
    version_of,
    version_row,
    with_files,
)
from muster.index.snapshot import SqlSnapshot
from muster.index.texts import MODEL_TEXT, VERSION_TEXT
from muster.service.values import Logged

_Version = tuple[str, int]
Rows = defaultdict[str, list[Values]]
"""INSERT statements → their rows."""


class SqlTransaction(SqlSnapshot):
    """The `Transaction` on a connection that has begun one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        row = self._one(s.NEWEST)
        self._position: int = row[0] if row else 0
        self._time_us: int | None = row[1] if row else None
        self._unsealed = 0
        # Kept back until `seal`, for nobody asks for them while a batch is planned: one
        # statement a batch costs a fraction of one a change. `_flush` is for who does ask.
        self._changes: list[ChangeRow] = []
        self._rows: Rows = defaultdict(list)
        self._flushed: tuple[list[ChangeRow], Rows] | None = None  # within the present savepoint

    # --------------------------------------------------------- the log

    def head(self) -> str | None:
        row = self._one(s.HEAD)
        return row[0] if row else None

    def last_time(self) -> datetime | None:
        return None if self._time_us is None else moment(self._time_us)

    def answered(self, key: str) -> tuple[str, Logged] | None:
        row: Row | None = next(
            (change for change in reversed(self._changes) if change.request_key == key), None
        )
        row = row or self._one(s.ANSWERED, {"key": key})
        return answer(row) if row else None

    def seal(self, commits: Sequence[str]) -> None:
        if len(commits) != self._unsealed:
            raise ValueError(f"{len(commits)} commits for {self._unsealed} changes")
        if not commits:
            return
        written = len(commits) - len(self._changes)
        first = self._position - self._unsealed + 1
        self._each(s.SEAL, [{"commit": c, "at": first + i} for i, c in enumerate(commits[:written])])
        sealed = zip(self._changes, commits[written:], strict=True)
        self._changes = [change._replace(commit_id=commit) for change, commit in sealed]
        self._flush()
        self._do(s.SET_HEAD, {"head": commits[-1]})
        self._unsealed = 0

    def _flush(self) -> None:
        """Write what was kept back."""
        if self._flushed is None:
            self._flushed = (self._changes, self._rows)
        self._each(INSERT_CHANGE, self._changes)
        for statement, rows in self._rows.items():
            self._each(statement, rows)
        self._changes, self._rows = [], defaultdict(list)

    @property
    def sealed(self) -> bool:
        """Whether every change has its commit, so that the transaction may be committed."""
        return self._unsealed == 0

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        self._check_open()
        before = (self._position, self._time_us, self._unsealed)
        kept = len(self._changes), {statement: len(rows) for statement, rows in self._rows.items()}
        self._flushed = None
        self._do("SAVEPOINT change")
        try:
            yield
        except BaseException:
            self._position, self._time_us, self._unsealed = before
            self._keep_back(*kept)
            if self._connection.in_transaction:  # a full disk has undone it all already
                self._do("ROLLBACK TO change")
                self._do("RELEASE change")
            raise
        self._do("RELEASE change")

    def _keep_back(self, changes: int, rows: Mapping[str, int]) -> None:
        """Keep back what was kept back when the savepoint began, be it that it was written since."""
        held, others = self._flushed or (self._changes, self._rows)
        self._changes = held[:changes]
        self._rows = defaultdict(list, {each: others[each][:count] for each, count in rows.items()})

    # --------------------------------------------------------- projecting

    def project(self, entry: Entry, edits: Mapping[str, bytes | None]) -> int:
        self._check_open()
        parts = parted(entry, edits)
        position = self._position + 1
        change = change_row(position, None, entry)
        self._changes.append(change)
        self._position, self._time_us, self._unsealed = position, change.time_us, self._unsealed + 1

        self._rows[INSERT_MOVE] += move_rows(position, entry)
        for part, found in parts:
            self._project(part, found, position)
        return position

    def _project(self, entry: Entry, found: Edits, position: int) -> None:
        if entry.renamed is not None:
            self._rename(entry.renamed, found)
        touches = touch_rows(position, entry)
        self._rows[INSERT_TOUCH] += touches
        stale: dict[_Version, None] = {(t.model, t.number): None for t in touches if entry.touches_record}
        self._rows[INSERT_RECORD_TOUCH] += record_touch_rows(position, entry)
        self._documents(found)
        self._environments(entry, found)
        self._deployments(entry, found, stale)
        if entry.model is not None:
            self._model(entry.model, entry, found)
            for number in found.files:
                self._files(entry.model, number, found)
                stale[entry.model, number] = None
            for number in found.versions:
                stale[entry.model, number] = None
        for model, number in stale:
            self._version(model, number, entry, found)

    def _rename(self, before: str, found: Edits) -> None:
        """Have all rows of the model `before` say its new name; the records follow."""
        self._flush()
        if found.model is None:
            raise ValueError("a renamed model without its record")
        name = model_of(found.model).name
        for each in (name, before):  # what is left of a deleted model, if anything is; and this one
            if (row := self._one(s.MODEL_ROW, {"model": each})) is not None:
                self._do(MODEL_TEXT.delete, (row[1], each.casefold()))
                if each == before:
                    self._rows[MODEL_TEXT.add].append((row[1], name.casefold()))
        for statement in s.RENAME:
            self._do(statement, {"before": before, "model": name, "folded": name.casefold()})
        for number, sequence, folded in self._all(s.NAMED, {"model": name}):
            version = version_of(found.versions[number])
            renamed = {"model_id": version.model_id, "folded": version.model_id.casefold()}
            self._do(VERSION_TEXT.delete, (sequence, folded))
            self._do(s.RENAME_VERSION, {"at": sequence, **renamed})
            self._rows[VERSION_TEXT.add].append((sequence, renamed["folded"]))

    def _documents(self, found: Edits) -> None:
        for path, record in found.documents.items():
            self._do(s.DELETE_DOCUMENT, (path,))
            if record is not None:
                self._do(INSERT_DOCUMENT, DocumentRow(path, self._position, record))

    def _environments(self, entry: Entry, found: Edits) -> None:
        for name, record in found.environments.items():
            row = self._one(s.ENVIRONMENT_ROW, {"environment": name})
            touched = environment_touched_after(row[0] if row else None, self._position, entry.kind)
            self._do(s.DELETE_ENVIRONMENT, {"environment": name})
            if record is None:
                self._do(s.DELETE_DEPLOYMENTS_IN, {"environment": name})
            else:
                self._do(
                    INSERT_ENVIRONMENT, EnvironmentRow(name, environment_of(record).rank, touched, record)
                )

    def _deployments(self, entry: Entry, found: Edits, stale: dict[_Version, None]) -> None:
        placement = placement_row(self._position, entry)
        if placement is not None:
            self._rows[INSERT_PLACEMENT].append(placement)
            self._do(s.ADD_PLACE, {"environment": placement.environment, "model": placement.model})
        for environment, record in found.deployments.items():
            key = {"environment": environment, "model": entry.model}
            row = self._one(s.DEPLOYMENT_ROW, key)
            declared = row[1] if row else self._position
            if placement is not None and placement.environment == environment:
                declared = self._position
            numbers = {row[0]} if row else set()
            self._do(s.DELETE_DEPLOYMENT, key)
            if record is not None:
                deployment = deployment_of(record)
                numbers.add(deployment.version)
                self._do(
                    INSERT_DEPLOYMENT,
                    DeploymentRow(environment, deployment.model, deployment.version, declared, record),
                )
            for number in numbers - {None}:
                stale[str(entry.model), number] = None

    def _model(self, name: str, entry: Entry, found: Edits) -> None:
        row = self._one(s.MODEL_ROW, {"model": name})
        before = ModelMarks(bool(row[0]), *row[1:4]) if row else None
        marks = model_marks_after(before, self._position, entry.kind)
        if marks is None:
            return
        if found.model is None:
            if marks != before:
                self._do(s.TOUCH_MODEL, {"model": name, "touched": marks.touched, "updated": marks.updated})
            return
        model = model_of(found.model)
        old = model_of(row[4]) if row else None
        written = model_row(model, found.model, marks)
        if before is None:
            self._do(INSERT_MODEL, written)
        else:
            self._do(s.UPDATE_MODEL, written._asdict())
        if before is None or before.created != marks.created:
            if before is not None:  # it was deleted, and is made anew
                self._flush()
                self._do(MODEL_TEXT.delete, (before.created, written.folded))
            self._rows[MODEL_TEXT.add].append((marks.created, written.folded))
        if old is None or old.tags != model.tags:
            self._each(s.DELETE_MODEL_TAG, list(model_tag_rows(old)) if old else [])
            self._each(INSERT_MODEL_TAG, list(model_tag_rows(model)))
        if old is None or old.aliases != model.aliases:
            self._do(s.DELETE_ALIASES, {"model": name})
            self._each(INSERT_ALIAS, list(alias_rows(model)))

    def _files(self, model: str, number: int, found: Edits) -> None:
        for path, artifact in found.files[number].items():
            self._do(s.DELETE_FILE, {"model": model, "number": number, "path": path})
            if artifact is not None:
                self._do(INSERT_FILE, file_row(model, number, artifact))

    def _version(self, model: str, number: int, entry: Entry, found: Edits) -> None:
        """Write the row of a version anew: its record, its files, marks or places changed."""
        record = found.versions.get(number) if model == entry.model else None
        key = {"model": model, "number": number}
        row = self._one(s.VERSION_ROW, key)
        marks = self._marks(row) if row else None
        if model == entry.model and number in (entry.number, *entry.also):
            mark = mark_of(self._position, entry)
            marks = marks_after(marks, mark, entry, own=number == entry.number)
        if marks is None or (row is None and record is None):
            return
        old = version_of(row[0]) if row else None
        data: bytes = row[0] if record is None and row else record or b""
        files = self.files(model, number) if row or number in found.files else ()
        version = with_files(data, files)
        written = version_row(version, data, marks, self._places(model, number) if row else ())
        if row is None:
            self._do(INSERT_VERSION, written)
            self._rows[VERSION_TEXT.add].append((written.sequence, written.folded))
        else:
            self._do(s.UPDATE_VERSION, written._asdict())
        if record is not None:
            self._tags(old, version, written.sequence)

    def _tags(self, old: Version | None, version: Version, sequence: int) -> None:
        if old is None or old.tags != version.tags:
            if old is not None:
                self._flush()
                self._each(s.DELETE_TAG, list(tag_rows(old, sequence)))
            self._rows[INSERT_TAG] += tag_rows(version, sequence)
        if old is None or old.source != version.source:
            if old is not None:
                self._flush()
                self._each(s.DELETE_SOURCE, list(source_rows(old, sequence)))
            self._rows[INSERT_SOURCE] += source_rows(version, sequence)
        self._origins(old, version, sequence)
        if old is None or old.metrics != version.metrics:
            if old is not None:
                self._flush()
                self._each(s.DELETE_METRIC, list(metric_rows(old, sequence)))
            self._rows[INSERT_METRIC] += metric_rows(version, sequence)

    def _origins(self, old: Version | None, version: Version, sequence: int) -> None:
        if old is None:  # bases never change
            for model, number in base_places(version):
                if (base := self._one(s.SEQUENCE, {"model": model, "number": number})) is not None:
                    self._rows[INSERT_BUILT_ON].append(BuiltOnRow(base[0], sequence))
        elif old.training_data == version.training_data:
            return
        else:
            self._flush()
            self._each(s.DELETE_ORIGIN, list(origin_rows(old, sequence)))
        self._rows[INSERT_ORIGIN] += origin_rows(version, sequence)

    def _marks(self, row: Row) -> Marks:
        """The marks in a row of `VERSION_ROW`: four positions, their four times, and who touched it how."""
        _, *positions = row[:5]
        marks = [
            None if position is None else self._mark(position, time_us, row[9])
            for position, time_us in zip(positions, row[5:9], strict=True)
        ]
        registered, touched, deploy, rollback = marks
        if registered is None or touched is None:
            raise ValueError("a version without its change")
        return Marks(registered, touched, deploy, rollback)

    def _mark(self, position: int, time_us: int | None, auth: str) -> Mark:
        """The mark of the change there; its time and `auth` are given if it is written."""
        if time_us is None:
            change = self._changes[position - self._changes[0].position]
            time_us, auth = change.time_us, change.auth
        return Mark(position, rfc3339(moment(time_us)), auth == "import")

    def _places(self, model: str, number: int) -> list[str]:
        return by_rank([(r[0], r[1]) for r in self._all(s.PLACES, {"model": model, "number": number})])

    # --------------------------------------------------------- running

    def _logged(self, statement: str, values: Values) -> list[Row]:
        self._flush()
        return super()._logged(statement, values)

    def _commit(self, statement: str, values: Values) -> str | None:
        self._flush()
        return super()._commit(statement, values)

    def _check_open(self) -> None:
        if not self._connection.in_transaction:
            # Else what follows would be written outside of any transaction.
            raise Unavailable("the index undid the transaction after an earlier error; try again")

    def _do(self, statement: str, values: Values = ()) -> None:
        try:
            self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise translated(error) from error

    def _each(self, statement: str, rows: Sequence[Values]) -> None:
        if not rows:
            return
        try:
            self._connection.executemany(statement, rows)
        except sqlite3.Error as error:
            raise translated(error) from error
