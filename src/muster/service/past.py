"""Any past moment: the change log gives the commit, Git gives the records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from muster.domain import codec, lfs, names
from muster.domain.errors import Invalid, NotFound
from muster.domain.records import Artifact, Deployment, Environment, Json, Model, Version
from muster.domain.views import deployment_view, model_view, version_view
from muster.service.observing import Report
from muster.service.ports import History, IndexReads
from muster.service.registry import change_view
from muster.service.values import ChangeFilter, Logged

_REMEMBERED: Final = 512  # commits
_COMMIT = re.compile(r"[0-9a-f]{7,40}")


def moment(text: str, field: str = "at") -> datetime:
    """An RFC 3339 time, with its offset, in UTC.

    Raises:
        Invalid: it is none.
    """
    try:
        time = datetime.fromisoformat(text.strip().replace(" ", "+"))
        if time.tzinfo is None:
            raise Invalid.one(field, text, "must say its offset from UTC, such as 2026-01-31T12:00:00Z")
        return time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid.one(field, text, "must be an RFC 3339 time or a commit id") from None


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of one record before and after a change; None: it was not there."""

    path: str
    field: str
    before: Json
    after: Json

    def view(self) -> dict[str, Json]:
        """It as the API shows it."""
        return {"path": self.path, "field": self.field, "before": self.before, "after": self.after}


class Past:
    """Reads of the registry as it was."""

    def __init__(self, index: IndexReads, history: History) -> None:
        self._index = index
        self._history = history
        # What a commit changed never changes, and pages ask for the newest again and again.
        self._fields = lru_cache(_REMEMBERED)(lambda commit: tuple(field_changes(history.diff(commit))))

    def at(self, text: str) -> Logged:
        """The newest change at or before a time, or the change with that commit id.

        Raises:
            Invalid: `text` is neither.
            NotFound: there is no such commit, or the registry did not exist then.
        """
        logged = self._index.change(text) if _COMMIT.fullmatch(text) else self._index.at(moment(text))
        if logged is None:
            raise NotFound("moment", f"{text} (no commit of that id, or before the registry began)")
        return logged

    # ------------------------------------------------------------ values

    def version(self, at: Logged, model: str, number: int) -> Version:
        """The version as it was, with its files. Raises NotFound."""
        data = self._history.read(at.commit, names.version_path(model, number))
        version = codec.version_from_dict(codec.decode(data)) if data else None
        if version is None or version.state == "deleted":
            raise NotFound("version", f"{model}/{number} at {at.commit[:10]}")
        return replace(version, files=tuple(self._files(at, model, number)))

    def model(self, at: Logged, name: str) -> Model:
        """The model as it was. Raises NotFound."""
        data = self._history.read(at.commit, names.model_path(name))
        model = codec.model_from_dict(codec.decode(data)) if data else None
        if model is None or model.deleted:
            raise NotFound("model", f"{name} at {at.commit[:10]}")
        return model

    def environments(self, at: Logged) -> list[Environment]:
        """The environments as they were, by falling rank."""
        found = [
            codec.environment_from_dict(codec.decode(data))
            for _, data in self._history.walk(at.commit, "environments")
        ]
        return sorted(found, key=lambda environment: (-environment.rank, environment.name))

    def environment(self, at: Logged, name: str) -> Environment:
        """An environment as it was. Raises NotFound."""
        for environment in self.environments(at):
            if environment.name == name:
                return environment
        raise NotFound("environment", f"{name} at {at.commit[:10]}")

    def deployment(self, at: Logged, environment: str, model: str) -> Deployment | None:
        """What was declared for the model there; None if nothing ever was."""
        data = self._history.read(at.commit, names.deployment_path(environment, model))
        return codec.deployment_from_dict(codec.decode(data)) if data else None

    def locate(self, at: Logged, text: str) -> tuple[str, int]:
        """The model and number that `text` (a model id or a reference) meant then. Raises NotFound."""
        with self._index.snapshot() as now:
            if (place := now.identified(text)) is not None:
                return place
            reference = names.Reference.parse(text)
            if reference is None:
                raise NotFound("version", text)
            if reference.by == "version":
                number = now.labelled(reference.model, reference.what)
                if number is None and reference.what.isdecimal():
                    number = int(reference.what)
            elif reference.by == "alias":
                number = self.model(at, reference.model).aliases.get(reference.what)
            else:
                deployment = self.deployment(at, reference.what, reference.model)
                number = deployment.version if deployment else None
        if number is None:
            raise NotFound("version", f"{text} at {at.commit[:10]}")
        return reference.model, number

    # ------------------------------------------------------------ views

    def version_record(self, at: Logged, model: str, number: int) -> dict[str, Json]:
        """The record of a version as the API would have shown it then. Raises NotFound."""
        version = self.version(at, model, number)
        times = self._index.times_at(at.position, model, number)
        if times is None:
            raise NotFound("version", f"{model}/{number} at {at.commit[:10]}")
        places = [
            environment.name
            for environment in self.environments(at)
            if (d := self.deployment(at, environment.name, model)) is not None and d.version == number
        ]
        return version_view(version, times, places)

    def model_record(self, at: Logged, name: str) -> dict[str, Json]:
        """The record of a model as it was. Raises NotFound."""
        model = self.model(at, name)
        card = self._history.read(at.commit, names.card_path(name))
        times = self._index.model_times_at(at.position, name)
        if times is None:
            raise NotFound("model", f"{name} at {at.commit[:10]}")
        return model_view(model, times.created_at, times.last_updated, card.decode() if card else None)

    def deployments(
        self,
        at: Logged,
        environment: str | None = None,
        model: str | None = None,
        *,
        after: tuple[str, str] | None = None,
        limit: int | None = None,
    ) -> list[dict[str, Json]]:
        """What was declared, each with the change that declared it and what was observed then.

        By environment and model, beyond the place `after`, at most `limit`.
        """
        records = []
        for placed in self._index.placed_at(at.position, environment, model, after=after, limit=limit):
            deployment = self.deployment(at, placed.environment, placed.model)
            if deployment is None or placed.number is None:
                continue
            version = self.version(at, placed.model, placed.number)
            record = deployment_view(deployment, version.model_id, version.label or str(version.number))
            seen = self.observed(at, placed.environment, placed.model)
            record["by"] = change_view(placed.by)
            record["observed"] = change_view(seen) if seen else None
            records.append(record)
        return records

    def count_deployments(self, at: Logged, environment: str | None = None, model: str | None = None) -> int:
        """How much was declared."""
        return self._index.count_placed_at(at.position, environment, model)

    def undeclared(
        self, at: Logged, environment: str | None = None, model: str | None = None
    ) -> list[tuple[str, str]]:
        """Where something outside ran that nobody had declared, by place."""
        places = self._index.undeclared_at(at.position, environment, model)
        there = {each.name for each in self.environments(at)} if places else set()
        return [
            (where, what)
            for where, what in places
            if where in there
            and self._history.read(at.commit, names.model_path(what)) is not None
            and any(report.known for report in self.reports(at, where, what))
        ]

    def observed(self, at: Logged, environment: str, model: str) -> Logged | None:
        """The newest observation of what really ran there, up to then."""
        wanted = ChangeFilter(model=model, environment=environment, kinds=("observe",))
        return next(iter(self._index.changes(wanted, before=at.position + 1, limit=1)), None)

    def reports(self, at: Logged, environment: str, model: str) -> list[Report]:
        """What each instance outside had last said then, by name; those that had gone are left out."""
        said = [logged.entry for logged in self._index.reported_at(at.position, environment, model)]
        return [
            Report(
                each.instance,
                each.number,
                each.digest,
                each.time,
                each.time,
                known=each.observed != "unknown",
            )
            for each in said
            if each.instance is not None and each.observed != "stopped"
        ]

    def fields(self, commit: str) -> Sequence[FieldChange]:
        """What a commit changed, field by field."""
        return self._fields(commit)

    def _files(self, at: Logged, model: str, number: int) -> Iterator[Artifact]:
        under = names.file_path(model, number, "").rstrip("/")
        for path, data in self._history.walk(at.commit, under):
            sha256, size = lfs.parse_pointer(data)
            yield Artifact(path.removeprefix(f"{under}/"), size, sha256)


def field_changes(edits: Iterable[tuple[str, bytes | None, bytes | None]]) -> list[FieldChange]:
    """(path, before, after) of files, field by field; a file's pointer counts as one field, its digest."""
    found: list[FieldChange] = []
    for path, before, after in edits:
        old, new = _flat(path, before), _flat(path, after)
        found += [
            FieldChange(path, field, old.get(field), new.get(field))
            for field in sorted(old.keys() | new.keys())
            if old.get(field) != new.get(field)
        ]
    return found


def _flat(path: str, data: bytes | None) -> dict[str, Json]:
    """A record's fields by dotted names; other files as the one field `content` or `sha256`."""
    if data is None:
        return {}
    if "/files/" in path:
        return {"sha256": lfs.parse_pointer(data)[0]}
    if not path.endswith(".json"):
        return {"content": data.decode(errors="replace")}
    return dict(_leaves(codec.decode(data)))


def _leaves(value: Json, name: str = "") -> Iterator[tuple[str, Json]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{key}" if name else key)
    else:
        yield name, value
