"""A model that is already somewhere, brought here: a folder, or one that MLflow knows.

Where MLflow's client registered a version and only the registry was changed, its files
are still where they were; `push` finds the version and brings them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib import import_module, util
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from muster.client.calls import given
from muster.client.files import FilesOf, Progress, collected, of_model
from muster.client.source import work_tree
from muster.client.tables import Record
from muster.domain.errors import Conflict, Invalid, NotFound, Unavailable

if TYPE_CHECKING:
    from muster.client.mlflow_runs import Origin, Tracking

Done = Literal["registered", "attached", "there already"]

_SEARCH: Final = "/api/2.0/mlflow/model-versions/search"
_LOOKED_AT: Final = 100  # newest versions of a model whose files are compared
_LOGGED: Final = re.compile(r"models:/+(m-[0-9a-f]{32})")
_RUN: Final = re.compile(r"runs:/+([^/]+)/(.+)")
_VERSION: Final = re.compile(r"models:/+([^/@]+)(?:/([^/@]+)|(@[^/@]+))")
_SAYS: Final = re.compile(r"^(run_id|model_id): *['\"]?([\w-]+)['\"]?\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Pushed:
    """What `push` did, and the version's record (or of a dry run, what it would be)."""

    done: Done
    record: Record
    what_made_it: bool
    """Whether a tracking server said what made it; else that is not recorded."""


@dataclass(frozen=True, slots=True)
class _Model:
    """A model that is to be brought: what it goes by elsewhere, its files, what made it."""

    source: str
    run_id: str
    tracked_as: str
    folder: Path
    facts: Mapping[str, Any] | None


class Pushes(FilesOf):
    """Models that are elsewhere yet."""

    def push(
        self,
        model: str,
        name: str | None = None,
        *,
        version: str | None = None,
        tracking_uri: str | None = None,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        reason: str = "",
        progress: Progress | None = None,
        dry_run: bool = False,
    ) -> Pushed:
        """Bring the files of `model`: to the version that was registered from it, or as a new one of `name`.

        `model` is a folder, or what MLflow calls a model: `runs:/RUN/NAME`,
        `models:/m-ID`, `models:/NAME/3`, `models:/NAME@ALIAS`. The last two mean a
        version here if there is one, else one of the registry at `tracking_uri`.
        `version` names the version that is to get the files, as a reference, or of
        `name` by label or number. With a tracking server, which MLflow may know from
        its own settings, metrics, parameters, data sets, commit and user come along.
        After a failure call it again.

        Raises:
            Conflict: several versions were registered from it; `version` must name one.
            Invalid: no version was, and no `name` was given.
            ContentDiffers: the version has other files.
            Unavailable: this needs MLflow, which is not installed.
        """
        there = self._named(name, version) or self._meant(model)
        with ExitStack() as stack:
            found = _found(model, there, tracking_uri, stack)
            there = there or self._registered_from(found, name)
            made_it = bool(found.facts)
            if there is not None:
                if there["state"] == "final" and there["files"] and _has(there, found.folder):
                    return Pushed("there already", _nothing() if dry_run else there, made_it)
                record = self.attach(
                    there["model_id"],
                    of_model(found.folder),
                    facts=found.facts,
                    reason=reason,
                    progress=progress,
                    dry_run=dry_run,
                )
                return Pushed("attached", record, made_it)
            if name is None:
                raise Invalid.one("NAME", name, f"must name a model: no version was registered from {model}")
            record = self.register(
                name,
                files=of_model(found.folder),
                description=description,
                tags=tags,
                reason=reason,
                progress=progress,
                dry_run=dry_run,
                **_as_registered(found),
            )
        return Pushed("registered", record, made_it)

    # ------------------------------------------------------------ the version

    def _named(self, name: str | None, version: str | None) -> Record | None:
        """The version that the caller names."""
        if version is None:
            return None
        if name is not None:
            try:
                return self.version(f"{name}/{version}")
            except NotFound:
                pass  # it may be a reference all the same
        return self.version(version)

    def _meant(self, model: str) -> Record | None:
        """The version here that `models:/NAME/3` or `models:/NAME@ALIAS` means, if there is one."""
        named = _VERSION.fullmatch(model)
        if named is None:
            return None
        try:
            return self.version(f"{named[1]}/{named[2]}" if named[2] else f"{named[1]}{named[3]}")
        except NotFound:
            return None

    def _registered_from(self, found: _Model, name: str | None) -> Record | None:
        """The version that was registered from the model: the one that lacks files, or that has these.

        Raises:
            Conflict: several lack them.
        """
        candidates = self._with_source(found.source, name)
        if lacking := [each for each in candidates if not each["files"] or each["state"] == "pending"]:
            if len(lacking) > 1:
                several = ", ".join(f"{each['name']}/{each['version']}" for each in lacking)
                raise Conflict(f"{several} were all registered from {found.source}: name one with --version")
            return lacking[0]
        if name is not None:
            try:
                candidates += self.versions(name, order="-number", limit=_LOOKED_AT)
            except NotFound:
                return None
        return next((each for each in candidates if each["files"] and _has(each, found.folder)), None)

    def _with_source(self, source: str, name: str | None) -> list[Record]:
        """The versions whose source is just that."""
        if "'" in source and '"' in source:
            return []  # a filter has no escape, and such a source no other spelling
        quote = '"' if "'" in source else "'"
        asked = {"filter": f"source_path = {quote}{source}{quote}", "max_results": 1000}
        versions = self.calls.get(_SEARCH, asked).json().get("model_versions", [])
        return [
            self.version(f"{each['name']}/{each['version']}")
            for each in versions
            if name in (None, each["name"])
        ]


def _nothing() -> Record:
    """What a dry run says that would change nothing."""
    return Record(dry_run=True, subject="", nothing=True, changes=[], effects=[], objections=[])


def _has(version: Record, folder: Path) -> bool:
    """Whether the files of the version are those of the folder, which are read only if they may be."""
    sizes = {file["path"]: file["size"] for file in version["files"]}
    if sizes != {name: Path(content).stat().st_size for name, content in of_model(folder).items()}:
        return False
    digests = {file["path"]: file["sha256"] for file in version["files"]}
    return digests == {file.path: file.sha256 for file in collected(of_model(folder))}


# ---------------------------------------------------------------- the model


def _found(model: str, there: Record | None, tracking_uri: str | None, stack: ExitStack) -> _Model:
    """What `model` means, with its files in a folder as long as `stack` is open.

    Raises:
        Invalid: it is no folder and no address of MLflow's.
    """
    if there is not None and _VERSION.fullmatch(model):
        source = there["source"] or {}
        return _of_version(model, source, tracking_uri, stack)
    if logged := _LOGGED.fullmatch(model):
        tracking = _mlflow().Tracking(tracking_uri)
        return _tracked(tracking, tracking.logged(logged[1]), stack)
    if run := _RUN.fullmatch(model):
        tracking = _mlflow().Tracking(tracking_uri)
        return _tracked(tracking, tracking.of_run(run[1], run[2].rstrip("/")), stack)
    if named := _VERSION.fullmatch(model):
        tracking = _mlflow().Tracking(tracking_uri)
        return _tracked(tracking, tracking.registered(named[1], named[2] or named[3]), stack)
    return _of_folder(Path(model), tracking_uri)


def _of_version(model: str, source: Mapping[str, Any], tracking_uri: str | None, stack: ExitStack) -> _Model:
    """The model that a version here was registered from."""
    uri = source.get("location") or source.get("uri")
    if not uri:
        raise Invalid.one("model", model, "must be a version that says where its files are")
    if Path(uri).is_dir():
        return replace(_of_folder(Path(uri), tracking_uri), source=uri)
    tracking = _mlflow().Tracking(tracking_uri)
    logged = _LOGGED.fullmatch(uri)
    if logged:
        origin = tracking.logged(logged[1])
    else:
        origin = _mlflow().Origin(uri, uri, source.get("run_id", ""), source.get("tracked_as", ""))
    return _tracked(tracking, origin, stack)


def _tracked(tracking: Tracking, origin: Origin, stack: ExitStack) -> _Model:
    folder = stack.enter_context(tracking.folder(origin))
    return _Model(origin.source, origin.run_id, origin.tracked_as, folder, tracking.facts(origin))


def _of_folder(folder: Path, tracking_uri: str | None) -> _Model:
    """A folder that is here. What MLflow wrote into it says of which run it is."""
    if not folder.exists():
        raise Invalid.one("model", str(folder), "must be a folder, runs:/RUN/NAME or models:/…")
    said = _said(folder / "MLmodel")
    run_id, tracked_as = said.get("run_id", ""), said.get("model_id", "")
    source = f"models:/{tracked_as}" if tracked_as else str(folder.absolute())
    found = _Model(source, run_id, tracked_as, folder, None)
    if not (run_id or tracked_as) or not (tracking_uri or util.find_spec("mlflow")):
        return found
    tracking = _mlflow().tracking(tracking_uri)
    if tracking is None:
        return found
    origin = _mlflow().Origin(str(folder), source, run_id, tracked_as)
    try:
        return replace(found, facts=tracking.facts(origin))
    except NotFound:
        if tracking_uri is not None:
            raise
        return found  # the run is known to another tracking server


def _said(file: Path) -> dict[str, str]:
    """The ids in an `MLmodel`, which is YAML; these are plain lines of it."""
    try:
        return dict(_SAYS.findall(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError):
        return {}


def _as_registered(found: _Model) -> dict[str, Any]:
    """What made it, and where that was: what a tracking server says, else the work tree that this runs in."""
    if found.facts:
        return dict(found.facts)
    known = given(uri=found.source, run_id=found.run_id, tracked_as=found.tracked_as)
    return {"source": (work_tree() or {}) | known}


def _mlflow() -> Any:
    """The module that asks MLflow. Raises Unavailable."""
    try:
        return import_module("muster.client.mlflow_runs")
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] == "muster":
            raise
        raise Unavailable(
            f"this needs MLflow (there is no {missing.name} here): pip install 'muster-registry[mlflow]'"
        ) from missing
