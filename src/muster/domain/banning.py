"""Bans: versions and files that are not to be used any more, whoever asks and through whichever door.

    bans/versions/<hh>/<model>/<number>.json   {"model": …, "number": …}
    bans/files/<sha256>.json                   {"sha256": …}: every version that holds that file

Why, by whom and since when is said by the commit that wrote the record. What is banned
is deployed nowhere, nobody goes back to it, no alias and no environment's stage leads to
it, nobody downloads it; what runs goes on until it is taken out of service. What was
built on it is not banned, but marked (`service.tracing`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from muster.domain import changes as c
from muster.domain import codec, lfs
from muster.domain.errors import Invalid, NotFound, Objection
from muster.domain.judging import Case, Verdict
from muster.domain.messages import Entry
from muster.domain.names import fan
from muster.domain.plan import live_version, plan
from muster.domain.records import Deployment, Version
from muster.domain.retracting import retracted_data
from muster.domain.snapshot import Plan, Snapshot

BANS: Final = "bans"
RULE: Final = "ban"
_HELP: Final = "an admin can lift the ban: muster unban"


def bans_of_model(model: str) -> str:
    """The folder of the bans of a model's versions."""
    return f"{BANS}/versions/{fan(model)}"


def version_ban_path(model: str, number: int) -> str:
    """The record that says that the version is banned."""
    return f"{bans_of_model(model)}/{number}.json"


def file_ban_path(sha256: str) -> str:
    """The record that says that every version with that file is banned."""
    return f"{BANS}/files/{sha256}.json"


def ban_paths(version: Version) -> list[str]:
    """The records any of which would ban the version."""
    files = dict.fromkeys(file_ban_path(file.sha256) for file in version.files)
    return [version_ban_path(version.model, version.number), *files]


def banned_by(before: Snapshot, version: Version) -> str | None:
    """The path of a record that bans the version; None if it may be used."""
    return next((path for path in ban_paths(version) if before.document(path) is not None), None)


def is_banned(before: Snapshot, model: str, number: int) -> bool:
    """Whether there is such a version, and it is banned."""
    version = before.version(model, number)
    return version is not None and banned_by(before, version) is not None


# ------------------------------------------------------------ banning


def _about(change: c.Ban | c.LiftBan, before: Snapshot) -> tuple[str, str, bytes]:
    """What is banned or freed, in words; the record's path and bytes. Raises NotFound and Invalid."""
    if (change.sha256 is None) == (change.model is None or change.number is None):
        raise Invalid.one("of", None, "must be a version or a sha256")
    if change.sha256 is not None:
        record = codec.encode({"sha256": change.sha256})
        return f"sha256:{change.sha256}", file_ban_path(change.sha256), record
    assert change.model is not None
    assert change.number is not None
    find = live_version if isinstance(change, c.Ban) else _any_version
    version = find(before, change.model, change.number)
    path = version_ban_path(version.model, version.number)
    record = codec.encode({"model": version.model, "number": version.number})
    return f"{version.model} {version.label or version.number}", path, record


def _any_version(before: Snapshot, model: str, number: int) -> Version:
    version = before.version(model, number)
    if version is None:
        raise NotFound("version", f"{model}/{number}")
    return version


@plan.register
def _(change: c.Ban, before: Snapshot) -> Plan:
    what, path, record = _about(change, before)
    if before.document(path) is not None:
        return Plan("", change.model, change.number)
    return Plan(f"Ban {what}", change.model, change.number, edits={path: record})


@plan.register
def _(change: c.LiftBan, before: Snapshot) -> Plan:
    what, path, _ = _about(change, before)
    if before.document(path) is None:
        raise NotFound("ban", what)
    return Plan(f"Lift the ban of {what}", change.model, change.number, edits={path: None})


# ------------------------------------------------------------ judging


def judge(case: Case, before: Snapshot) -> Verdict:
    """What bans and retracted data have against a change, by what it comes to, not by its kind."""
    if isinstance(case.change, c.RenameModel):  # everything of it is there already, by another name
        return Verdict()
    return Verdict(tuple(dict.fromkeys(_objections(case, before))))


def _objections(case: Case, before: Snapshot) -> Iterator[Objection]:
    for path, data in case.planned.edits.items():
        if data is None:
            continue
        match path.split("/"):
            case ["deployments", *_]:
                yield from _of_deployment(codec.deployment_from_dict(codec.decode(data)), before)
            case ["models", _, _, "model.json"] if b'"aliases"' in data:
                yield from _of_aliases(data, before)
            case ["models", _, _, "versions", _, "version.json"]:
                version = codec.version_from_dict(codec.decode(data))
                yield from _of_version(version, case.planned, before)
            case ["models", _, _, "versions", _, "files", *_]:
                sha256, _ = lfs.parse_pointer(data)
                yield from _against(before, file_ban_path(sha256), f"the file sha256:{sha256}")


def _of_deployment(new: Deployment, before: Snapshot) -> Iterator[Objection]:
    old = before.deployment(new.environment, new.model)
    if new.version is None or (old and (old.version, old.config) == (new.version, new.config)):
        return
    yield from _of_use(before, new.model, new.version)


def _of_aliases(data: bytes, before: Snapshot) -> Iterator[Objection]:
    model = codec.model_from_dict(codec.decode(data))
    there = before.model(model.name)
    known = there.aliases if there else {}
    for alias, number in model.aliases.items():
        if known.get(alias) != number:
            yield from _of_use(before, model.name, number)


def _of_version(new: Version, planned: Plan, before: Snapshot) -> Iterator[Objection]:
    old = before.version(new.model, new.number)
    if old is not None and new.state == "final" and old.state == "pending":
        for file in old.files:
            yield from _against(before, file_ban_path(file.sha256), f"the file sha256:{file.sha256}")
    if old is not None and new.stage != old.stage and new.state != "deleted":
        stages = {environment.stage for environment in before.every_environment()}
        if new.stage in stages and not _leaves(new, planned, before):
            yield from _of_use(before, new.model, new.number)
    if old is None or new.training_data != old.training_data:
        yield from retracted_data(before, new)


def _leaves(version: Version, planned: Plan, before: Snapshot) -> bool:
    """Whether it goes a step down because it is taken out of service somewhere."""
    for path, data in planned.edits.items():
        if data is not None and path.startswith("deployments/"):
            new = codec.deployment_from_dict(codec.decode(data))
            old = before.deployment(new.environment, new.model)
            if old and old.model == version.model and old.version == version.number != new.version:
                return True
    return False


def _of_use(before: Snapshot, model: str, number: int) -> Iterator[Objection]:
    version = before.version(model, number)
    if version is None:
        return
    for path in ban_paths(version):
        yield from _against(before, path, f"{model} {version.label or number}")


def _against(before: Snapshot, path: str, what: str) -> Iterator[Objection]:
    if before.document(path) is not None:
        yield objection(path, what, _writer(before, path))


def _writer(before: Snapshot, path: str) -> Entry | None:
    return next(reversed(before.document_log(path)), None)


def objection(path: str, what: str, by: Entry | None) -> Objection:
    """That `what` is banned by the record at `path`, which the change `by` wrote."""
    through = path.removeprefix(f"{BANS}/files/").removesuffix(".json")
    of_file = path.startswith(f"{BANS}/files/") and through not in what
    said = f"{what} is banned" + (f" with its file sha256:{through}" if of_file else "")
    if by is not None:
        said += f" by {by.actor} since {by.time:%Y-%m-%d %H:%M} UTC"
        said += f": {by.reason}" if by.reason else ""
    return Objection(RULE, said, _HELP)
