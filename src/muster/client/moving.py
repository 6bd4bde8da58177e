"""A registry elsewhere, brought here: each model, version and alias as an import, as often as one likes.

What is here already stays. Of a record that came by an import, what changed elsewhere
since is taken over, field by field, but for fields that somebody changed here. So
nothing needs to be remembered between two runs, and one that was killed just runs again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, Final

from muster.client.calls import given, path
from muster.client.elsewhere import Elsewhere, TheirModel, TheirVersion
from muster.client.merging import Merge
from muster.client.moved import DIGESTS, FILES, HISTORY, ORIGIN, REASONS, WHO, Kept, Refused, Report
from muster.client.tables import Record
from muster.domain.errors import Invalid, MusterError, NotFound, OutcomeUnknown, StorageFull, Unavailable

if TYPE_CHECKING:
    from muster.client import Client

_AT_ONCE: Final = 8  # models
_BATCH: Final = 64
_OURS: Final = "a model of that name was made here; nothing is mixed into it"
_ANOTHER_MODEL: Final = "another model of that name was imported; nothing is mixed into it"
_DELETED: Final = "it was deleted here"
_ANOTHER: Final = "another version has that number here"

Progress = Callable[[int, int, Report], None]
"""Told how many of how many models are done, and what came of them so far."""


class Import:
    """The import of one registry. `run` may be called again, for what changed there since."""

    def __init__(
        self,
        client: Client,
        there: Elsewhere,
        *,
        files: bool = False,
        runs: bool = True,
        reason: str = "",
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """With `files` versions come with their files, with `runs` with what made them."""
        self._client = client.importing()
        self._there = there
        self._files = files
        self._runs = runs
        self._reason = reason or f"Imported from MLflow at {there.address}"
        self._dry_run = dry_run
        self._progress = progress or (lambda _done, _of, _report: None)
        self._seen: dict[str, bytes] = {}

    def run(self) -> Report:
        """Bring what is there and not here.

        Raises:
            Unavailable: either side does not answer; what was brought stays, and another run goes on.
        """
        report = Report(self._there.address, self._dry_run)
        models = {model.name: model for model in self._there.models()}
        done = 0
        self._progress(done, len(models), report)
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="import") as pool:
            groups = self._groups(dict(models))
            while batch := list(islice(groups, _BATCH)):
                for each in pool.map(lambda group: self._model(*group), batch):
                    report.add(each)
                    done += 1
                    self._progress(done, len(models), report)
        return report

    def _groups(self, models: dict[str, TheirModel]) -> Iterator[tuple[TheirModel, list[TheirVersion]]]:
        """Each model with its versions; at the end those without any."""
        for name, versions in groupby(self._there.versions(), lambda version: version.model):
            # One that is not listed was made while this runs; it comes with the next run.
            if (model := models.pop(name, None)) is not None:
                yield model, list({version.number: version for version in versions}.values())
        yield from ((model, []) for model in models.values())

    def _model(self, model: TheirModel, versions: Sequence[TheirVersion]) -> Report:
        """Bring one model."""
        said = hashlib.sha256(repr((model, versions)).encode()).digest()
        bringing = _Bringing(self._client, self._there, self._reason, self._report(), self._files, self._runs)
        if self._seen.get(model.name) == said:
            bringing.report.there += {"models": 1, "versions": len(versions)}
        else:
            bringing.model(model, versions)
            if not bringing.report.refused:
                self._seen[model.name] = said
        return bringing.report

    def _report(self) -> Report:
        return Report(self._there.address, self._dry_run)


class _Bringing:
    """One model on its way."""

    def __init__(
        self, client: Client, there: Elsewhere, reason: str, report: Report, files: bool, runs: bool
    ) -> None:
        self.report = report
        self._client = client
        self._there = there
        self._reason = reason
        self._files = files
        self._runs = runs
        self._merge = Merge(client, reason, report)

    def model(self, model: TheirModel, versions: Sequence[TheirVersion]) -> None:
        """Bring the model, its versions, then what its aliases mean."""
        ours = self._found(model.name)
        if ours is None:
            if not self._made(model):
                return
        elif not ours.get("imported") or ours["created_at"] != model.created_at:
            why = _ANOTHER_MODEL if ours.get("imported") else _OURS
            self.report.kept.append(Kept(model.name, "", ours["created_at"], model.created_at, why))
            return
        else:
            self.report.there["models"] += 1
        here = {each["number"]: each for each in self._client.versions(model.name)} if ours else {}
        brought = {version.number for version in versions if self._version(version, here.get(version.number))}
        self._gone(model.name, here.values(), versions)
        if self.report.dry_run and ours is None:
            self.report.brought["aliases"] += sum(number in brought for number in model.aliases.values())
            return
        self._merge.model(model, brought, fresh=ours is None)

    def _found(self, name: str) -> Record | None:
        """The model here; None also for a name that no model here can have, which making it will say."""
        try:
            return self._client.model(name)
        except (NotFound, Invalid):
            return None

    def _made(self, model: TheirModel) -> bool:
        """Make the model; whether that went well."""
        if self._client.changes(model=model.name, kinds=("delete-model",), limit=1):
            self.report.kept.append(Kept(model.name, "", None, None, _DELETED))
            return False
        fields = {
            "name": model.name,
            "description": model.description,
            "tags": dict(model.tags),
            "imported": self._times(model),
            "reason": self._reason,
        }
        write = partial(self._client.calls.write, "POST", path("models"), fields, dry_run=self.report.dry_run)
        if not self._done(model.name, write):
            return False
        self.report.brought["models"] += 1
        self.report.brought["tags"] += len(model.tags)
        return True

    def _version(self, version: TheirVersion, ours: Record | None) -> bool:
        """Bring a version, or what changed of it; whether it is here then."""
        if ours is not None:
            if not _is_that(ours, version):
                self.report.kept.append(Kept(version.ref, "", _said(ours), _said(version), _ANOTHER))
                return False
            self.report.there["versions"] += 1
            self._merge.version(version, ours)
            if self._wanted(version) and (ours["state"] == "pending" or not ours["files"]):
                self._bring_files(version)
            return True
        facts = self._there.facts(version) if self._runs and version.kind != "prompt" else {}
        if not self._registered(version, facts):
            return False
        has_files = self._wanted(version) and self._bring_files(version)
        self._lacks(version, facts, has_files=has_files)
        return True

    def _registered(self, version: TheirVersion, facts: Mapping[str, Any]) -> bool:
        """Register the version; whether that went well."""
        if not version.ready:
            self.report.refused.append(Refused(version.ref, "its registration there never ended"))
            return False
        said = given(uri=version.source, run_id=version.run_id, run_url=version.run_link)
        source = {**facts.get("source", {}), **said}
        fields = {
            **facts,
            **({"source": source} if source else {}),
            **({"bases": [{"ref": version.copy_of}]} if version.copy_of else {}),
            "number": version.number,
            "description": version.description,
            "tags": dict(version.tags),
            "deployment_status": version.stage,
            "kind": version.kind,
            "imported": self._times(version),
        }
        write = partial(
            self._client.create_version,
            version.model,
            fields,
            reason=self._reason,
            dry_run=self.report.dry_run,
        )
        if not self._done(version.ref, write):
            return False
        self.report.brought["prompt versions" if version.kind == "prompt" else "versions"] += 1
        self.report.brought["tags"] += len(version.tags)
        return True

    def _wanted(self, version: TheirVersion) -> bool:
        return self._files and version.kind != "prompt" and not self.report.dry_run

    def _bring_files(self, version: TheirVersion) -> bool:
        """Give the version its files; whether they were within reach."""
        try:
            with self._there.folder(version) as folder:
                record = self._client.attach(version.ref, folder, reason=self._reason)
        except (StorageFull, OutcomeUnknown):
            raise
        except (MusterError, OSError, ImportError) as error:
            if isinstance(error, Unavailable):
                self._client.healthy()  # else it is ours that does not answer, and this says so
            self.report.out_of_reach.append(Refused(version.ref, str(error)))
            return False
        self.report.brought["files"] += len(record["files"])
        return True

    def _lacks(self, version: TheirVersion, facts: Mapping[str, Any], *, has_files: bool) -> None:
        """Count what is not recorded of a version that was brought."""
        is_prompt = version.kind == "prompt"
        lacks = {
            REASONS: True,
            HISTORY: True,
            WHO: "user" not in facts.get("source", {}),
            ORIGIN: not facts and not is_prompt,
            FILES: not has_files and not is_prompt,
            DIGESTS: not has_files and not is_prompt,
        }
        self.report.lacking.update(word for word, is_lacking in lacks.items() if is_lacking)

    def _gone(self, name: str, here: Iterable[Record], versions: Iterable[TheirVersion]) -> None:
        """Tell of versions that came from there and are there no more."""
        there = {version.number for version in versions}
        self.report.gone += [
            f"{name}/{each['number']}"
            for each in here
            if each.get("imported") and each["number"] not in there
        ]

    def _times(self, each: TheirModel | TheirVersion) -> dict[str, str]:
        return {
            "from": self._there.address,
            "created_at": each.created_at,
            "last_updated": each.last_updated,
        }

    def _done(self, what: str, write: Callable[[], Record]) -> bool:
        """Whether the write went well; what was refused is reported. Raises Unavailable."""
        try:
            answer = write()
        except Unavailable:
            raise
        except MusterError as error:
            self.report.refused.append(Refused(what, error.message))
            return False
        objections = answer.get("objections", []) if self.report.dry_run else []
        self.report.refused += [Refused(what, each["message"]) for each in objections]
        return not objections


def _is_that(ours: Record, theirs: TheirVersion) -> bool:
    """Whether it is the same version: its content never changes, neither here nor there."""
    return _said(ours) == _said(theirs)


def _said(version: Record | TheirVersion) -> dict[str, str]:
    """What tells two versions of one number apart."""
    if isinstance(version, TheirVersion):
        said = given(uri=version.source, run_id=version.run_id, created_at=version.created_at)
    else:
        source = version["source"] or {}
        said = given(uri=source.get("uri"), run_id=source.get("run_id"), created_at=version["created_at"])
    return said
