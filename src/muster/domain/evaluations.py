"""What was measured of a version, by whom, on which data: records that are appended and never change.

    models/<hh>/<name>/versions/<n>/evaluations/<k>.json             the record
    models/<hh>/<name>/versions/<n>/evaluations/<k>/files/<report>   a Git LFS pointer to its report

Other records leave it to their commits to say who wrote them. This one says it itself,
with how that was known and the teams that they were of: rules ask for it, it must not
depend on which commit moved the file last, and a team that somebody joins later gives
nothing that they did before a weight that it had not. `files` is the digest of the
version's files as they were evaluated: with others it says nothing of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast, get_args

from muster.domain import access, codec, lfs
from muster.domain import changes as c
from muster.domain.changes import Auth
from muster.domain.errors import Invalid, NotFound, Objection
from muster.domain.judging import Case, Verdict
from muster.domain.names import (
    actor_id,
    artifact_path,
    digest,
    evaluation_path,
    evaluations_folder,
    report_path,
)
from muster.domain.parse import Form, integer, mapping, name, number, one_of, text
from muster.domain.placing import check_final
from muster.domain.plan import live_version, plan
from muster.domain.records import Artifact, Fields, Json, Version
from muster.domain.snapshot import Plan, Snapshot

_SHOWN = 3  # metrics in a commit's subject


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation. `dataset` has `name`, `sha256`, `uri`, each if it was said."""

    by: str
    auth: Auth = "none"
    teams: tuple[str, ...] = ()
    evaluator: str = ""
    files: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    dataset: Fields | None = None
    report: Artifact | None = None
    notes: str = ""
    tool: str = ""
    number: int = field(default=0, compare=False)
    """Of the version's evaluations, from 1; the path says it."""

    @property
    def sha256(self) -> str | None:
        """The digest of the data, if it was said."""
        return (self.dataset or {}).get("sha256")


def digest_of_files(version: Version) -> str:
    """The sha256 of which files the version has, by path."""
    return hashlib.sha256(codec.canonical({file.path: file.sha256 for file in version.files})).hexdigest()


# ------------------------------------------------------------ files


def to_dict(evaluation: Evaluation) -> dict[str, Json]:
    """The content of the record; what is empty is left out."""
    report = evaluation.report
    record: dict[str, Json] = {
        "by": evaluation.by,
        "auth": evaluation.auth,
        "evaluator": evaluation.evaluator,
        "files": evaluation.files,
        "teams": list(evaluation.teams),
        "metrics": dict(evaluation.metrics),
        "dataset": evaluation.dataset and dict(evaluation.dataset),
        "report": report and {"path": report.path, "sha256": report.sha256, "size": report.size},
        "notes": evaluation.notes,
        "tool": evaluation.tool,
    }
    return {key: value for key, value in record.items() if value not in (None, "", [], {})}


def to_bytes(evaluation: Evaluation) -> bytes:
    """The file of the record."""
    return codec.encode(to_dict(evaluation))


@lru_cache(maxsize=4096)
def from_bytes(path: str, data: bytes) -> Evaluation:
    """The reverse of `to_bytes`; the number is from the path.

    Raises:
        Invalid: it is no such record, naming what is wrong.
    """
    stem = path.rpartition("/")[2].removesuffix(".json")
    if not stem.isdecimal():
        raise Invalid.one("path", path, "must end in the number of the evaluation and .json")
    try:
        record = json.loads(data)
    except ValueError:
        raise Invalid.one(path, data[:60], "must be JSON") from None
    form = Form(record, path)
    found = Evaluation(
        by=form.need("by", actor_id, ""),
        auth=cast(Auth, form.need("auth", one_of(get_args(Auth)), "none")),
        evaluator=form.need("evaluator", access.subject, ""),
        files=form.need("files", digest, ""),
        teams=form.take("teams", _teams, ()),
        metrics=form.take("metrics", mapping(number), {}),
        dataset=form.take("dataset", dataset, None),
        report=form.take("report", _report, None),
        notes=form.take("notes", text, ""),
        tool=form.take("tool", name, ""),
        number=int(stem),
    )
    form.close()
    return found


def _teams(value: object, field: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise Invalid.one(field, value, "must be a list of teams")
    return tuple(access.team_name(each, field) for each in value)


def _report(value: object, field: str) -> Artifact:
    form = Form(value, field)
    found = Artifact(
        form.need("path", report_name, ""),
        form.need("size", integer(0, 2**63 - 1), 0),
        form.need("sha256", digest, ""),
    )
    form.close()
    return found


def dataset(value: object, field: str = "dataset") -> Fields:
    """`{name, sha256, uri}`, each optional but one of them there."""
    form = Form(value, field)
    said = {
        "name": form.take("name", name, None),
        "sha256": form.take("sha256", digest, None),
        "uri": form.take("uri", text, None),
    }
    form.close()
    if not any(said.values()):
        raise Invalid.one(field, value, "must say at least one of name, sha256 and uri")
    return {key: item for key, item in said.items() if item is not None}


def report_name(value: object, field: str = "report") -> str:
    """A report's name: a file's path in a version, of one component."""
    found = artifact_path(value, field)
    if "/" in found:
        raise Invalid.one(field, value, "must be a file's name, without a folder")
    return found


# ------------------------------------------------------------ reading


def evaluations(before: Snapshot, model: str, number: int) -> tuple[Evaluation, ...]:
    """All evaluations of the version, the newest first."""
    found = [from_bytes(path, data) for path, data in before.documents(evaluations_folder(model, number))]
    return tuple(sorted(found, key=lambda each: -each.number))


def evaluation(before: Snapshot, model: str, number: int, at: int) -> Evaluation:
    """The evaluation of that number. Raises NotFound."""
    path = evaluation_path(model, number, at)
    data = before.document(path)
    if data is None:
        raise NotFound("evaluation", f"{at} of {model}/{number}")
    return from_bytes(path, data)


def same(before: Snapshot, change: c.Evaluate) -> Evaluation | None:
    """What says the same already, with nothing newer on the same data; None if nothing does."""
    wanted = _wanted(change, live_version(before, change.model, change.number), before)
    for each in evaluations(before, change.model, change.number):
        if each.dataset == wanted.dataset:
            return each if each == wanted else None
    return None


def _wanted(change: c.Evaluate, version: Version, before: Snapshot) -> Evaluation:
    return Evaluation(
        by=change.by.name,
        auth=change.by.auth,
        teams=access.teams_of(before, change.by.name),
        evaluator=change.evaluator or change.by.name,
        files=digest_of_files(version),
        metrics=dict(change.metrics),
        dataset=change.dataset,
        report=change.report,
        notes=change.notes,
        tool=change.tool,
    )


# ------------------------------------------------------------ plan and judge


@plan.register
def _(change: c.Evaluate, before: Snapshot) -> Plan:
    version = live_version(before, change.model, change.number)
    check_final(version)
    if same(before, change) is not None:
        return Plan("", change.model, change.number)
    at = len(before.documents(evaluations_folder(change.model, change.number))) + 1
    edits: dict[str, bytes | None] = {
        evaluation_path(change.model, change.number, at): to_bytes(_wanted(change, version, before))
    }
    if (report := change.report) is not None:
        pointer = lfs.pointer(report.sha256, report.size)
        edits[report_path(change.model, change.number, at, report.path)] = pointer
    subject = f"Evaluate {version.model} {version.label or version.number}{_told(change)}"
    return Plan(subject, change.model, change.number, edits=edits)


def _told(change: c.Evaluate) -> str:
    """The first metrics, and on which data."""
    said = [f"{key}={value:g}" for key, value in sorted(change.metrics.items())]
    rest = [f"{len(said) - _SHOWN} more"] if len(said) > _SHOWN else []
    told = f" ({', '.join([*said[:_SHOWN], *rest])})" if said else ""
    data = change.dataset or {}
    on = data.get("name") or (data.get("sha256") or "")[:12]
    return f"{told} on {on}" if on else told


def judge(case: Case, before: Snapshot) -> Verdict:
    """Object to an evaluation in somebody else's name."""
    if not isinstance(case.change, c.Evaluate):
        return Verdict()
    by, evaluator = case.change.by, case.change.evaluator
    if (by.name, by.auth) != (case.actor.name, case.actor.auth):
        return _not_you(f"{case.actor.name} cannot record what {by.name} evaluated", by.name)
    if evaluator in (None, by.name):
        return Verdict()
    team = str(evaluator).removeprefix(access.TEAM)
    if team == evaluator or not access.is_member(before, by.name, team):
        return _not_you(f"{by.name} cannot evaluate as {evaluator}", str(evaluator))
    return Verdict()


def _not_you(message: str, who: str) -> Verdict:
    told = (
        f"{who} can record it, or a member of it" if who.startswith(access.TEAM) else f"{who} can record it"
    )
    return Verdict((Objection("evaluator", message, told),))


def pointers(path: str, data: bytes) -> dict[str, bytes]:
    """The pointer to the report of the evaluation in the file at `path`, by where it is."""
    report = from_bytes(path, data).report
    if report is None:
        return {}
    return {f"{path.removesuffix('.json')}/files/{report.path}": lfs.pointer(report.sha256, report.size)}
