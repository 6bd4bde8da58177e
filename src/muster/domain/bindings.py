"""What an approval is for: when one of these changes it is for something else, and does not count.

files          the sha256 of each file of the version
version        what the version says of itself, its stage and places left out
evidence       what was measured of it
configuration  how it is to run
replaces       what is there now: the version deployed and its configuration, the record to be changed
rules          the environments that ask for the approvals
policies       the rules that hold everywhere
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

from muster.domain import changes as c
from muster.domain import codec
from muster.domain.documents import is_document
from muster.domain.names import environment_path, evaluations_folder
from muster.domain.placing import rolled_back
from muster.domain.protected import Demand
from muster.domain.records import Fields, Json
from muster.domain.releasing import Part, parts_of
from muster.domain.snapshot import Plan, Snapshot

WORDS: Final = {
    "files": "the files",
    "version": "what the version says of itself",
    "evidence": "the evidence",
    "configuration": "the configuration",
    "replaces": "what it replaces",
    "rules": "the rules of the environment",
    "policies": "the policies",
}


def bound(change: c.Change, planned: Plan, demands: Iterable[Demand], before: Snapshot) -> dict[str, Json]:
    """All of it as it is now, as plain values: what does not apply is left out."""
    if isinstance(change, (c.Release, c.ReleaseBack)):
        found = _of_parts(parts_of(change, before), planned, before)
    else:
        found = _of_one(change, planned, before)
    names = sorted({each.environment for each in demands})
    there = [(name, before.environment(name)) for name in names]
    found["rules"] = _digest({name: codec.environment_to_dict(each) for name, each in there if each})
    found["policies"] = _digest([_documents(before, folder) for folder in ("policies", "requirements")])
    return found


def _of_one(change: c.Change, planned: Plan, before: Snapshot) -> dict[str, Json]:
    """What is its own of what it is for."""
    found: dict[str, Json] = {}
    subject = version_of(change, before)
    if subject is not None and (version := before.version(*subject)) is not None:
        found["files"] = {file.path: file.sha256 for file in version.files}
        said = codec.version_to_dict(version)
        found["version"] = _digest({key: said[key] for key in said if key not in ("stage", "imported")})
        found["evidence"] = _documents(before, evaluations_folder(*subject))
    if isinstance(change, c.RegisterVersion):
        found["files"] = {file.path: file.sha256 for file in change.files}
    if isinstance(change, c.Deploy):
        found["configuration"] = codec.config_to_dict(change.config)
    found["replaces"] = _replaced(change, planned, before)
    return found


def _of_parts(parts: Iterable[Part], planned: Plan, before: Snapshot) -> dict[str, Json]:
    """The same of each part of a change that moves several models at once, by its model."""
    found: dict[str, Json] = {}
    for part in parts:
        for name, value in _of_one(part, planned, before).items():
            found.setdefault(name, {})[part.model] = value
    return found


def version_of(change: c.Change, before: Snapshot) -> tuple[str, int] | None:
    """The version that is to be somewhere, or to be called something, by its model and number."""
    if isinstance(change, c.RollBack):
        number = rolled_back(change, before)[1].version
        return None if number is None else (change.model, number)
    if isinstance(change, c.Undeploy):
        return None
    model, number = getattr(change, "model", None), getattr(change, "number", None)
    return None if model is None or number is None else (model, number)


def changed(then: Fields, now: Fields) -> tuple[str, ...]:
    """Which of it is not as it was, in the order above."""
    return tuple(each for each in WORDS if then.get(each) != now.get(each))


def _replaced(change: c.Change, planned: Plan, before: Snapshot) -> Json:
    """What is there now, where the change writes."""
    match change:
        case c.Deploy() | c.RollBack() | c.Undeploy():
            deployment = before.deployment(change.environment, change.model)
            if deployment is None or deployment.version is None:
                return None
            return {"version": deployment.version, "config": codec.config_to_dict(deployment.config)}
        case c.SetStage(model, _, stage):
            return list(before.in_stage(model, stage))
        case c.SetAlias(model, alias):
            there = before.model(model)
            return there.aliases.get(alias) if there else None
    records = {path: _record(before, path) for path in sorted(planned.edits)}
    return {path: digest for path, digest in records.items() if digest is not None}


def _record(before: Snapshot, path: str) -> str | None:
    """The sha256 of a record that stands by itself."""
    if is_document(path):
        data = before.document(path)
        return hashlib.sha256(data).hexdigest() if data is not None else None
    for environment in before.every_environment():
        if path == environment_path(environment.name):
            return _digest(codec.environment_to_dict(environment))
    return None


def _documents(before: Snapshot, folder: str) -> str:
    found = before.documents(folder)
    return _digest({path: hashlib.sha256(data).hexdigest() for path, data in found})


def _digest(value: Json) -> str:
    return hashlib.sha256(codec.canonical(value)).hexdigest()
