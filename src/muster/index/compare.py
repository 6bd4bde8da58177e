"""Whether two indexes say the same: the proof that one has not drifted from Git."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from sqlalchemy import Table, select

from muster.index.database import Row, is_damage, sql
from muster.index.tables import metadata
from muster.index.texts import TEXTS


def differences(ours: sqlite3.Connection, theirs: sqlite3.Connection) -> list[str]:
    """A sentence for each table in which two indexes differ, inside write transactions of both."""
    found = [line for table in metadata.sorted_tables if (line := _differing(table, ours, theirs))]
    for text in TEXTS:
        try:
            ours.execute(text.check)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            found.append(f"the text index does not fit the {text.table} that it is of")
    return found


def _differing(table: Table, ours: sqlite3.Connection, theirs: sqlite3.Connection) -> str:
    """What differs in `table`, "" if nothing does."""
    statement = sql(select(*table.primary_key, *table.c).order_by(*table.primary_key))
    width = len(table.primary_key)
    count, first = 0, ""
    for key in _differing_keys(ours.execute(statement), theirs.execute(statement), width):
        count += 1
        first = first or ", ".join(map(str, key))
    return f"{count} of {table.name} differ, first {first}" if count else ""


def _differing_keys(ours: Iterator[Row], theirs: Iterator[Row], width: int) -> Iterator[Row]:
    """Keys of the rows that only one has, or that differ; both come in the order of their keys."""
    our, their = next(ours, None), next(theirs, None)
    while our is not None or their is not None:
        if our == their:
            our, their = next(ours, None), next(theirs, None)
        elif their is None or (our is not None and our[:width] < their[:width]):
            yield (our or ())[:width]
            our = next(ours, None)
        elif our is None or their[:width] < our[:width]:
            yield their[:width]
            their = next(theirs, None)
        else:
            yield our[:width]
            our, their = next(ours, None), next(theirs, None)
