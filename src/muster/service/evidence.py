"""What was measured of versions: recorded with its report, and read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from muster.domain import evaluations as records
from muster.domain.changes import Evaluate
from muster.domain.errors import NotFound
from muster.domain.evaluations import Evaluation, digest_of_files
from muster.domain.evidence import VERIFIED
from muster.domain.messages import rfc3339
from muster.domain.plan import live_version
from muster.domain.records import Artifact, Json
from muster.service.registry import Registry
from muster.service.submissions import Recorded, Request
from muster.service.values import ChangeFilter, Logged


@dataclass(frozen=True, slots=True)
class Found:
    """An evaluation, the change that recorded it, and whether the version has the files that it was of."""

    evaluation: Evaluation
    by: Logged
    same_files: bool

    def view(self) -> dict[str, Json]:
        """It as the API shows it."""
        said = self.evaluation
        report = said.report
        return {
            "number": said.number,
            "metrics": dict(said.metrics),
            "dataset": said.dataset and dict(said.dataset),
            "report": report and {"path": report.path, "size": report.size, "sha256": report.sha256},
            "evaluator": said.evaluator,
            "notes": said.notes,
            "tool": said.tool or None,
            "by": said.by,
            "verified": said.auth in VERIFIED,
            "teams": list(said.teams),
            "same_files": self.same_files,
            "recorded_at": rfc3339(self.by.entry.time),
            "commit": self.by.commit,
        }


class Keyed(Protocol):
    """Makes the request with its key of the digest of a report; None without a key."""

    def __call__(self, sha256: str) -> Request | None: ...


class Evidence:
    """The evaluations of versions."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    # ------------------------------------------------------------ reads

    def of(self, model: str, number: int) -> list[Found]:
        """All of the live version, the newest first. Raises NotFound."""
        with self._registry.index.snapshot() as now:
            files = digest_of_files(live_version(now, model, number))
            found = records.evaluations(now, model, number)
        # Each was a change of its own, so the changes of that kind are numbered as they are.
        wanted = ChangeFilter(model=model, number=number, kinds=("evaluate",))
        log = self._registry.index.changes(wanted, limit=len(found) + 1)[-len(found) :] if found else []
        return [Found(each, by, each.files == files) for each, by in zip(found, log, strict=True)]

    def one(self, model: str, number: int, at: int) -> Found:
        """The evaluation number `at` of the live version. Raises NotFound."""
        for found in self.of(model, number):
            if found.evaluation.number == at:
                return found
        raise NotFound("evaluation", f"{model}/{number}, number {at}")

    def report(self, model: str, number: int, at: int) -> Artifact:
        """The file that came with it. Raises NotFound."""
        report = self.one(model, number, at).evaluation.report
        if report is None:
            raise NotFound("report", f"of evaluation {at} of {model}/{number}")
        return report

    def answer(self, change: Evaluate, recorded: Recorded) -> Found:
        """What was recorded, now or by an earlier request with the same key, or said the same already."""
        if recorded.logged is None:
            found = self.of(change.model, change.number)
            said = (change.by.name, change.dataset)
            return next(e for e in found if (e.evaluation.by, e.evaluation.dataset) == said)
        entry, commit = recorded.logged.entry, recorded.logged.commit
        (path,) = entry.records
        data = self._registry.history.read(commit, path)
        assert data is not None
        return Found(records.from_bytes(path, data), recorded.logged, same_files=True)

    # ------------------------------------------------------------ writes

    def record_with_report(
        self, change: Evaluate, name: str, chunks: Iterable[bytes], reason: str, keyed: Keyed
    ) -> Recorded:
        """Record the evaluation with the bytes of its report, which are read once it may be. Blocks.

        Raises:
            Denied, Conflict, NotFound: refused; nothing was stored.
        """
        self._registry.check(replace(change, report=Artifact(name, 0, "0" * 64)), change.by, reason)
        with self._registry.artifacts.bringing():
            stored = self._registry.artifacts.put(chunks)
            whole = replace(change, report=replace(stored, path=name))
            return self._registry.submit(whole, change.by, reason, keyed(stored.sha256)).result()
