"""Point reads and lists of models, environments and deployments."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from sqlalchemy import Integer, Select, Text, bindparam, func, literal_column, select

from muster.domain.messages import rfc3339
from muster.domain.names import Reference
from muster.domain.records import Deployment, Environment, Model
from muster.index.database import Reads, limited, sql
from muster.index.entries import logged, moment
from muster.index.pages import a_page, paged
from muster.index.rows import deployment_of, environment_of, model_of
from muster.index.tables import (
    aliases,
    changes,
    deployments,
    environments,
    files,
    meta,
    model_tags,
    models,
    versions,
)
from muster.service.values import Found, Logged

FOUND = (
    versions.c.sequence,
    versions.c.model,
    versions.c.number,
    versions.c.model_id,
    changes.c.commit_id,
    versions.c.document,
)

_model = bindparam("model", type_=Text())
_number = bindparam("number", type_=Integer())
_what = bindparam("what", type_=Text())

_HEAD = sql(select(meta.c.head))
_found = select(*FOUND).join(changes, changes.c.position == versions.c.touched).where(versions.c.live)
_FIND = sql(_found.where(versions.c.model_id == bindparam("model_id", type_=Text())))
_FIND_NUMBER = sql(_found.where(versions.c.model == _model, versions.c.number == _number))

_live = select(versions.c.model, versions.c.number).where(versions.c.live, versions.c.model == _model)
_RESOLVE = {
    "label": sql(_live.where(versions.c.label == _what)),
    "number": sql(_live.where(versions.c.number == _number)),
    "alias": sql(
        _live.join(
            aliases, (aliases.c.model == versions.c.model) & (aliases.c.number == versions.c.number)
        ).where(aliases.c.model == _model, aliases.c.alias == _what)
    ),
    "deployed": sql(
        _live.join(
            deployments,
            (deployments.c.model == versions.c.model) & (deployments.c.number == versions.c.number),
        ).where(deployments.c.environment == _what, deployments.c.model == _model)
    ),
}

# A tombstone has no files.
_WITH_FILE = sql(
    limited(
        select(files.c.number)
        .where(files.c.model == _model, files.c.sha256 == bindparam("sha256", type_=Text()))
        .order_by(files.c.number.desc()),
        1,
    )
)

_created = changes.alias("created")
_touched = changes.alias("touched")
_MODEL = sql(
    select(models.c.record, _touched.c.commit_id, _created.c.time_us, _touched.c.time_us)
    .join(_created, _created.c.position == models.c.created)
    .join(_touched, _touched.c.position == models.c.touched)
    .where(models.c.live, models.c.name == _model)
)
_ENVIRONMENTS = sql(
    select(environments.c.record, changes.c.commit_id)
    .join(changes, changes.c.position == environments.c.touched)
    .order_by(environments.c.rank.desc(), environments.c.name)
)


class RecordReads(Reads):
    """The part of `Index` that reads records as they are now."""

    def head(self) -> str | None:
        """The commit that all reads reflect; None if the index is empty."""
        row = self._readers.one(_HEAD)
        return row[0] if row else None

    def find(self, model_id: str) -> Found | None:
        """The live version of that model id."""
        row = self._readers.one(_FIND, {"model_id": model_id})
        return Found(*row) if row else None

    def find_number(self, model: str, number: int) -> Found | None:
        """The live version of that number."""
        row = self._readers.one(_FIND_NUMBER, {"model": model, "number": number})
        return Found(*row) if row else None

    def resolve(self, reference: Reference) -> tuple[str, int] | None:
        """The model and number of the live version that `reference` means now."""
        values: dict[str, object] = {"model": reference.model, "what": reference.what}
        if reference.by != "version":
            row = self._readers.one(_RESOLVE[reference.by], values)
            return (row[0], row[1]) if row else None
        row = self._readers.one(_RESOLVE["label"], values)
        if row is None and (number := _number_written(reference.what)) is not None:
            row = self._readers.one(_RESOLVE["number"], {"model": reference.model, "number": number})
        return (row[0], row[1]) if row else None

    def version_with_file(self, model: str, sha256: str) -> int | None:
        """The number of the newest live version of the model that holds a file with that digest."""
        row = self._readers.one(_WITH_FILE, {"model": model, "sha256": sha256})
        return row[0] if row else None

    # --------------------------------------------------------- models

    def model_record(self, name: str) -> tuple[Model, str, str, str] | None:
        """The live model, the last commit that touched it, when it was created and last updated."""
        row = self._readers.one(_MODEL, {"model": name})
        return (model_of(row[0]), row[1], rfc3339(moment(row[2])), rfc3339(moment(row[3]))) if row else None

    def models(
        self,
        *,
        text: str | None = None,
        owner: str | None = None,
        tags: Mapping[str, str] | None = None,
        after: str = "",
        limit: int,
    ) -> list[Model]:
        """Live models in order of their names, beyond the name `after`."""
        statement = _models(text is not None, owner is not None, len(tags or {}), count=False)
        values = _model_values(text, owner, tags) | {"after": after, "limit": limit}
        return [model_of(row[0]) for row in self._readers.all(statement, values)]

    def count_models(
        self,
        *,
        text: str | None = None,
        owner: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> int:
        """How many live models match."""
        statement = _models(text is not None, owner is not None, len(tags or {}), count=True)
        row = self._readers.one(statement, _model_values(text, owner, tags))
        return row[0] if row else 0

    # --------------------------------------------------------- environments, deployments

    def environments(self) -> list[tuple[Environment, str]]:
        """All environments by falling rank, and the last commit that touched each."""
        return [(environment_of(row[0]), row[1]) for row in self._readers.all(_ENVIRONMENTS)]

    def deployments(
        self,
        environment: str | None = None,
        model: str | None = None,
        *,
        after: tuple[str, str] | None = None,
        limit: int | None = None,
    ) -> list[tuple[Deployment, Logged]]:
        """What is deployed now, by place from beyond `after`, and the change that declared each."""
        statement = _deployments(environment is not None, model is not None)
        rows = self._readers.all(statement, paged(environment, model, after, limit))
        return [(deployment_of(row[0]), logged(row[1:])) for row in rows]

    def count_deployments(self, environment: str | None = None, model: str | None = None) -> int:
        """How many are deployed now."""
        statement = _deployments(environment is not None, model is not None, count=True)
        row = self._readers.one(statement, {"environment": environment, "model": model})
        return row[0] if row else 0


def _number_written(text: str) -> int | None:
    """The number that `text` is, written as we write it and of a size that a number can have."""
    if text.isascii() and text.isdigit() and len(text) < 19 and str(int(text)) == text:
        return int(text)
    return None


# ------------------------------------------------------------ statements by shape


@lru_cache(maxsize=64)
def _models(text: bool, owner: bool, tag_count: int, *, count: bool) -> str:
    wanted: Select[*tuple[object, ...]] = select(func.count() if count else models.c.record)
    wanted = wanted.select_from(models).where(models.c.live)
    if text:
        wanted = wanted.where(func.instr(models.c.folded, bindparam("text")) > literal_column("0"))
    if owner:
        wanted = wanted.where(models.c.owner == bindparam("owner"))
    for at in range(tag_count):
        tagged = select(model_tags.c.model).where(
            model_tags.c.key == bindparam(f"key_{at}"), model_tags.c.value == bindparam(f"value_{at}")
        )
        wanted = wanted.where(models.c.name.in_(tagged))
    if not count:
        wanted = wanted.where(models.c.name > bindparam("after"))
        wanted = limited(wanted.order_by(models.c.name))
    return sql(wanted)


def _model_values(text: str | None, owner: str | None, tags: Mapping[str, str] | None) -> dict[str, object]:
    values: dict[str, object] = {"owner": owner}
    if text is not None:
        values["text"] = text.casefold()
    for at, (key, value) in enumerate((tags or {}).items()):
        values |= {f"key_{at}": key, f"value_{at}": value}
    return values


@lru_cache(maxsize=8)
def _deployments(environment: bool, model: bool, *, count: bool = False) -> str:
    wanted: Select[*tuple[object, ...]] = select(func.count()).select_from(deployments)
    if not count:
        wanted = select(deployments.c.record, changes).join(
            changes, changes.c.position == deployments.c.declared
        )
    wanted = wanted.where(deployments.c.number.is_not(None))
    if environment:
        wanted = wanted.where(deployments.c.environment == bindparam("environment"))
    if model:
        wanted = wanted.where(deployments.c.model == bindparam("model"))
    return sql(wanted if count else a_page(wanted, deployments.c.environment, deployments.c.model))
