"""The trigram indexes over names: what SQLite has beside its tables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TextIndex:
    """The statements of a trigram index over the column `folded` of `table`.

    With external content, since a contentless one gives nothing back. Case is folded
    by us: SQLite's LIKE knows that of ASCII only. `add` and `delete` take the number
    that a row goes by and its text; `check` fails with SQLITE_CORRUPT if index and
    content differ.
    """

    table: str
    create: str
    add: str
    delete: str
    rebuild: str
    check: str


# A model id holds name and label.
VERSION_TEXT = TextIndex(
    "versions",
    """
    CREATE VIRTUAL TABLE versions_text USING fts5(
        folded, content='versions', content_rowid='sequence', tokenize='trigram case_sensitive 1'
    )
    """,
    add="INSERT INTO versions_text(rowid, folded) VALUES (?, ?)",
    delete="INSERT INTO versions_text(versions_text, rowid, folded) VALUES ('delete', ?, ?)",
    rebuild="INSERT INTO versions_text(versions_text) VALUES ('rebuild')",
    check="INSERT INTO versions_text(versions_text, rank) VALUES ('integrity-check', 1)",
)
# A model goes by the change that made it.
MODEL_TEXT = TextIndex(
    "models",
    """
    CREATE VIRTUAL TABLE models_text USING fts5(
        folded, content='models', content_rowid='created', tokenize='trigram case_sensitive 1'
    )
    """,
    add="INSERT INTO models_text(rowid, folded) VALUES (?, ?)",
    delete="INSERT INTO models_text(models_text, rowid, folded) VALUES ('delete', ?, ?)",
    rebuild="INSERT INTO models_text(models_text) VALUES ('rebuild')",
    check="INSERT INTO models_text(models_text, rank) VALUES ('integrity-check', 1)",
)
TEXTS = (VERSION_TEXT, MODEL_TEXT)
