"""The schema of the index and its number.

There are no migrations: whoever changes a table, an index or what a column means
raises `SCHEMA`, and every index is built anew from Git. Rows are keyed by what
they say (names, numbers, positions in the log), never by a counter, so that a
rebuilt index equals one that followed along.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
    literal_column,
    true,
)

SCHEMA = 7

metadata = MetaData()


def _text(name: str, *, key: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=False)


def _text_or_null(name: str) -> Column[str]:
    return Column(name, Text, nullable=True)


def _number(name: str, *, key: bool = False) -> Column[int]:
    return Column(name, Integer, primary_key=key, nullable=False, autoincrement=False)


def _number_or_null(name: str) -> Column[int]:
    return Column(name, Integer, nullable=True)


# One row: the commit that all the other rows reflect.
meta = Table("meta", metadata, _number("id", key=True), _text_or_null("head"))

# The change log, a row a commit; `commit_id` is null until its batch is sealed.
changes = Table(
    "changes",
    metadata,
    _number("position", key=True),
    _text_or_null("commit_id"),
    Column("time_us", BigInteger, nullable=False),  # since 1970, UTC
    _text("kind"),
    _text("subject"),
    _text("reason"),
    _text("actor"),
    _text("auth"),
    _text_or_null("model"),
    _number_or_null("number"),
    _text_or_null("environment"),
    _text("also"),  # numbers, a comma between
    _text_or_null("deployed"),
    _text_or_null("request_key"),
    _text_or_null("request_digest"),
    _text_or_null("observed"),
    _text_or_null("instance"),
    _text_or_null("digest"),
    _text_or_null("renamed"),
    _text("records"),  # paths, a line break between
    _text_or_null("proposal"),
    _text_or_null("mark"),
    _text("moved"),  # what it does for each of several models, a line each; see `messages.moved_line`
)
Index("changes_by_commit", changes.c.commit_id)
Index("changes_by_time", changes.c.time_us)
Index("changes_by_kind", changes.c.kind, changes.c.position)
Index("changes_by_actor", changes.c.actor, changes.c.position)
for _column in (
    changes.c.model,
    changes.c.environment,
    changes.c.request_key,
    changes.c.renamed,
    changes.c.proposal,
    changes.c.mark,
):
    Index(
        f"changes_by_{_column.name}",
        _column,
        changes.c.position,
        sqlite_where=_column.is_not(None),
        postgresql_where=_column.is_not(None),
    )

Index(
    "changes_reported",
    changes.c.environment,
    changes.c.model,
    changes.c.position,
    sqlite_where=changes.c.instance.is_not(None),
    postgresql_where=changes.c.instance.is_not(None),
)

# The models that a change moves at once with others, by their names of that time.
moves = Table(
    "moves",
    metadata,
    _text("model", key=True),
    _number("position", key=True),
    _text("line"),  # of `changes.moved`
    sqlite_with_rowid=False,
)
Index("moves_by_position", moves.c.position)

# Every version that a change names, by the name that its model has now; `own` where
# it is the one named first, `record` where the change is one of the version itself.
touches = Table(
    "touches",
    metadata,
    _text("model", key=True),
    _number("number", key=True),
    _number("position", key=True),
    _text("kind"),
    Column("own", Boolean(create_constraint=False), nullable=False),
    Column("record", Boolean(create_constraint=False), nullable=False),
    sqlite_with_rowid=False,
)

# What was declared for a model in an environment from a position on; null: nothing.
placements = Table(
    "placements",
    metadata,
    _text("environment", key=True),
    _text("model", key=True),
    _number("position", key=True),
    _number_or_null("number"),
    sqlite_with_rowid=False,
)

# Every pair that `placements` ever had, so that nobody scans it to find them.
places = Table(
    "places",
    metadata,
    _text("environment", key=True),
    _text("model", key=True),
    sqlite_with_rowid=False,
)
Index("places_by_model", places.c.model)

# `created`, `touched` and `updated` are positions in the log; tags and aliases do not move the last.
models = Table(
    "models",
    metadata,
    _text("name", key=True),
    _text("folded"),
    Column("live", Boolean(create_constraint=False), nullable=False),
    _text_or_null("owner"),
    _number("created"),
    _number("touched"),
    _number("updated"),
    Column("record", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

Index("models_by_created", models.c.created, unique=True)
Index("models_by_updated", models.c.updated)

model_tags = Table(
    "model_tags",
    metadata,
    _text("key", key=True),
    _text("value", key=True),
    _text("model", key=True),
    sqlite_with_rowid=False,
)

Index("model_tags_by_model", model_tags.c.model, model_tags.c.key)

aliases = Table(
    "aliases",
    metadata,
    _text("model", key=True),
    _text("alias", key=True),
    _number("number"),
    sqlite_with_rowid=False,
)

Index("aliases_by_number", aliases.c.model, aliases.c.number)

# `sequence` is the position of the change that registered the version; `touched`,
# `last_deploy` and `last_rollback` are positions too. `created_at` and
# `last_updated` are as shown, which for an import is not the change's time.
# `document` is the record as the API shows it, empty for a tombstone.
versions = Table(
    "versions",
    metadata,
    _number("sequence", key=True),
    _text("model"),
    _number("number"),
    _text_or_null("label"),
    _text("model_id"),
    _text("folded"),
    Column("live", Boolean(create_constraint=False), nullable=False),
    _text("stage"),
    _text("kind"),
    _text_or_null("owner"),
    _text("created_at"),
    _text("last_updated"),
    _number("touched"),
    _number_or_null("last_deploy"),
    _number_or_null("last_rollback"),
    Column("purged", Boolean(create_constraint=False), nullable=False),
    Column("record", LargeBinary, nullable=False),
    Column("document", LargeBinary, nullable=False),
)
Index(
    "versions_purged",
    versions.c.sequence,
    sqlite_where=versions.c.purged == true(),
    postgresql_where=versions.c.purged == true(),
)
Index("versions_by_model_id", versions.c.model_id, unique=True)
Index("versions_by_number", versions.c.model, versions.c.number, unique=True)
Index(
    "versions_by_label",
    versions.c.model,
    versions.c.label,
    unique=True,
    sqlite_where=versions.c.label.is_not(None),
    postgresql_where=versions.c.label.is_not(None),
)
# Which version is the newest of a stage, without reading the others.
Index(
    "versions_by_model_stage",
    versions.c.model,
    versions.c.stage,
    versions.c.number,
    sqlite_where=versions.c.live == true(),
    postgresql_where=versions.c.live == true(),
)
for _column in (
    versions.c.stage,
    versions.c.kind,
    versions.c.owner,
    versions.c.created_at,
    versions.c.last_updated,
):
    Index(
        f"versions_by_{_column.name}",
        _column,
        versions.c.sequence,
        sqlite_where=versions.c.live == true(),
        postgresql_where=versions.c.live == true(),
    )

# In the order in which searches list versions: by milliseconds, ties by name and number.
Index(
    "versions_by_update",
    func.substr(versions.c.last_updated, literal_column("1"), literal_column("23")).desc(),
    versions.c.model,
    versions.c.number.desc(),
    sqlite_where=versions.c.live == true(),
    postgresql_where=versions.c.live == true(),
)

tags = Table(
    "tags",
    metadata,
    _text("key", key=True),
    _text("value", key=True),
    _number("sequence", key=True),
    sqlite_with_rowid=False,
)

Index("tags_by_version", tags.c.sequence, tags.c.key)

# Where a version's files are said to be, and which run made it; "" is not said. Only of those that say it.
sources = Table(
    "sources",
    metadata,
    _number("sequence", key=True),
    _text("uri"),
    _text("run_id"),
)
Index("sources_by_run", sources.c.run_id)

metrics = Table(
    "metrics",
    metadata,
    _text("key", key=True),
    Column("value", Float, primary_key=True, nullable=False),
    _number("sequence", key=True),
    sqlite_with_rowid=False,
)

files = Table(
    "files",
    metadata,
    _text("model", key=True),
    _number("number", key=True),
    _text("path", key=True),
    Column("size", BigInteger, nullable=False),
    _text("sha256"),
    sqlite_with_rowid=False,
)

Index("files_by_digest", files.c.sha256)

# What a version was made from. `built_on` where that is a version here, both as they were
# registered: no rename and no deletion parts them. `origins` is all else that was said,
# by what kind of word it is; see `rows.origin_rows`.
built_on = Table(
    "built_on",
    metadata,
    _number("base", key=True),
    _number("sequence", key=True),
    sqlite_with_rowid=False,
)
Index("built_on_by_version", built_on.c.sequence, built_on.c.base)
origins = Table(
    "origins",
    metadata,
    _text("kind", key=True),
    _text("value", key=True),
    _number("sequence", key=True),
    sqlite_with_rowid=False,
)
Index("origins_by_version", origins.c.sequence, origins.c.kind)

environments = Table(
    "environments",
    metadata,
    _text("name", key=True),
    _number("rank"),
    _number("touched"),
    Column("record", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# `declared` is the position of the last change that said what is to run there.
deployments = Table(
    "deployments",
    metadata,
    _text("environment", key=True),
    _text("model", key=True),
    _number_or_null("number"),
    _number("declared"),
    Column("record", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
Index("deployments_by_model", deployments.c.model, deployments.c.number)

# The smaller records (`domain.documents`) by path; `touched` is a position.
documents = Table(
    "documents",
    metadata,
    _text("path", key=True),
    _number("touched"),
    Column("record", LargeBinary, nullable=False),
)

# Every change that wrote or removed such a record.
record_touches = Table(
    "record_touches",
    metadata,
    _text("path", key=True),
    _number("position", key=True),
    sqlite_with_rowid=False,
)
