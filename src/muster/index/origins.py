"""What was made from what: reads of `built_on` and `origins`, and of what ran where."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Text,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    type_coerce,
    union_all,
)

from muster.domain.names import Reference
from muster.index.database import Reads, limited, sql
from muster.index.entries import logged
from muster.index.snapshot import inside
from muster.index.tables import (
    built_on,
    changes,
    deployments,
    documents,
    files,
    origins,
    placements,
    places,
    versions,
)
from muster.service.origins import Placing, Traced, Word
from muster.service.values import Document


def _word(text: str) -> ColumnElement[str]:
    return literal_column(f"'{text}'", Text())


# A list of values is one parameter, in JSON, so that a statement is one whatever their number.
_ALL: Final = select(func.json_each(bindparam("all", type_=Text())).table_valued("value").c.value)
_value: Final = bindparam("value", type_=Text())
_folder: Final = versions.c.model.concat(_word("/"))
_named_by: Final = origins.c.value.in_(
    (
        versions.c.model_id,
        _folder.concat(versions.c.label),
        _folder.concat(type_coerce(versions.c.number, Text)),
    )
)
_held: Final = (files.c.model == versions.c.model) & (files.c.number == versions.c.number)
_by_digest: Final = (origins.c.kind == _word("base-sha256")) & (origins.c.value == files.c.sha256)

_MADE_OF = sql(
    union_all(
        select(built_on.c.base, built_on.c.sequence).where(built_on.c.base.in_(_ALL)),
        select(versions.c.sequence, origins.c.sequence)
        .select_from(versions)
        .join(origins, (origins.c.kind == _word("ref")) & _named_by)
        .where(versions.c.sequence.in_(_ALL)),
        select(versions.c.sequence, origins.c.sequence)
        .select_from(versions)
        .join(files, _held)
        .join(origins, _by_digest)
        .where(versions.c.sequence.in_(_ALL)),
    )
)
_MADE_FROM = sql(
    union_all(
        select(built_on.c.sequence, built_on.c.base).where(built_on.c.sequence.in_(_ALL)),
        select(origins.c.sequence, versions.c.sequence)
        .select_from(origins)
        .join(files, _by_digest)
        .join(versions, _held)
        .where(origins.c.sequence.in_(_ALL)),
    )
)
_WORDS = sql(
    union_all(
        select(origins.c.sequence, origins.c.kind, origins.c.value).where(origins.c.sequence.in_(_ALL)),
        select(versions.c.sequence, _word("file"), files.c.sha256)
        .select_from(versions)
        .join(files, _held)
        .where(versions.c.sequence.in_(_ALL)),
    )
)
_SAYING = sql(
    select(origins.c.sequence)
    .where(origins.c.kind == bindparam("kind", type_=Text()), origins.c.value == _value)
    .order_by(origins.c.sequence)
)
_HOLDING = sql(
    select(versions.c.sequence)
    .distinct()
    .select_from(files)
    .join(versions, _held)
    .where(files.c.sha256 == _value)
    .order_by(versions.c.sequence)
)
_TRACED = sql(
    select(
        versions.c.sequence,
        versions.c.model,
        versions.c.number,
        versions.c.label,
        versions.c.model_id,
        versions.c.live,
        versions.c.purged,
        deployments.c.environment,
    )
    .select_from(versions)
    .outerjoin(
        deployments,
        (deployments.c.model == versions.c.model) & (deployments.c.number == versions.c.number),
    )
    .where(versions.c.sequence.in_(_ALL))
    .order_by(versions.c.sequence, deployments.c.environment)
)
_model = bindparam("model", type_=Text())
_number: Any = bindparam("number")
_SEQUENCE = {
    "number": sql(
        select(versions.c.sequence).where(versions.c.model == _model, versions.c.number == _number)
    ),
    "label": sql(select(versions.c.sequence).where(versions.c.model == _model, versions.c.label == _number)),
    "id": sql(select(versions.c.sequence).where(versions.c.model_id == _model)),
}
_PLACINGS = sql(
    select(placements.c.environment, placements.c.model, placements.c.number, *changes.c)
    .select_from(places)
    .join(
        placements,
        (placements.c.environment == places.c.environment) & (placements.c.model == places.c.model),
    )
    .join(changes, changes.c.position == placements.c.position)
    .where(places.c.model.in_(_ALL))
    .order_by(placements.c.model, placements.c.environment, placements.c.position)
)
_RENAMES = sql(
    select(changes.c.position, changes.c.renamed, changes.c.model)
    .where(changes.c.renamed.is_not(None), changes.c.kind == _word("rename"))
    .order_by(changes.c.position.desc())
)
_DOCUMENTS = sql(
    select(documents.c.path, documents.c.record, changes)
    .join(changes, changes.c.position == documents.c.touched)
    .where(documents.c.path.in_(_ALL))
)
_PURGED = sql(select(versions.c.model, versions.c.number).where(versions.c.purged))
_HOLDERS = sql(
    select(versions.c.model, versions.c.number)
    .distinct()
    .select_from(files)
    .join(versions, _held)
    .where(files.c.sha256 == _value, versions.c.live, ~versions.c.purged)
    .order_by(versions.c.model, versions.c.number)
)
# Whatever an evaluation says of a file, it says its digest.
_REPORTED = sql(
    limited(
        select(documents.c.path).where(
            documents.c.path > _word("models/"),
            documents.c.path < _word("models0"),
            func.instr(documents.c.path, _word("/evaluations/")) > literal_column("0"),
            func.instr(documents.c.record, _value) > literal_column("0"),
        ),
        1,
    )
)


class OriginReads(Reads):
    """The part of `Index` that knows what was made from what."""

    def made_from(self, sequences: Collection[int]) -> list[tuple[int, int]]:
        """(version, base) for each base of theirs that is a version here."""
        found = [(row[0], row[1]) for row in self._readers.all(_MADE_FROM, _listed(sequences))]
        for version, word, value in self.words(sequences):
            if word == "ref" and (base := self._said(value)) is not None:
                found.append((version, base))
        return found

    def _said(self, ref: str) -> int | None:
        """The version that a base means which named none when it was registered."""
        if (row := self._readers.one(_SEQUENCE["id"], {"model": ref})) is not None:
            return int(row[0])
        reference = Reference.parse(ref)
        if reference is None or reference.by != "version":
            return None
        values = {"model": reference.model, "number": reference.what}
        row = self._readers.one(_SEQUENCE["label"], values)
        if row is None and reference.what.isascii() and reference.what.isdigit() and len(reference.what) < 19:
            row = self._readers.one(_SEQUENCE["number"], values | {"number": int(reference.what)})
        return int(row[0]) if row else None

    def made_of(self, sequences: Collection[int]) -> list[tuple[int, int]]:
        """(base, version) for each version that one of them is a base of."""
        return [(row[0], row[1]) for row in self._readers.all(_MADE_OF, _listed(sequences))]

    def words(self, sequences: Collection[int]) -> list[tuple[int, Word, str]]:
        """(version, kind of word, value): what they hold and what they say they were made from."""
        return [(row[0], row[1], row[2]) for row in self._readers.all(_WORDS, _listed(sequences))]

    def saying(self, word: Word, value: str) -> list[int]:
        """The versions that hold or say that, the oldest first."""
        statement = _HOLDING if word == "file" else _SAYING
        return [row[0] for row in self._readers.all(statement, {"kind": word, "value": value})]

    def traced(self, sequences: Collection[int]) -> dict[int, Traced]:
        """The versions with where they are deployed."""
        found: dict[int, Traced] = {}
        for row in self._readers.all(_TRACED, _listed(sequences)):
            sequence, model, number, label, model_id, live, purged, environment = row
            before = found.get(sequence)
            there = before.deployed_in if before is not None else ()
            if environment is not None:
                there = (*there, environment)
            found[sequence] = Traced(
                sequence, model, number, label, model_id, bool(live), bool(purged), there
            )
        return found

    def sequence_of(self, model: str, number: int) -> int | None:
        """By its present name; a deleted one's, too."""
        row = self._readers.one(_SEQUENCE["number"], {"model": model, "number": number})
        return row[0] if row else None

    def placings(self, models: Collection[str]) -> list[Placing]:
        """All that was ever declared under these names, by model and environment, the oldest first."""
        rows = self._readers.all(_PLACINGS, _listed(models))
        return [Placing(row[0], row[1], row[2], logged(row[3:])) for row in rows]

    def renames(self) -> list[tuple[int, str, str]]:
        """(position, name before, name after), the latest first."""
        return [(row[0], row[1], row[2]) for row in self._readers.all(_RENAMES)]

    def documents_at(self, paths: Iterable[str]) -> dict[str, Document]:
        """Those of the records at `paths` that are there."""
        rows = self._readers.all(_DOCUMENTS, _listed(paths))
        return {row[0]: Document(row[0], row[1], logged(row[2:])) for row in rows}

    def has_documents(self, *folders: str) -> bool:
        """Whether there is any record below any of the folders."""
        return self._readers.one(_any_of(len(folders)), _bounds(folders)) is not None

    def purged(self) -> list[tuple[str, int]]:
        """Model and number of every version whose files were purged."""
        return [(row[0], row[1]) for row in self._readers.all(_PURGED)]

    def holders(self, sha256: str) -> list[tuple[str, int]]:
        """Model and number of every live version that has a file with that digest and was not purged."""
        return [(row[0], row[1]) for row in self._readers.all(_HOLDERS, {"value": sha256})]

    def reported_in(self, sha256: str) -> bool:
        """Whether any evaluation names a file with that digest."""
        return self._readers.one(_REPORTED, {"value": sha256}) is not None


def _listed(values: Iterable[Any]) -> dict[str, str]:
    return {"all": json.dumps(list(values))}


@lru_cache(maxsize=8)
def _any_of(folders: int) -> str:
    path = documents.c.path
    inside_one = [
        (path > bindparam(f"first_{at}", type_=Text())) & (path < bindparam(f"beyond_{at}", type_=Text()))
        for at in range(folders)
    ]
    return sql(limited(select(path).where(or_(*inside_one)), 1))


def _bounds(folders: Iterable[str]) -> dict[str, str]:
    return {f"{key}_{at}": value for at, each in enumerate(folders) for key, value in inside(each).items()}
