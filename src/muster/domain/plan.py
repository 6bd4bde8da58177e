"""(change, state before) → what to write. All invariants of the registry are here and in `placing`.

    plan(change, before) → Plan, or NotFound, Conflict, Invalid

Pure: the same change upon the same state gives the same plan.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import singledispatch

from muster.domain import changes as c
from muster.domain import codec, lfs
from muster.domain.bases import as_said, settled
from muster.domain.errors import (
    Conflict,
    ContentDiffers,
    Invalid,
    NotFound,
    Stale,
    Taken,
)
from muster.domain.names import card_path, check_together, file_path, model_id, model_path, version_path
from muster.domain.records import Fields, Json, Model, Version
from muster.domain.snapshot import Plan, Snapshot

MAX_TAGS = 1000
_EXCLUSIVE = ("staging", "production")  # where one version may be meant to be alone


@singledispatch
def plan(change: c.Change, before: Snapshot) -> Plan:  # noqa: ARG001  the registered ones read it
    """The plan of `change` upon `before`.

    Raises:
        NotFound: what it names is not there.
        Conflict: it is not possible as things stand.
        Invalid: it breaks a rule whatever the state.
    """
    raise TypeError(f"no plan for {type(change).__name__}")


# ------------------------------------------------------------ finding


def live_model(before: Snapshot, name: str) -> Model:
    """The model, if it is there and not deleted."""
    model = before.model(name)
    if model is None or model.deleted:
        raise NotFound("model", name)
    return model


def live_version(before: Snapshot, model: str, number: int) -> Version:
    """The version, if it is there and not deleted."""
    version = before.version(model, number)
    if version is None or version.state == "deleted":
        raise NotFound("version", f"{model}/{number}")
    return version


def check_expected(last: str | None, expected: str | None) -> None:
    """Refuse a change to a record that is not as its caller saw it: `last` is the commit that touched it."""
    if expected is not None and last != expected:
        raise Stale(
            f"the record is not at {expected}: {last or 'another change'} touched it last; read it again"
        )


def file_of(model: Model) -> tuple[str, bytes]:
    """Where the model's record goes, and its bytes."""
    return model_path(model.name), codec.encode(codec.model_to_dict(model))


def file_of_version(version: Version) -> tuple[str, bytes]:
    """Where the version's record goes, and its bytes."""
    return version_path(version.model, version.number), codec.encode(codec.version_to_dict(version))


def _merged(tags: Mapping[str, str], updates: Mapping[str, str | None]) -> dict[str, str]:
    """`tags` with the updates; a value of None takes the tag away."""
    merged = {key: value for key, value in {**tags, **updates}.items() if value is not None}
    if len(merged) > MAX_TAGS:
        raise Invalid.one("tags", f"{len(merged)} tags", f"must be at most {MAX_TAGS}")
    return merged


def digest_of_card(text: str | None) -> str:
    """The sha256 of a card; "" if there is none."""
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


# ------------------------------------------------------------ registering


def content(change: c.RegisterVersion) -> dict[str, Json]:
    """What is registered, as plain values: equal content is the same registration."""
    said: dict[str, Json] = {
        "description": change.description,
        "training_data": change.training_data,
        "deployment_status": change.stage,
        "owner": change.owner,
        "tags": dict(change.tags),
        "metrics": dict(change.metrics),
        "params": dict(change.params),
        "source": change.source,
        "kind": change.model_kind,
        "bases": [dict(base) for base in change.bases],
        "external": change.external,
    }
    # Left out without files: digests of registrations that were made before must stay.
    files = {file.path: file.sha256 for file in change.files}
    return said | {"files": files} if files else said


def _differing(change: c.RegisterVersion, there: Version) -> list[str]:
    """The fields in which what is there now differs from what is to be registered."""
    now: dict[str, Json] = {
        "description": there.description,
        "training_data": there.training_data,
        "owner": there.owner,
        "tags": dict(there.tags),
        "metrics": dict(there.metrics),
        "params": dict(there.params),
        "source": there.source,
        "kind": there.kind,
        "bases": [as_said(base) for base in there.bases],
        "external": there.external,
    }
    asked = content(change)
    differing = [field for field in now if codec.canonical(asked[field]) != codec.canonical(now[field])]
    if not differing and change.stage != there.stage:
        # Only then: deployments move the stage, so that what it is now says little of what was registered.
        return ["deployment_status"]
    return differing or ["the content as it was when registered"]


@plan.register
def _(change: c.RegisterVersion, before: Snapshot) -> Plan:
    model = before.model(change.model)
    fresh = model is None or model.deleted
    if fresh and not change.new_model:
        raise NotFound("model", change.model)
    if model is None:
        model = Model(change.model, owner=change.owner)
    elif model.deleted:
        model = Model(change.model, next_number=model.next_number, owner=change.owner)
    number = number_for(change, model)
    registered = hashlib.sha256(codec.canonical(content(change))).hexdigest()
    if change.label is not None:
        there = before.labelled(change.model, change.label)
        if there is not None:
            return _registered_before(change, before, there, registered)
        check_label(change.label, number)
    if (taken := before.version(change.model, number)) is not None:
        return _numbered_before(taken, change, registered)
    new_id = free_id(before, change, number)
    version = Version(
        model=change.model,
        number=number,
        label=change.label,
        model_id=new_id,
        state="pending" if change.pending else "final",
        kind=change.model_kind,
        description=change.description,
        stage=change.stage,
        owner=change.owner,
        tags=_merged({}, change.tags),
        metrics=change.metrics,
        params=change.params,
        training_data=change.training_data,
        source=change.source,
        bases=settled(before, change.bases),
        external=change.external,
        signature=change.signature,
        imported=change.imported,
        registered=registered,
    )
    check_together(file.path for file in change.files)
    edits: dict[str, bytes | None] = {
        file_path(change.model, number, file.path): lfs.pointer(file.sha256, file.size)
        for file in change.files
    }
    counted = replace(model, next_number=max(model.next_number, number + 1))
    edits.update([file_of_version(version), file_of(counted)])
    subject = f"Register {change.model} {change.label or number}"
    return Plan(
        subject if not fresh else f"{subject} (new model)",
        change.model,
        number,
        edits=edits,
    )


def number_for(change: c.RegisterVersion, model: Model | None) -> int:
    """The number of the version to be: the model's next one, unless the version comes with one."""
    if change.number is not None:
        return change.number
    return model.next_number if model else 1


def check_label(label: str, number: int) -> None:
    """Refuse a label of digits that is not the number of the version, which that would name, too."""
    if label.isdigit() and label != str(number):
        raise Invalid.one(
            "version", label, f"a label of digits must equal the version's number, here {number}"
        )


def free_id(before: Snapshot, change: c.RegisterVersion, number: int) -> str:
    """The model id of the version to be; refused if another goes by it."""
    new_id = model_id(change.model, change.label, number)
    if (taken := before.identified(new_id)) is not None:
        raise Conflict(
            f"the model id {new_id} belongs to model {taken[0]!r}, version {taken[1]} already; "
            f"model {change.model!r} with version {change.label!r} would give the same id: "
            "choose another label"
        )
    return new_id


def _registered_before(change: c.RegisterVersion, before: Snapshot, number: int, registered: str) -> Plan:
    """Nothing to do if the registration is the same, else the conflict."""
    there = before.version(change.model, number)
    if there is None or there.state == "deleted":
        raise Conflict(
            f"{change.model}/{change.label} was deleted, and a deleted version's label is not used again; "
            "choose another"
        )
    if there.registered != registered:
        raise ContentDiffers(there.model_id, _differing(change, there))
    return Plan("", change.model, number)


def _numbered_before(there: Version, change: c.RegisterVersion, registered: str) -> Plan:
    """The same for a version that comes with its number."""
    if there.state == "deleted":
        raise Conflict(
            f"{there.model}/{there.number} was deleted here, and a deleted version's number is not used again"
        )
    if there.registered != registered:
        raise ContentDiffers(there.model_id, _differing(change, there))
    return Plan("", there.model, there.number)


def _imported(there: Fields | None, said: Fields | None, what: str) -> Fields | None:
    """What is known of the times elsewhere, with what an import says anew."""
    if said is None:
        return there
    if there is None:
        raise Conflict(f"{what} was made here and not imported")
    return {**there, **said}


@plan.register
def _(change: c.CreateModel, before: Snapshot) -> Plan:
    there = before.model(change.model)
    if there is not None and not there.deleted:
        raise Taken("model", change.model)
    model = Model(
        name=change.model,
        next_number=there.next_number if there else 1,
        owner=change.owner,
        description=change.description,
        tags=_merged({}, change.tags),
        card=digest_of_card(change.card),
        imported=change.imported,
    )
    edits: dict[str, bytes | None] = dict([file_of(model)])
    if change.card:
        edits[card_path(change.model)] = change.card.encode()
    return Plan(f"Create model {change.model}", change.model, edits=edits)


# ------------------------------------------------------------ describing


@plan.register
def _(change: c.UpdateModel, before: Snapshot) -> Plan:
    model = live_model(before, change.model)
    check_expected(before.model_touched(change.model), change.expected)
    updated = replace(
        model,
        owner=model.owner if change.owner == c.UNSET else change.owner,
        description=model.description if change.description == c.UNSET else change.description,
        tags=_merged(model.tags, change.tags),
        card=model.card if change.card == c.UNSET else digest_of_card(change.card),
        imported=_imported(model.imported, change.imported, model.name),
    )
    edits: dict[str, bytes | None] = {}
    if updated != model:
        edits.update([file_of(updated)])
    if updated.card != model.card:
        edits[card_path(change.model)] = change.card.encode() if change.card else None
    return Plan(f"Update model {change.model}" if edits else "", change.model, edits=edits)


@plan.register
def _(change: c.TagModel, before: Snapshot) -> Plan:
    model = live_model(before, change.model)
    check_expected(before.model_touched(change.model), change.expected)
    updated = replace(model, tags=_merged(model.tags, change.tags))
    if updated == model:
        return Plan("", change.model)
    return Plan(f"Tag model {change.model}", change.model, edits=dict([file_of(updated)]))


@plan.register
def _(change: c.UpdateVersion, before: Snapshot) -> Plan:
    version = live_version(before, change.model, change.number)
    check_expected(before.version_touched(change.model, change.number), change.expected)
    updated = replace(
        version,
        owner=version.owner if change.owner == c.UNSET else change.owner,
        description=version.description if change.description == c.UNSET else change.description,
        tags=_merged(version.tags, change.tags),
        imported=_imported(version.imported, change.imported, version.model_id),
    )
    if updated == version:
        return Plan("", change.model, change.number)
    subject = f"Update {version.model} {version.label or version.number}"
    return Plan(subject, change.model, change.number, edits=dict([file_of_version(updated)]))


@plan.register
def _(change: c.SetStage, before: Snapshot) -> Plan:
    version = live_version(before, change.model, change.number)
    check_expected(before.version_touched(change.model, change.number), change.expected)
    if change.archive_others and change.stage not in _EXCLUSIVE:
        raise Invalid.one("archive_others", True, f"goes only with the stages {' and '.join(_EXCLUSIVE)}")
    others = before.in_stage(change.model, change.stage) if change.archive_others else ()
    archived = [live_version(before, change.model, number) for number in others if number != change.number]
    imported = _imported(version.imported, change.imported, version.model_id)
    moved = []
    if version.stage != change.stage:
        moved = [replace(version, stage=change.stage, imported=imported)]
    moved += [replace(other, stage="archived") for other in archived]
    if not moved:
        return Plan("", change.model, change.number)
    name = f"{version.model} {version.label or version.number}"
    subject = f"Move {name} from {version.stage} to {change.stage}"
    if archived:
        subject += f", archiving {_listed([other.label or str(other.number) for other in archived])}"
    return Plan(
        subject,
        change.model,
        change.number,
        also=tuple(other.number for other in archived),
        edits=dict(map(file_of_version, moved)),
    )


def _listed(words: list[str]) -> str:
    """The first few of `words`, and how many there are more."""
    return ", ".join(words[:3]) + (f" and {len(words) - 3} more" if len(words) > 3 else "")


@plan.register
def _(change: c.SetAlias, before: Snapshot) -> Plan:
    model = live_model(before, change.model)
    check_expected(before.model_touched(change.model), change.expected)
    old = model.aliases.get(change.alias)
    if old == change.number:
        return Plan("", change.model, change.number)
    aliases = {alias: number for alias, number in model.aliases.items() if alias != change.alias}
    if change.number is None:
        subject = f"Remove alias {change.alias} from {change.model}"
    else:
        version = live_version(before, change.model, change.number)
        aliases[change.alias] = change.number
        subject = f"Point {change.model}@{change.alias} at {version.label or version.number}"
    edits = dict([file_of(replace(model, aliases=aliases))])
    also = (old,) if old is not None and change.number is not None else ()
    return Plan(subject, change.model, change.number or old, also=also, edits=edits)


@plan.register
def _(change: c.Note, before: Snapshot) -> Plan:
    version = live_version(before, change.model, change.number)
    first, _, rest = change.message.partition("\n")
    subject = f"Update model {version.model_id}: {first.strip()}"
    return Plan(subject, change.model, change.number, body=rest.strip())
