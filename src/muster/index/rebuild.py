"""All rows from nothing: one pass over the log, one over the tree.

Each table is filled in the order of its key and indexed afterwards, which halves
the time and the bytes written. What the rows hold is computed by the same
functions as when following.
"""

from __future__ import annotations

import gc
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

from muster.domain.documents import is_document
from muster.domain.messages import Entry
from muster.domain.records import Artifact, Version
from muster.index import statements, tables
from muster.index.database import Row, create_indexes, create_tables, inserting
from muster.index.entries import (
    INSERT_CHANGE,
    INSERT_MOVE,
    INSERT_PLACEMENT,
    INSERT_RECORD_TOUCH,
    INSERT_TOUCH,
    Marks,
    ModelMarks,
    MoveRow,
    PlacementRow,
    RecordTouchRow,
    TouchRow,
    change_row,
    environment_touched_after,
    mark_of,
    marks_after,
    model_marks_after,
    move_rows,
    placement_row,
    record_touch_rows,
    touch_rows,
)
from muster.index.paths import artifact
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
    VersionRow,
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
    version_row,
    with_files,
)
from muster.index.texts import TEXTS

_CHUNK = 2000  # rows held in memory before they are inserted
_OF_THE_LOG = {
    tables.changes,
    tables.touches,
    tables.record_touches,
    tables.moves,
    tables.placements,
    tables.places,
}
_INSERT_PLACE = inserting(tables.places, ("environment", "model"))

_KEYS: dict[str, Callable[[Row], Any]] = {
    INSERT_TAG: itemgetter(0, 1, 2),
    INSERT_METRIC: itemgetter(0, 1, 2),
    INSERT_SOURCE: itemgetter(0),
    INSERT_BUILT_ON: itemgetter(0, 1),
    INSERT_ORIGIN: itemgetter(0, 1, 2),
    INSERT_FILE: itemgetter(0, 1, 2),
    INSERT_MODEL: itemgetter(0),
    INSERT_MODEL_TAG: itemgetter(0, 1, 2),
    INSERT_ALIAS: itemgetter(0, 1),
    INSERT_ENVIRONMENT: itemgetter(0),
    INSERT_DEPLOYMENT: itemgetter(0, 1),
    INSERT_DOCUMENT: itemgetter(0),
}


@dataclass(slots=True)
class _Log:
    """What the log says, gathered for the pass over the tree."""

    versions: dict[tuple[str, int], Marks] = field(default_factory=dict)
    models: dict[str, ModelMarks] = field(default_factory=dict)
    environments: dict[str, int] = field(default_factory=dict)
    declared: dict[tuple[str, str], int] = field(default_factory=dict)
    touches: list[TouchRow] = field(default_factory=list)
    record_touches: list[RecordTouchRow] = field(default_factory=list)
    documents: dict[str, int] = field(default_factory=dict)
    moves: list[MoveRow] = field(default_factory=list)
    placements: list[PlacementRow] = field(default_factory=list)
    renames: list[tuple[int, str, str]] = field(default_factory=list)
    numbers: dict[str, list[int]] = field(default_factory=dict)
    head: str | None = None

    def add(self, position: int, commit: str, entry: Entry) -> None:
        """Gather one more entry; they come in the order of the log."""
        self.head = commit
        if entry.environment is not None and entry.kind in ("environment", "delete-environment"):
            self.environments[entry.environment] = environment_touched_after(None, position, entry.kind)
        for record in record_touch_rows(position, entry):
            self.record_touches.append(record)
            self.documents[record.path] = position
        self.moves += move_rows(position, entry)
        for part in entry.each:
            self._add(position, part)

    def _add(self, position: int, entry: Entry) -> None:
        """Gather what it says of its model, if it is about one."""
        if entry.model is None:
            return
        if entry.renamed is not None:
            self._rename(position, entry.renamed, entry.model)
        mark = mark_of(position, entry)
        for touch in touch_rows(position, entry):
            self.touches.append(touch)
            key = (touch.model, touch.number)
            marks = marks_after(self.versions.get(key), mark, entry, touch.own)
            if marks is not None:
                if key not in self.versions:
                    self.numbers.setdefault(touch.model, []).append(touch.number)
                self.versions[key] = marks
        placement = placement_row(position, entry)
        if placement is not None:
            self.placements.append(placement)
            self.declared[placement.environment, placement.model] = position
        model = model_marks_after(self.models.get(entry.model), position, entry.kind)
        if model is not None:
            self.models[entry.model] = model

    def _rename(self, position: int, before: str, name: str) -> None:
        self.renames.append((position, before, name))
        self.numbers[name] = self.numbers.pop(before, [])
        for number in self.numbers[name]:
            self.versions[name, number] = self.versions.pop((before, number))
        self.models[name] = self.models.pop(before)

    def named_now(self) -> list[TouchRow]:
        """The touches by the names that their models have now, in the order of their key."""
        renamed = {before for _, before, _ in self.renames}
        found = []
        for touch in self.touches:
            if touch.model in renamed:
                touch = touch._replace(model=self.name_now(touch.model, touch.position))
            found.append(touch)
        return sorted(found)

    def name_now(self, name: str, position: int) -> str:
        """The name that the model has now which had `name` at that position."""
        for renamed_at, before, after in self.renames:
            if renamed_at > position and before == name:
                name = after
        return name


def rebuild(
    connection: sqlite3.Connection,
    folder: Path,
    head: str,
    log: Iterable[tuple[str, Entry]],
    tree: Iterable[tuple[str, bytes]],
) -> None:
    """Replace all rows, inside a write transaction. `folder` has room for what waits for its turn.

    Raises:
        ValueError: `head` is not the last of `log`, or the tree does not fit it, or
            is not in the order of Git.
    """
    with _no_collection():
        _fill(connection, folder, head, log, tree)


def _fill(
    connection: sqlite3.Connection,
    folder: Path,
    head: str,
    log: Iterable[tuple[str, Entry]],
    tree: Iterable[tuple[str, bytes]],
) -> None:
    create_tables(connection)
    gathered = _Log()
    connection.executemany(INSERT_CHANGE, _change_rows(log, gathered))
    if gathered.head != head:
        raise ValueError(f"the log ends at {gathered.head}, not at {head}")
    connection.executemany(INSERT_TOUCH, gathered.named_now())
    connection.executemany(INSERT_RECORD_TOUCH, sorted(gathered.record_touches))
    connection.executemany(INSERT_MOVE, sorted(gathered.moves))
    gathered.placements.sort(key=lambda row: row[:3])
    connection.executemany(INSERT_PLACEMENT, gathered.placements)
    connection.executemany(_INSERT_PLACE, sorted(gathered.declared))
    with tempfile.TemporaryFile(dir=folder) as space, ThreadPoolExecutor(1, "rebuild") as beside:
        # Meanwhile the first records are read: SQLite lets go of the interpreter.
        indexed = beside.submit(create_indexes, connection, _OF_THE_LOG)
        _Tree(connection, gathered, space, indexed).fill(tree)
    create_indexes(connection, set(tables.metadata.sorted_tables) - _OF_THE_LOG)
    for text in TEXTS:
        connection.execute(text.rebuild)
    connection.execute(statements.SET_HEAD, {"head": head})


@contextmanager
def _no_collection() -> Iterator[None]:
    """Rows make no cycles; looking for some among hundreds of thousands takes a twentieth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _change_rows(log: Iterable[tuple[str, Entry]], gathered: _Log) -> Iterator[Row]:
    for position, (commit, entry) in enumerate(log, start=1):
        gathered.add(position, commit, entry)
        yield change_row(position, commit, entry)


class _Waiting:
    """Rows of versions, kept until they can be inserted in the order of registration.

    The tree has them in the order of their models' hashes. Records and documents,
    which are most of it, wait in a file: all together they may be gigabytes.
    """

    def __init__(self, space: IO[bytes]) -> None:
        self._space = space
        self._size = 0
        # By sequence: the row but for its last two fields, where they are, how long.
        self._rows: dict[int, tuple[Row, int, int, int]] = {}

    def add(self, row: VersionRow) -> None:
        """Keep one more row."""
        *short, record, document = row
        self._rows[row.sequence] = (tuple(short), self._size, len(record), len(document))
        self._size += self._space.write(record + document)

    def in_order(self) -> Iterator[Row]:
        """All rows, by sequence."""
        self._space.flush()
        for sequence in sorted(self._rows):
            short, offset, record, document = self._rows.pop(sequence)
            data = os.pread(self._space.fileno(), record + document, offset)
            yield (*short, data[:record], data[record:])


class _Tree:
    """The pass over the tree: in Git's order environments come before models, files before their version."""

    def __init__(
        self, connection: sqlite3.Connection, log: _Log, space: IO[bytes], free: Future[None]
    ) -> None:
        """The connection is used once `free` is done."""
        self._connection = connection
        self._free = free
        self._log = log
        self._ranks: dict[str, int] = {}
        self._deployed: dict[tuple[str, int], list[str]] = {}
        self._files: list[Artifact] = []
        self._files_in = ""
        self._waiting = _Waiting(space)
        self._held: dict[str, list[Row]] = {}
        self._count = 0

    def fill(self, tree: Iterable[tuple[str, bytes]]) -> None:
        """Insert the rows of every record in `tree`."""
        for path, data in tree:
            match path.split("/", 6):
                case ["deployments", environment, _, _]:
                    self._deployment(environment, data)
                case ["environments", name]:
                    self._environment(name.removesuffix(".json"), data)
                case ["models", _, _, "model.json"]:
                    self._model(data)
                case ["models", hh, name, "versions", number, "files", inside]:
                    self._file(f"{hh}/{name}/{number}", artifact(inside, data))
                case ["models", hh, name, "versions", number, "version.json"]:
                    self._version(f"{hh}/{name}/{number}", data)
                case _ if is_document(path):
                    self._document(path, data)
        if self._files:
            raise ValueError(f"files without a version in {self._files_in}")
        self._flush()
        self._connection.executemany(INSERT_VERSION, self._waiting.in_order())

    def _built_on(self, version: Version, sequence: int) -> Iterator[BuiltOnRow]:
        for model, number in base_places(version):
            marks = self._log.versions.get((self._log.name_now(model, sequence), number))
            if marks is not None:
                yield BuiltOnRow(marks.registered.position, sequence)

    def _hold(self, statement: str, rows: Iterable[Row]) -> None:
        self._held.setdefault(statement, []).extend(rows)

    def _flush(self) -> None:
        self._free.result()
        for statement, rows in self._held.items():
            rows.sort(key=_KEYS[statement])  # neighbours then share a page
            self._connection.executemany(statement, rows)
        self._held.clear()
        self._count = 0

    def _document(self, path: str, record: bytes) -> None:
        touched = self._log.documents.get(path)
        if touched is None:
            raise ValueError(f"no change wrote {path}")
        self._hold(INSERT_DOCUMENT, [DocumentRow(path, touched, record)])

    def _environment(self, name: str, record: bytes) -> None:
        environment = environment_of(record)
        self._ranks[name] = environment.rank
        row = EnvironmentRow(name, environment.rank, self._log.environments.get(name, 1), record)
        self._hold(INSERT_ENVIRONMENT, [row])

    def _deployment(self, environment: str, record: bytes) -> None:
        found = deployment_of(record)
        declared = self._log.declared.get((environment, found.model))
        if declared is None:
            raise ValueError(f"nobody declared the deployment of {found.model!r} in {environment}")
        row = DeploymentRow(environment, found.model, found.version, declared, record)
        self._hold(INSERT_DEPLOYMENT, [row])
        if found.version is not None:
            self._deployed.setdefault((found.model, found.version), []).append(environment)

    def _model(self, record: bytes) -> None:
        model = model_of(record)
        marks = self._log.models.get(model.name)
        if marks is None:
            raise ValueError(f"no change made the model {model.name!r}")
        self._hold(INSERT_MODEL, [model_row(model, record, marks)])
        self._hold(INSERT_MODEL_TAG, model_tag_rows(model))
        self._hold(INSERT_ALIAS, alias_rows(model))

    def _file(self, where: str, file: Artifact) -> None:
        if self._files and self._files_in != where:
            raise ValueError(f"files without a version in {self._files_in}")
        self._files_in = where
        self._files.append(file)

    def _version(self, where: str, record: bytes) -> None:
        if self._files and self._files_in != where:
            raise ValueError(f"files without a version in {self._files_in}")
        version = with_files(record, self._files)
        marks = self._log.versions.get((version.model, version.number))
        if marks is None:
            raise ValueError(f"no change registered {version.reference}")
        places = self._deployed.get((version.model, version.number), ())
        ranked = [(name, self._ranks[name]) for name in places if name in self._ranks]
        sequence = marks.registered.position
        self._waiting.add(version_row(version, record, marks, by_rank(ranked)))
        self._hold(INSERT_TAG, tag_rows(version, sequence))
        self._hold(INSERT_SOURCE, source_rows(version, sequence))
        self._hold(INSERT_METRIC, metric_rows(version, sequence))
        self._hold(INSERT_ORIGIN, origin_rows(version, sequence))
        self._hold(INSERT_BUILT_ON, self._built_on(version, sequence))
        self._hold(INSERT_FILE, [file_row(version.model, version.number, f) for f in self._files])
        self._files = []
        self._count += 1
        if self._count >= _CHUNK:
            self._flush()
