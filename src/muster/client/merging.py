"""What changed elsewhere since an import, taken over field by field, but never over what was changed here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from muster.client.calls import path
from muster.client.elsewhere import TheirModel, TheirVersion
from muster.client.moved import Kept, Refused, Report
from muster.client.tables import Record
from muster.client.versions import place
from muster.domain.errors import MusterError, Stale, Unavailable
from muster.domain.names import model_path, version_path

if TYPE_CHECKING:
    from muster.client import Client

Fields = dict[str, Any]
"""A record's fields by the names that diffs give them, as `tags.tier`; what is empty is left out."""

_ALIAS: Final = "aliases."
_OF_VERSION: Final = ("register", "update", "stage", "deploy", "rollback", "undeploy")
_OF_MODEL: Final = ("create-model", "update-model", "tag-model", "alias", "register", "delete")
_CHANGED_HERE: Final = "it was changed here"
_UNBROUGHT: Final = "the version that it means was not brought"
_MEANWHILE: Final = "it changed here just now; another run looks again"


class Merge:
    """Brings records that are here up to what is said elsewhere, and counts that in `report`."""

    def __init__(self, client: Client, reason: str, report: Report) -> None:
        self._client = client
        self._reason = reason
        self._report = report

    def version(self, theirs: TheirVersion, ours: Record) -> None:
        """Take over description, tags and stage."""
        wanted = _described(theirs.description, theirs.tags) | {"stage": theirs.stage}
        if wanted == _of_version(ours):
            return
        where = place(ours)
        now = self._client.calls.record(where)  # with what it must still be when it is written
        file = version_path(theirs.model, theirs.number)
        log = partial(self._changed_here, file, _OF_VERSION, theirs.model, theirs.number)
        # Of what is deployed here the stage says where.
        own = {"stage"} if now["deployed_in"] else set()
        taken = self._taken(theirs.ref, wanted, _of_version(now), lambda: own | log())
        times = {"imported": {"last_updated": theirs.last_updated}}
        tag = now.etag
        if described := {name: value for name, value in taken.items() if name != "stage"}:
            tag = self._write(theirs.ref, "PATCH", where, _update(described) | times, tag, len(described))
        if "stage" in taken and tag is not None:
            self._write(theirs.ref, "PUT", f"{where}/stage", {"stage": taken["stage"]} | times, tag)

    def model(self, theirs: TheirModel, brought: Collection[int], *, fresh: bool) -> None:
        """Take over description, tags, and the aliases of versions that were `brought`."""
        if fresh and not theirs.aliases:
            return
        wanted = _described(theirs.description, theirs.tags)
        wanted |= {_alias(alias): number for alias, number in theirs.aliases.items()}
        now = self._client.model(theirs.name)
        ours = _of_model(now)
        for alias, number in theirs.aliases.items():
            if number not in brought:
                self._report.refused.append(Refused(f"{theirs.name}@{alias}", _UNBROUGHT))
                wanted.pop(_alias(alias))
                ours.pop(_alias(alias), None)
        if wanted == ours:
            return
        log = partial(self._changed_here, model_path(theirs.name), _OF_MODEL, theirs.name)
        taken = self._taken(theirs.name, wanted, ours, log)
        record = path("models", theirs.name)
        if described := {name: value for name, value in taken.items() if not name.startswith(_ALIAS)}:
            times = {"imported": {"last_updated": theirs.last_updated}}
            self._write(theirs.name, "PATCH", record, _update(described) | times, now.etag, len(described))
        for name in taken.keys() - described.keys():
            self._point(theirs.name, name.removeprefix(_ALIAS), taken[name])

    def _point(self, model: str, alias: str, number: int | None) -> None:
        """Have the alias mean that version, or None."""
        where, what = path("models", model, "aliases", alias), f"{model}@{alias}"
        tag = self._client.model(model).etag
        if number is None:
            self._write(what, "DELETE", where, None, tag)
        elif self._write(what, "PUT", where, {"version": str(number)}, tag, 0) is not None:
            self._report.brought["aliases"] += 1

    # ------------------------------------------------------------ deciding

    def _taken(self, what: str, wanted: Fields, ours: Fields, changed_here: Callable[[], set[str]]) -> Fields:
        """The fields to write, None where one is to go; those that stay as they are here are reported."""
        names = sorted(wanted.keys() | ours.keys())
        differing = [name for name in names if wanted.get(name) != ours.get(name)]
        here = changed_here()
        for name in differing:
            # What somebody added here and nobody has there is no contradiction.
            if name in here and name in wanted:
                self._report.kept.append(Kept(what, name, ours.get(name), wanted[name], _CHANGED_HERE))
        return {name: wanted.get(name) for name in differing if name not in here}

    def _changed_here(
        self, where: str, kinds: tuple[str, ...], model: str, number: int | None = None
    ) -> set[str]:
        """The fields of the record at the path `where` that anything but an import wrote."""
        changes = self._client.changes(model=model, number=number, kinds=kinds, limit=None)
        ours = (each["commit"] for each in changes if not each.get("imported"))
        return {field for commit in ours for field in self._fields(commit, where)}

    def _fields(self, commit: str, where: str) -> Iterator[str]:
        return (each["field"] for each in self._client.change(commit)["diff"] if each["path"] == where)

    # ------------------------------------------------------------ writing

    def _write(
        self,
        what: str,
        method: str,
        where: str,
        body: Mapping[str, Any] | None,
        tag: str | None,
        fields: int = 1,
    ) -> str | None:
        """Write to a record that is still at `tag`; where it is then, or None if it was refused.

        Raises Unavailable.
        """
        dry_run, said = self._report.dry_run, self._reason
        write = partial(self._client.calls.write, method, where, dry_run=dry_run, if_match=tag)
        try:
            answer = write(reason=said) if body is None else write({**body, "reason": said})
        except Unavailable:
            raise
        except MusterError as error:
            why = _MEANWHILE if isinstance(error, Stale) else error.message
            self._report.refused.append(Refused(what, why))
            return None
        if objections := answer.get("objections"):
            self._report.refused += [Refused(what, each["message"]) for each in objections]
            return None
        self._report.brought["changed fields"] += fields
        return answer.etag or tag


def _alias(name: str) -> str:
    return f"{_ALIAS}{name}"


def _described(description: str, tags: Mapping[str, str]) -> Fields:
    described = {"description": description} if description else {}
    return described | {f"tags.{key}": value for key, value in tags.items()}


def _of_version(record: Record) -> Fields:
    return _described(record["description"], record["tags"]) | {"stage": record["deployment_status"]}


def _of_model(record: Record) -> Fields:
    aliases = {_alias(name): number for name, number in record["aliases"].items()}
    return _described(record["description"], record["tags"]) | aliases


def _update(fields: Fields) -> dict[str, Any]:
    """The body that sets the fields."""
    tags = {name.removeprefix("tags."): value for name, value in fields.items() if name.startswith("tags.")}
    body: dict[str, Any] = {"tags": tags} if tags else {}
    return body | ({"description": fields["description"] or ""} if "description" in fields else {})
