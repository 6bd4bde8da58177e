"""Reads of the smaller records: the part of `Index` that knows them by their paths."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import Integer, Select, Text, bindparam, func, literal_column, select

from muster.index.database import Reads, limited, sql
from muster.index.entries import logged
from muster.index.snapshot import inside
from muster.index.tables import changes, documents, record_touches
from muster.service.values import Document, Logged

_path = bindparam("path", type_=Text())
_before = bindparam("before", type_=Integer())
_whole = select(documents.c.path, documents.c.record, changes).join(
    changes, changes.c.position == documents.c.touched
)
_DOCUMENT = sql(_whole.where(documents.c.path == _path))
_HISTORY = sql(
    limited(
        select(changes)
        .join(record_touches, record_touches.c.position == changes.c.position)
        .where(record_touches.c.path == _path, record_touches.c.position < _before)
        .order_by(record_touches.c.position.desc())
    )
)
# A path does not say the model's name; the change that wrote the record does.
_WITH_ACCESS = sql(
    select(changes.c.model)
    .join(documents, changes.c.position == documents.c.touched)
    .where(
        documents.c.path > literal_column("'models/'"),
        documents.c.path < literal_column("'models0'"),
        documents.c.path.like(literal_column("'%/access.json'")),
        changes.c.model.is_not(None),
    )
    .order_by(changes.c.model)
)
_NO_BOUND = 2**63 - 1


class DocumentReads(Reads):
    """The part of `Index` that reads the smaller records."""

    def document(self, path: str) -> Document | None:
        """One by its path."""
        row = self._readers.one(_DOCUMENT, {"path": path})
        return Document(row[0], row[1], logged(row[2:])) if row else None

    def documents(self, under: str, *, after: str = "", limit: int | None = None) -> list[Document]:
        """Those below the folder `under`, by path, beyond the path `after`, at most `limit`."""
        bounds = inside(under)
        values = bounds | {
            "first": max(bounds["first"], after),
            "limit": _NO_BOUND if limit is None else limit,
        }
        rows = self._readers.all(_documents(count=False), values)
        return [Document(row[0], row[1], logged(row[2:])) for row in rows]

    def count_documents(self, under: str) -> int:
        """How many there are below the folder `under`."""
        row = self._readers.one(_documents(count=True), inside(under))
        return row[0] if row else 0

    def models_with_access(self) -> list[str]:
        """The models on which somebody has a role of their own, by name."""
        return [row[0] for row in self._readers.all(_WITH_ACCESS)]

    def document_history(self, path: str, *, before: int | None = None, limit: int) -> list[Logged]:
        """The changes that wrote or removed it, newest first, from below position `before`."""
        values = {"path": path, "before": _NO_BOUND if before is None else before, "limit": limit}
        return [logged(row) for row in self._readers.all(_HISTORY, values)]


@lru_cache(maxsize=2)
def _documents(*, count: bool) -> str:
    wanted: Select[*tuple[object, ...]] = select(func.count()).select_from(documents) if count else _whole
    wanted = wanted.where(
        documents.c.path > bindparam("first", type_=Text()), documents.c.path < bindparam("beyond")
    )
    return sql(wanted if count else limited(wanted.order_by(documents.c.path)))
