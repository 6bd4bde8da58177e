"""Plans for what moves many files: those of versions, deleting, and renaming a model."""

from __future__ import annotations

from dataclasses import replace

from muster.domain import changes as c
from muster.domain import codec, lfs
from muster.domain.banning import bans_of_model
from muster.domain.errors import Conflict, Immutable, NotFound, Stale, Taken
from muster.domain.evaluations import pointers
from muster.domain.names import (
    access_path,
    card_path,
    check_together,
    deployment_path,
    file_path,
    model_folder,
    model_id,
    model_path,
    version_path,
)
from muster.domain.plan import (
    check_expected,
    digest_of_card,
    file_of,
    file_of_version,
    live_model,
    live_version,
    plan,
)
from muster.domain.records import Artifact, Model, Version
from muster.domain.snapshot import Plan, Snapshot


def _open_for_files(before: Snapshot, model: str, number: int) -> Version:
    """The version, if files may still come; a final one without files is opened, once."""
    version = live_version(before, model, number)
    if version.state == "pending":
        return version
    if version.kind == "external":
        raise Immutable(f"{version.model_id} runs elsewhere (kind external) and takes no files")
    if version.files or version.files_attached:
        raise Immutable(f"{version.model_id} is final: its files are fixed; register a new version")
    return replace(version, state="pending", files_attached=True)


@plan.register
def _(change: c.AttachFile, before: Snapshot) -> Plan:
    version = _open_for_files(before, change.model, change.number)
    path = change.file.path
    if any(there == change.file for there in version.files):
        return Plan("", change.model, change.number)
    check_together([*(there.path for there in version.files if there.path != path), path])
    edits: dict[str, bytes | None] = {
        file_path(change.model, change.number, path): lfs.pointer(change.file.sha256, change.file.size)
    }
    if before.version(change.model, change.number) != version:
        edits.update([file_of_version(version)])
    subject = f"Attach {path} to {version.model} {version.label or version.number}"
    return Plan(subject, change.model, change.number, edits=edits)


def check_listed(version: Version, path: str) -> None:
    """Refuse a path that is none of the version's files."""
    if not any(file.path == path for file in version.files):
        raise NotFound("file", f"{version.reference}/{path}")


def check_pending(version: Version) -> None:
    """Refuse to take anything out of what is final."""
    if version.state != "pending":
        raise Immutable(f"{version.model_id} is final: its files are fixed; register a new version")


@plan.register
def _(change: c.DetachFile, before: Snapshot) -> Plan:
    version = live_version(before, change.model, change.number)
    check_listed(version, change.path)
    check_pending(version)
    return Plan(
        f"Detach {change.path} from {version.model} {version.label or version.number}",
        change.model,
        change.number,
        edits={file_path(change.model, change.number, change.path): None},
    )


@plan.register
def _(change: c.Finalize, before: Snapshot) -> Plan:
    version = live_version(before, change.model, change.number)
    if version.state == "final":
        return Plan("", change.model, change.number)
    if not version.files:
        raise Conflict(f"{version.model_id} has no files yet: upload at least one, then finalize")
    final = replace(_with_facts(version, change.facts), state="final", signature=change.signature)
    subject = f"Finalize {version.model} {version.label or version.number} ({_counted(version.files)})"
    return Plan(subject, change.model, change.number, edits=dict([file_of_version(final)]))


def _with_facts(version: Version, facts: c.Facts) -> Version:
    """The version with what it did not say; what it said stays."""
    return replace(
        version,
        metrics={**facts.metrics, **version.metrics},
        params={**facts.params, **version.params},
        training_data=facts.training_data if version.training_data is None else version.training_data,
        source={**(facts.source or {}), **(version.source or {})} or None,
    )


def _counted(files: tuple[Artifact, ...]) -> str:
    return "1 file" if len(files) == 1 else f"{len(files)} files"


# ------------------------------------------------------------ deleting


def _moved(before: Snapshot, version: Version, name: str) -> dict[str, bytes | None]:
    """The edits that make `version` one of the model `name`."""
    new = replace(version, model=name, model_id=model_id(name, version.label, version.number))
    if (taken := before.identified(new.model_id)) is not None and taken[0] != version.model:
        raise Conflict(f"the model id {new.model_id} belongs to model {taken[0]!r} already")
    edits: dict[str, bytes | None] = {version_path(version.model, version.number): None}
    for file in version.files:
        edits[file_path(version.model, version.number, file.path)] = None
        edits[file_path(name, version.number, file.path)] = lfs.pointer(file.sha256, file.size)
    return edits | dict([file_of_version(new)])


@plan.register
def _(change: c.RenameModel, before: Snapshot) -> Plan:
    model = live_model(before, change.model)
    check_expected(before.model_touched(change.model), change.expected)
    if change.new_name == change.model:
        return Plan("", change.model)
    there = before.model(change.new_name)
    if there is not None and not there.deleted:
        raise Taken("model", change.new_name)
    if there is not None and there.next_number > 1:
        raise Conflict(
            f"{change.new_name!r} was deleted, and the numbers of its versions are not used again; "
            "choose another name"
        )
    if digest_of_card(change.card) != model.card:
        raise Stale(f"the card of {change.model} changed meanwhile; try again")
    if deployed := places(before, change.model, None):
        raise Immutable(f"{change.model} has a version deployed in {', '.join(deployed)}; undeploy it first")
    if before.documents(bans_of_model(change.model)):
        # The record would move, and its commit with it, which says who banned it and why.
        raise Immutable(f"{change.model} has a version that is banned; lift the ban, rename, ban it again")
    edits: dict[str, bytes | None] = {model_path(change.model): None}
    if model.card:
        edits |= {card_path(change.model): None, card_path(change.new_name): change.card.encode()}
    edits.update([file_of(replace(model, name=change.new_name))])
    also = []
    for number in before.numbers(change.model):
        version = before.version(change.model, number)
        assert version is not None
        edits |= _moved(before, version, change.new_name)
        if version.state != "deleted":
            also.append(number)
    for deployment in before.deployments_of(change.model):
        edits[deployment_path(deployment.environment, change.model)] = None
    old, new = model_folder(change.model), model_folder(change.new_name)
    for path, record in before.documents(old):
        moved = {path: record} | (pointers(path, record) if "/evaluations/" in path else {})
        edits |= dict.fromkeys(moved)
        edits |= {f"{new}{each.removeprefix(old)}": content for each, content in moved.items()}
    return Plan(
        f"Rename model {change.model} to {change.new_name}",
        change.new_name,
        also=tuple(also),
        edits=edits,
        renamed=change.model,
    )


def _tombstone(version: Version) -> dict[str, bytes | None]:
    """The edits that leave only number, label and id of `version`, and what it was made from.

    That one stays: what was made from something is found through what is deleted, too.
    """
    gone = Version(
        version.model,
        version.number,
        version.label,
        version.model_id,
        state="deleted",
        training_data=version.training_data,
        bases=version.bases,
    )
    pointers = {file_path(version.model, version.number, file.path): None for file in version.files}
    return {**pointers, **dict([file_of_version(gone)])}


def places(before: Snapshot, model: str, number: int | None) -> list[str]:
    """The environments in which the version is deployed; with None any version of the model."""
    return [
        d.environment
        for d in before.deployments_of(model)
        if d.version is not None and number in (None, d.version)
    ]


@plan.register
def _(change: c.DeleteVersion, before: Snapshot) -> Plan:
    version = live_version(before, change.model, change.number)
    check_expected(before.version_touched(change.model, change.number), change.expected)
    if deployed := places(before, change.model, change.number):
        raise Immutable(f"{version.model_id} is deployed in {', '.join(deployed)}; undeploy it first")
    edits = _tombstone(version)
    model = live_model(before, change.model)
    aliases = {alias: number for alias, number in model.aliases.items() if number != change.number}
    if aliases != model.aliases:
        edits.update([file_of(replace(model, aliases=aliases))])
    for deployment in before.deployments_of(change.model):
        earlier = tuple(e for e in deployment.earlier if e.version != change.number)
        if earlier != deployment.earlier:
            path = deployment_path(deployment.environment, change.model)
            edits[path] = codec.encode(codec.deployment_to_dict(replace(deployment, earlier=earlier)))
    subject = f"Delete {version.model} {version.label or version.number}"
    return Plan(subject, change.model, change.number, edits=edits)


@plan.register
def _(change: c.DeleteModel, before: Snapshot) -> Plan:
    model = live_model(before, change.model)
    check_expected(before.model_touched(change.model), change.expected)
    if deployed := places(before, change.model, None):
        raise Immutable(f"{change.model} has a version deployed in {', '.join(deployed)}; undeploy it first")
    edits: dict[str, bytes | None] = {card_path(change.model): None} if model.card else {}
    also = []
    for number in before.numbers(change.model):
        version = before.version(change.model, number)
        if version is not None and version.state != "deleted":
            edits.update(_tombstone(version))
            also.append(number)
    for deployment in before.deployments_of(change.model):
        edits[deployment_path(deployment.environment, change.model)] = None
    if before.document(access_path(change.model)) is not None:
        edits[access_path(change.model)] = None
    edits.update([file_of(Model(change.model, next_number=model.next_number, deleted=True))])
    return Plan(f"Delete model {change.model}", change.model, also=tuple(also), edits=edits)
