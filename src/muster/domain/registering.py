"""A registration's body → the change that it asks for; where a version comes from, and what made it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import cast

from muster.domain import names
from muster.domain.changes import Facts, RegisterVersion
from muster.domain.errors import Invalid, Problem
from muster.domain.messages import rfc3339
from muster.domain.parse import (
    Form,
    boolean,
    integer,
    mapping,
    name,
    number,
    one_of,
    plain,
    reason,
    tags,
    text,
)
from muster.domain.records import KINDS, RELATIONS, STAGES, Fields, Json, Kind

MAX_DATA_SETS = 100


def training_data(value: object, field: str) -> str | Fields:
    """A string, or a data set, with `others` if there were several: `{name, uri, sha256, rows …}`."""
    if isinstance(value, str):
        return text(value, field)
    if not isinstance(value, Mapping):
        raise Invalid.one(field, value, "must be a string or an object {name, uri, sha256, rows}")
    return _data_set(value, field, several=True)


def _data_set(value: object, field: str, *, several: bool = False) -> Fields:
    """`{name, uri, sha256, digest, rows, context}`, each optional but one of them there.

    `digest` is one that a tracking server made in its own way; `context` is what it was for.
    """
    form = Form(value, field)
    found: dict[str, Json] = {
        "name": form.take("name", name, None),
        "uri": form.take("uri", text, None),
        "sha256": form.take("sha256", names.digest, None),
        "digest": form.take("digest", name, None),
        "rows": form.take("rows", integer(0, 2**63 - 1), None),
        "context": form.take("context", name, None),
    }
    if several:
        found["others"] = form.take("others", _data_sets, None)
    form.close()
    return _some(found, value, field)


def _data_sets(value: object, field: str) -> list[Fields]:
    if not isinstance(value, (list, tuple)) or len(value) > MAX_DATA_SETS:
        raise Invalid.one(field, value, f"must be a list of at most {MAX_DATA_SETS}")
    return [_data_set(item, f"{field}[{at}]") for at, item in enumerate(value)]


def source(value: object, field: str) -> Fields:
    """`{repository, commit, dirty, user, run_url, run_id, uri, location, tracked_as}`: where it was made.

    `user` is who ran what made it, `uri` where its files are said to be, `location`
    what that led to when it was registered, `tracked_as` what a tracking server calls it.
    """
    form = Form(value, field)
    found = {
        "repository": form.take("repository", text, None),
        "commit": form.take("commit", text, None),
        "dirty": form.take("dirty", boolean, None),
        "user": form.take("user", name, None),
        "run_url": form.take("run_url", text, None),
        "run_id": form.take("run_id", text, None),
        "uri": form.take("uri", text, None),
        "location": form.take("location", text, None),
        "tracked_as": form.take("tracked_as", text, None),
    }
    form.close()
    return _some(found, value, field)


def base(value: object, field: str) -> Fields:
    """`{ref or uri, digest, relation}`: what the version was made from."""
    form = Form(value, field)
    found = {
        "ref": form.take("ref", text, None),
        "uri": form.take("uri", text, None),
        "digest": form.take("digest", names.digest, None),
        "relation": form.take("relation", one_of(RELATIONS), None),
    }
    if (found["ref"] is None) == (found["uri"] is None):
        form.wrong("", value, "must have either ref or uri")
    form.close()
    return _some(found, value, field)


def bases(value: object, field: str) -> tuple[Fields, ...]:
    """A list of at most 100 bases."""
    if not isinstance(value, (list, tuple)) or len(value) > 100:
        raise Invalid.one(field, value, "must be a list of at most 100")
    found: list[Fields] = []
    problems: list[Problem] = []
    for at, item in enumerate(value):
        try:
            found.append(base(item, f"{field}[{at}]"))
        except Invalid as invalid:
            problems.extend(invalid.problems)
    if problems:
        raise Invalid(problems)
    return tuple(found)


def external(value: object, field: str) -> Fields:
    """`{provider, model, snapshot, endpoint}` of a model that others run; `snapshot` is dated."""
    form = Form(value, field)
    found = {
        "provider": form.need("provider", name, ""),
        "model": form.need("model", name, ""),
        "snapshot": form.take("snapshot", name, None),
        "endpoint": form.take("endpoint", text, None),
    }
    form.close()
    return _some(found, value, field)


def imported(value: object, field: str) -> Fields:
    """`{from, created_at, last_updated}`: what an import says of how it was elsewhere."""
    form = Form(value, field)
    found = {
        "from": form.take("from", text, None),
        "created_at": form.take("created_at", _time, None),
        "last_updated": form.take("last_updated", _time, None),
    }
    form.close()
    return _some(found, value, field)


def _time(value: object, field: str) -> str:
    """An RFC 3339 time, in UTC as records have it."""
    try:
        time = datetime.fromisoformat(text(value, field))
        if time.tzinfo is not None:
            return rfc3339(time)
    except (ValueError, OverflowError):
        pass
    raise Invalid.one(field, value, "must be an RFC 3339 time with its offset from UTC")


def _some(found: Mapping[str, Json], value: object, field: str) -> Fields:
    kept = {key: item for key, item in found.items() if item is not None}
    if not kept:
        raise Invalid.one(field, value, "must not be empty")
    return kept


def registration(body: object, *, strict: bool) -> tuple[RegisterVersion, str]:
    """The change and the reason that a registration's body asks for.

    With `strict` (the plain API) `version`, `description` and `training_data` are
    required; without it they may be absent, and `pending` says that files follow; `number`
    and `imported` are then for an import, which the caller has to see to.
    """
    form = Form(body)
    ask = form.need if strict else form.take
    kind = form.take("kind", one_of(KINDS), "model")
    outside = form.take("external", external, None)
    if (kind == "external") != (outside is not None):
        form.wrong("external", outside, "must be there if kind is 'external', and only then")
    change = RegisterVersion(
        model=form.need("name", names.model_name, ""),
        label=ask("version", names.version_label, None),
        description=ask("description", text, ""),
        training_data=ask("training_data", training_data, None),
        stage=form.take("deployment_status", one_of(STAGES), "development"),
        owner=form.take("owner", name, None),
        tags=form.take("tags", tags, {}),
        metrics=form.take("metrics", mapping(number), {}),
        params=form.take("params", mapping(plain), {}),
        source=form.take("source", source, None),
        model_kind=cast(Kind, kind),
        bases=form.take("bases", bases, ()),
        external=outside,
        pending=False if strict else form.take("pending", boolean, False),
        number=None if strict else form.take("number", integer(1, 2**31 - 1), None),
        imported=None if strict else form.take("imported", imported, None),
    )
    why = form.take("reason", reason, "")
    form.close()
    return change, why


def facts(form: Form) -> Facts:
    """The fields of `form` that say what made a version."""
    return Facts(
        metrics=form.take("metrics", mapping(number), {}),
        params=form.take("params", mapping(plain), {}),
        training_data=form.take("training_data", training_data, None),
        source=form.take("source", source, None),
    )
