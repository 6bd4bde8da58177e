"""The statements of a write, built once."""

from __future__ import annotations

from sqlalchemy import Integer, Text, bindparam, delete, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from muster.index import tables
from muster.index.database import deleting, sql
from muster.index.rows import MetricRow, ModelTagRow, OriginRow, SourceRow, TagRow
from muster.index.tables import (
    aliases,
    changes,
    deployments,
    environments,
    files,
    meta,
    metrics,
    model_tags,
    models,
    tags,
    versions,
)

_model = bindparam("model", type_=Text())
_number = bindparam("number", type_=Integer())
_environment = bindparam("environment", type_=Text())

# ------------------------------------------------------------ the log

HEAD = sql(select(meta.c.head))
SET_HEAD = sql(update(meta).values(head=bindparam("head")))
NEWEST = sql(select(changes.c.position, changes.c.time_us).order_by(changes.c.position.desc()))
ANSWERED = sql(
    select(changes)
    .where(changes.c.request_key == bindparam("key", type_=Text()))
    .order_by(changes.c.position.desc())
)
SEAL = sql(update(changes).where(changes.c.position == bindparam("at")).values(commit_id=bindparam("commit")))

# ------------------------------------------------------------ versions

_registered = changes.alias("registered")
_touched = changes.alias("touched")
_deploy = changes.alias("deploy")
_rollback = changes.alias("rollback")
VERSION_ROW = sql(
    select(
        versions.c.record,
        versions.c.sequence,
        versions.c.touched,
        versions.c.last_deploy,
        versions.c.last_rollback,
        _registered.c.time_us,
        _touched.c.time_us,
        _deploy.c.time_us,
        _rollback.c.time_us,
        _touched.c.auth,
    )
    # Outer joins: while a batch is planned its changes are not written yet.
    .outerjoin(_registered, _registered.c.position == versions.c.sequence)
    .outerjoin(_touched, _touched.c.position == versions.c.touched)
    .outerjoin(_deploy, _deploy.c.position == versions.c.last_deploy)
    .outerjoin(_rollback, _rollback.c.position == versions.c.last_rollback)
    .where(versions.c.model == _model, versions.c.number == _number)
)
_NEVER_CHANGES = {"sequence", "model", "number", "label", "model_id", "folded"}
UPDATE_VERSION = sql(
    update(versions)
    .where(versions.c.sequence == bindparam("sequence", type_=Integer()))
    .values({c: bindparam(c.name) for c in versions.c if c.name not in _NEVER_CHANGES})
)
SEQUENCE = sql(select(versions.c.sequence).where(versions.c.model == _model, versions.c.number == _number))
DELETE_TAG = deleting(tags, TagRow._fields)
DELETE_SOURCE = deleting(tables.sources, SourceRow._fields)
DELETE_ORIGIN = deleting(tables.origins, OriginRow._fields)
DELETE_METRIC = deleting(metrics, MetricRow._fields)
DELETE_FILE = sql(
    delete(files).where(
        files.c.model == _model, files.c.number == _number, files.c.path == bindparam("path", type_=Text())
    )
)
PLACES = sql(
    select(deployments.c.environment, environments.c.rank)
    .join(environments, environments.c.name == deployments.c.environment)
    .where(deployments.c.model == _model, deployments.c.number == _number)
)

# ------------------------------------------------------------ models

MODEL_ROW = sql(
    select(models.c.live, models.c.created, models.c.touched, models.c.updated, models.c.record).where(
        models.c.name == _model
    )
)
UPDATE_MODEL = sql(
    update(models)
    .where(models.c.name == bindparam("name", type_=Text()))
    .values({c: bindparam(c.name) for c in models.c if c.name not in ("name", "folded")})
)
TOUCH_MODEL = sql(
    update(models)
    .where(models.c.name == _model)
    .values(touched=bindparam("touched"), updated=bindparam("updated"))
)
DELETE_MODEL_TAG = deleting(model_tags, ModelTagRow._fields)
DELETE_ALIASES = sql(delete(aliases).where(aliases.c.model == _model))

# ------------------------------------------------------------ renaming

_name_before = bindparam("before", type_=Text())
_DELETE_EMPTY = sql(delete(models).where(models.c.name == _model))
RENAME = (
    _DELETE_EMPTY,  # what is left of a deleted model without versions
    sql(
        update(models)
        .where(models.c.name == _name_before)
        .values(name=_model, folded=bindparam("folded", type_=Text()))
    ),
    sql(delete(deployments).where(deployments.c.model == _name_before)),
    *(
        sql(update(table).where(table.c.model == _name_before).values(model=_model))
        for table in (files, model_tags, aliases, tables.touches, versions)
    ),
)
NAMED = sql(
    select(versions.c.number, versions.c.sequence, versions.c.folded).where(versions.c.model == _model)
)
RENAME_VERSION = sql(
    update(versions)
    .where(versions.c.sequence == bindparam("at", type_=Integer()))
    .values(model_id=bindparam("model_id", type_=Text()), folded=bindparam("folded", type_=Text()))
)

# ------------------------------------------------------------ environments, deployments

ENVIRONMENT_ROW = sql(select(environments.c.touched).where(environments.c.name == _environment))
DELETE_ENVIRONMENT = sql(delete(environments).where(environments.c.name == _environment))
DEPLOYMENT_ROW = sql(
    select(deployments.c.number, deployments.c.declared).where(
        deployments.c.environment == _environment, deployments.c.model == _model
    )
)
DELETE_DEPLOYMENTS_IN = sql(delete(deployments).where(deployments.c.environment == _environment))
DELETE_DEPLOYMENT = sql(
    delete(deployments).where(deployments.c.environment == _environment, deployments.c.model == _model)
)
ADD_PLACE = sql(
    upsert(tables.places)
    .values(environment=_environment, model=_model)
    .on_conflict_do_nothing(index_elements=["environment", "model"])
)

# ------------------------------------------------------------ the smaller records

DELETE_DOCUMENT = deleting(tables.documents, ("path",))
