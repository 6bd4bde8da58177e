"""What `plan` asks of the state: reads on one connection, within one transaction."""

from __future__ import annotations

import json
import sqlite3

from sqlalchemy import Integer, Text, and_, bindparam, func, literal_column, or_, select

from muster.domain.messages import AUTHORING, Entry
from muster.domain.records import Artifact, Deployment, Environment, Json, Model, Version
from muster.domain.snapshot import DECLARED, Trace
from muster.index.database import Row, Values, sql, translated
from muster.index.entries import logged, moment
from muster.index.rows import (
    deployment_of,
    environment_of,
    model_of,
    with_files,
)
from muster.index.tables import (
    changes,
    deployments,
    documents,
    environments,
    files,
    models,
    moves,
    placements,
    record_touches,
    touches,
    versions,
)

_model = bindparam("model", type_=Text())
_number = bindparam("number", type_=Integer())
_environment = bindparam("environment", type_=Text())

_MODEL = sql(select(models.c.record).where(models.c.name == _model))
_VERSION = sql(select(versions.c.record).where(versions.c.model == _model, versions.c.number == _number))
_FILES = sql(
    select(files.c.path, files.c.size, files.c.sha256)
    .where(files.c.model == _model, files.c.number == _number)
    .order_by(files.c.path)
)
_NUMBERS = sql(select(versions.c.number).where(versions.c.model == _model).order_by(versions.c.number))
_IN_STAGE = sql(
    select(versions.c.number)
    .where(versions.c.live, versions.c.model == _model, versions.c.stage == bindparam("stage", type_=Text()))
    .order_by(versions.c.number)
)
_LABELLED = sql(
    select(versions.c.number).where(versions.c.model == _model, versions.c.label == bindparam("label"))
)
_IDENTIFIED = sql(
    select(versions.c.model, versions.c.number).where(versions.c.model_id == bindparam("model_id"))
)
_VERSION_RECORD = sql(
    select(versions.c.document).where(versions.c.model == _model, versions.c.number == _number)
)
_ENVIRONMENT = sql(select(environments.c.record).where(environments.c.name == _environment))
_ENVIRONMENTS = sql(select(environments.c.record).order_by(environments.c.name))
_DEPLOYMENT = sql(
    select(deployments.c.record).where(
        deployments.c.environment == _environment, deployments.c.model == _model
    )
)
_DEPLOYMENTS_OF = sql(
    select(deployments.c.record).where(deployments.c.model == _model).order_by(deployments.c.environment)
)
_DEPLOYED_IN = sql(
    select(deployments.c.model)
    .where(deployments.c.environment == _environment, deployments.c.number.is_not(None))
    .order_by(deployments.c.model)
)
_PLACED_IN = sql(
    select(deployments.c.model).where(deployments.c.environment == _environment).order_by(deployments.c.model)
)
# Where the name was another model's, which has another since.
_vacated = select(func.coalesce(func.max(changes.c.position), literal_column("0"))).where(
    changes.c.renamed == _model
)
_WAS_DEPLOYED = sql(
    select(placements.c.position).where(
        placements.c.environment == _environment,
        placements.c.model == _model,
        placements.c.number == _number,
        placements.c.position > _vacated.scalar_subquery(),
    )
)
_AUTHORS = sql(
    select(changes.c.actor)
    .join(touches, touches.c.position == changes.c.position)
    .where(
        touches.c.model == _model,
        touches.c.number == _number,
        touches.c.own,
        touches.c.kind.in_([literal_column(f"'{kind}'") for kind in AUTHORING]),
    )
    .order_by(touches.c.position)
)
# Not by the kind's index: all models' observations are in it.
_TRACES = sql(
    select(changes.c.time_us, changes.c.deployed, changes.c.observed, changes.c.number)
    .where(
        changes.c.model == _model,
        changes.c.environment == _environment,
        changes.c.position > _vacated.scalar_subquery(),
        or_(
            changes.c.deployed.is_not(None),
            and_(
                changes.c.kind.concat(literal_column("''")) == literal_column("'observe'"),
                changes.c.instance.is_(None),
            ),
        ),
    )
    .order_by(changes.c.position)
)
_TRACES_MOVED = sql(
    select(changes.c.time_us, placements.c.number)
    .join(moves, moves.c.position == changes.c.position)
    .join(
        placements,
        and_(placements.c.position == moves.c.position, placements.c.model == moves.c.model),
    )
    .where(
        moves.c.model == _model,
        placements.c.environment == _environment,
        changes.c.position > _vacated.scalar_subquery(),
    )
)
_MODEL_TOUCHED = sql(
    select(changes.c.commit_id)
    .join(models, models.c.touched == changes.c.position)
    .where(models.c.name == _model)
)
_VERSION_TOUCHED = sql(
    select(changes.c.commit_id)
    .join(versions, versions.c.touched == changes.c.position)
    .where(versions.c.model == _model, versions.c.number == _number)
)
# Asked of the log, not of `deployments`: a deleted model's deployments are gone.
_DEPLOYMENT_TOUCHED = sql(
    select(changes.c.commit_id)
    .join(placements, placements.c.position == changes.c.position)
    .where(placements.c.environment == _environment, placements.c.model == _model)
    .order_by(placements.c.position.desc())
)
_ENVIRONMENT_TOUCHED = sql(
    select(changes.c.commit_id)
    .join(environments, environments.c.touched == changes.c.position)
    .where(environments.c.name == _environment)
)

_path = bindparam("path", type_=Text())
_DOCUMENT = sql(select(documents.c.record).where(documents.c.path == _path))
_DOCUMENTS = sql(
    select(documents.c.path, documents.c.record)
    .where(documents.c.path > bindparam("first", type_=Text()), documents.c.path < bindparam("beyond"))
    .order_by(documents.c.path)
)
_DOCUMENT_TOUCHED = sql(
    select(changes.c.commit_id)
    .join(documents, documents.c.touched == changes.c.position)
    .where(documents.c.path == _path)
)

_DOCUMENT_LOG = sql(
    select(changes)
    .join(record_touches, record_touches.c.position == changes.c.position)
    .where(record_touches.c.path == _path)
    .order_by(record_touches.c.position)
)


def inside(folder: str) -> dict[str, str]:
    """The bounds between which the paths below `folder` lie."""
    return {"first": f"{folder}/", "beyond": f"{folder}0"}  # 0 follows / in ASCII


def _trace(time_us: int, deployed: str | None, observed: str | None, number: int | None) -> Trace:
    if deployed is None:
        return Trace(moment(time_us), observed or "", number)
    return Trace(moment(time_us), DECLARED, int(deployed) if deployed.isdecimal() else None)


class SqlSnapshot:
    """A `Snapshot` of the state that `connection` sees."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def _one(self, statement: str, values: Values = ()) -> Row | None:
        try:
            row: Row | None = self._connection.execute(statement, values).fetchone()
            return row
        except sqlite3.Error as error:
            raise translated(error) from error

    def _all(self, statement: str, values: Values = ()) -> list[Row]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise translated(error) from error

    def model(self, name: str) -> Model | None:
        row = self._one(_MODEL, {"model": name})
        return model_of(row[0]) if row else None

    def version(self, model: str, number: int) -> Version | None:
        row = self._one(_VERSION, {"model": model, "number": number})
        return with_files(row[0], self.files(model, number)) if row else None

    def version_record(self, model: str, number: int) -> dict[str, Json] | None:
        row = self._one(_VERSION_RECORD, {"model": model, "number": number})
        # A tombstone shows nothing.
        return json.loads(row[0]) if row and row[0] else None

    def files(self, model: str, number: int) -> tuple[Artifact, ...]:
        """The files of a version, by path."""
        rows = self._all(_FILES, {"model": model, "number": number})
        return tuple(Artifact(*row) for row in rows)

    def numbers(self, model: str) -> tuple[int, ...]:
        return tuple(row[0] for row in self._all(_NUMBERS, {"model": model}))

    def labelled(self, model: str, label: str) -> int | None:
        row = self._one(_LABELLED, {"model": model, "label": label})
        return row[0] if row else None

    def identified(self, model_id: str) -> tuple[str, int] | None:
        row = self._one(_IDENTIFIED, {"model_id": model_id})
        return (row[0], row[1]) if row else None

    def in_stage(self, model: str, stage: str) -> tuple[int, ...]:
        return tuple(row[0] for row in self._all(_IN_STAGE, {"model": model, "stage": stage}))

    def environment(self, name: str) -> Environment | None:
        row = self._one(_ENVIRONMENT, {"environment": name})
        return environment_of(row[0]) if row else None

    def every_environment(self) -> tuple[Environment, ...]:
        return tuple(environment_of(row[0]) for row in self._all(_ENVIRONMENTS))

    def deployment(self, environment: str, model: str) -> Deployment | None:
        row = self._one(_DEPLOYMENT, {"environment": environment, "model": model})
        return deployment_of(row[0]) if row else None

    def deployments_of(self, model: str) -> tuple[Deployment, ...]:
        rows = self._all(_DEPLOYMENTS_OF, {"model": model})
        return tuple(deployment_of(row[0]) for row in rows)

    def deployed_in(self, environment: str) -> tuple[str, ...]:
        rows = self._all(_DEPLOYED_IN, {"environment": environment})
        return tuple(row[0] for row in rows)

    def placed_in(self, environment: str) -> tuple[str, ...]:
        rows = self._all(_PLACED_IN, {"environment": environment})
        return tuple(row[0] for row in rows)

    def was_deployed(self, environment: str, model: str, number: int) -> bool:
        asked = {"environment": environment, "model": model, "number": number}
        return bool(self._logged(_WAS_DEPLOYED, asked))

    def authors(self, model: str, number: int) -> tuple[str, ...]:
        rows = self._logged(_AUTHORS, {"model": model, "number": number})
        return tuple(dict.fromkeys(row[0] for row in rows))

    def traces(self, environment: str, model: str) -> tuple[Trace, ...]:
        values = {"environment": environment, "model": model}
        alone = [_trace(*row) for row in self._logged(_TRACES, values)]
        moved = [Trace(moment(row[0]), DECLARED, row[1]) for row in self._logged(_TRACES_MOVED, values)]
        return tuple(sorted([*alone, *moved], key=lambda trace: trace.time) if moved else alone)

    def model_touched(self, name: str) -> str | None:
        return self._commit(_MODEL_TOUCHED, {"model": name})

    def version_touched(self, model: str, number: int) -> str | None:
        return self._commit(_VERSION_TOUCHED, {"model": model, "number": number})

    def deployment_touched(self, environment: str, model: str) -> str | None:
        return self._commit(_DEPLOYMENT_TOUCHED, {"environment": environment, "model": model})

    def environment_touched(self, name: str) -> str | None:
        return self._commit(_ENVIRONMENT_TOUCHED, {"environment": name})

    def document(self, path: str) -> bytes | None:
        row = self._one(_DOCUMENT, {"path": path})
        return row[0] if row else None

    def documents(self, under: str) -> tuple[tuple[str, bytes], ...]:
        return tuple((row[0], row[1]) for row in self._all(_DOCUMENTS, inside(under)))

    def document_touched(self, path: str) -> str | None:
        return self._commit(_DOCUMENT_TOUCHED, {"path": path})

    def document_log(self, path: str) -> tuple[Entry, ...]:
        return tuple(logged(row).entry for row in self._logged(_DOCUMENT_LOG, {"path": path}))

    def _logged(self, statement: str, values: Values) -> list[Row]:
        """The rows of a question to the log."""
        return self._all(statement, values)

    def _commit(self, statement: str, values: Values) -> str | None:
        row = self._one(statement, values)
        return (row[0] or "") if row else None
