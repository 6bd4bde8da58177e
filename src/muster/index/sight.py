"""A connection that sees some models only, and nothing that is about others.

SQLite looks for a name in the connection's own temporary schema first: a view there of
a table's name stands before the table, so that every statement reads through it as it
is, lists and counts alike.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from muster.index import tables

_SEEN: Final = "SELECT name FROM temp.seen"
# The log says the names that models had; one that has another name now keeps its past.
_ONCE: Final = """
    WITH RECURSIVE once(name) AS (
        SELECT name FROM temp.seen
        UNION SELECT c.renamed FROM main.changes c JOIN once ON c.model = once.name
        WHERE c.renamed IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM main.models m WHERE m.name = c.renamed AND m.live)
    )
    INSERT OR IGNORE INTO temp.once SELECT name FROM once
"""
_OF_ACCESS: Final = "('begin-access', 'roles', 'team', 'delete-team', 'account')"
_THEN: Final = "(SELECT name FROM temp.once)"
_BY_MODEL: Final = (
    tables.touches,
    tables.placements,
    tables.places,
    tables.model_tags,
    tables.aliases,
    tables.versions,
    tables.files,
    tables.deployments,
)
_BY_SEQUENCE: Final = (tables.tags, tables.sources, tables.metrics, tables.origins)
_VERSIONS: Final = "(SELECT sequence FROM temp.versions)"
# Of what moves several models at once those in sight are told.
_MOVED: Final = f"position IN (SELECT position FROM main.moves WHERE model IN {_THEN})"  # noqa: S608  all ours
_MOVED_IN_SIGHT: Final = (
    "coalesce((SELECT group_concat(line, char(10)) FROM main.moves "  # noqa: S608  all ours
    f"WHERE moves.position = changes.position AND model IN {_THEN}), '')"
)
_CHANGES: Final = ", ".join(
    f"{_MOVED_IN_SIGHT} AS moved" if column.name == "moved" else column.name
    for column in tables.changes.columns
)
_ABOUT_ONE: Final = "(SELECT position FROM temp.changes WHERE model IS NOT NULL)"
# Rules are for all to read; who is who for none of these; what is about one model for those who see it.
_RULES: Final = ("policies", "requirements", "bans/files", "retractions")
_RULE: Final = " OR ".join(f"path LIKE '{folder}/%'" for folder in _RULES)
VIEWS: Final = {
    **{table.name: f"model IN ({_SEEN})" for table in _BY_MODEL},
    **{table.name: f"sequence IN {_VERSIONS}" for table in _BY_SEQUENCE},
    "built_on": f"sequence IN {_VERSIONS} AND base IN {_VERSIONS}",
    "models": f"name IN ({_SEEN})",
    "changes": f"model IN {_THEN} OR (model IS NULL AND kind NOT IN {_OF_ACCESS} AND moved = '') OR {_MOVED}",
    "moves": f"model IN {_THEN}",
    "documents": f"path NOT LIKE 'access/%' AND ({_RULE} OR touched IN {_ABOUT_ONE})",
    "record_touches": f"path NOT LIKE 'access/%' AND ({_RULE} OR position IN {_ABOUT_ONE})",
}


SHOWN_TO_ALL: Final = frozenset({"meta", "environments"})


def blind(connection: sqlite3.Connection, models: frozenset[str]) -> None:
    """Have the connection, which only reads, see no other models than these."""
    connection.execute("PRAGMA temp_store = MEMORY")
    for name in ("seen", "once"):
        connection.execute(f"CREATE TEMP TABLE {name} (name TEXT PRIMARY KEY) WITHOUT ROWID")
    connection.executemany("INSERT INTO temp.seen VALUES (?)", ((each,) for each in sorted(models)))
    connection.execute(_ONCE)
    for name, rule in VIEWS.items():
        columns = _CHANGES if name == "changes" else "*"
        connection.execute(
            f"CREATE TEMP VIEW {name} AS SELECT {columns} FROM main.{name} WHERE {rule}"  # noqa: S608  all ours
        )
