"""A registry without a server: `ModelRegistry` and `GitIntegration` work on a home's folder.

    registry = ModelRegistry()
    model_id = registry.register_model("sentiment", "v1.0", "First", "reviews-2026")
    registry.deploy(model_id, reason="first release")
    GitIntegration(".").get_model_history(model_id)

The lock is taken for each write, never while a home is merely open: several
processes, and a server among them, may have the same home open.
"""

from __future__ import annotations

import json
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from muster.bootstrap import Home, import_file, open_home
from muster.bootstrap.admitting import opened
from muster.client.tables import Board, Record
from muster.domain.changes import Deploy, Note, RollBack
from muster.domain.errors import ApprovalNeeded, Invalid
from muster.domain.parse import config as parse_config
from muster.domain.parse import reason as parse_reason
from muster.domain.registering import registration
from muster.service.operations import Operation
from muster.service.registry import change_view
from muster.service.submissions import Recorded
from muster.service.values import VersionFilter
from muster.settings import Settings, load

_PAGE = 1000
_SHOWN = 100  # records in a notebook's table


class _Models(Mapping[str, Record]):
    """All records by model id, in the order of registration, as they are now; a table in a notebook."""

    def __init__(self, registry: ModelRegistry) -> None:
        self._registry = registry

    def __getitem__(self, model_id: str) -> Record:
        record = self._registry.get_model(model_id)
        if record is None:
            raise KeyError(model_id)
        return record

    def __iter__(self) -> Iterator[str]:
        return iter(self._registry.list_models())

    def __len__(self) -> int:
        return len(self._registry.list_models())

    def __repr__(self) -> str:
        return repr(dict(self))

    def _repr_html_(self) -> str:
        count = len(self)
        first = list(self)[:_SHOWN]
        return Board((self[model_id] for model_id in first), count)._repr_html_()


class ModelRegistry:
    """The registry in a home's folder. Its answers are plain dicts and lists, shown as tables in a notebook.

    Raises, as every method may:
        Invalid: a value is wrong; the message names field, value and rule.
        NotFound, Conflict, DidNotStart, Unavailable: see `muster.errors`.
    """

    def __init__(self, registry_file: str | Path | None = None) -> None:
        """Open the home: a folder, or `MUSTER_HOME`, or `./registry`.

        A path to a `registry.json` in the form `{model_id: {name, version, …}}` is
        imported once into the home beside it, and kept; its times are marked imported.
        """
        given = Path(registry_file) if registry_file is not None else None
        if given is not None and given.suffix == ".json":
            self._open(load({"home": str(given.parent / "registry")}))
            if given.exists():
                import_file(self._home, given, self._actor)
        else:
            self._open(load({"home": str(given)} if given is not None else {}))

    def _open(self, settings: Settings) -> None:
        stack = ExitStack()
        self._home: Home = stack.enter_context(open_home(settings))
        try:
            self._registry, self._past, self._actor = opened(self._home)
        except BaseException:
            stack.close()
            raise
        self._closing = weakref.finalize(self, stack.close)

    def close(self) -> None:
        """Stop what was started here (a deployed version's worker, too). Harmless if repeated."""
        self._closing()

    def __enter__(self) -> ModelRegistry:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------ records

    @property
    def models(self) -> Mapping[str, Record]:
        """All records by model id, as they are now. Assigning `{}` moves this object to an empty registry."""
        return _Models(self)

    @models.setter
    def models(self, value: Mapping[str, Record]) -> None:
        if value:
            raise Invalid.one("models", value, "can only be set to {}: versions are registered one by one")
        self.close()
        folder = tempfile.TemporaryDirectory(prefix="muster-")
        self._open(load({"home": folder.name}))
        weakref.finalize(self, folder.cleanup)

    def register_model(
        self,
        model_name: str,
        version: str,
        description: str,
        training_data: str | Mapping[str, Any],
        deployment_status: str = "development",
        **more: Any,
    ) -> str:
        """Register a version and give its model id; the same content again changes nothing.

        `more` may hold `owner`, `tags`, `metrics`, `params`, `source`, `bases`, `kind`,
        `external` and `reason`.
        """
        body = {
            "name": model_name,
            "version": version,
            "description": description,
            "training_data": training_data,
            "deployment_status": deployment_status,
            **more,
        }
        change, reason = registration(body, strict=True)
        recorded = self._registry.submit(change, self._actor, reason).result()
        assert recorded.number is not None
        return self._registry.numbered(change.model, recorded.number).model_id

    def get_model(self, model_id: str) -> Record | None:
        """The record of a version; None if there is none."""
        found = self._registry.index.find(model_id)
        return None if found is None else Record(json.loads(found.document))

    def list_models(self) -> list[str]:
        """All model ids, in the order of registration."""
        return list(self._ids())

    def _ids(self) -> Iterator[str]:
        after = 0
        while page := self._registry.index.model_ids(VersionFilter(), after=after, limit=_PAGE):
            yield from (model_id for _, model_id in page)
            after = page[-1][0]

    # ------------------------------------------------------------ what runs

    def deploy(
        self,
        model_id: str,
        environment: str = "production",
        config: Mapping[str, Any] | None = None,
        reason: str = "",
    ) -> Record:
        """Put a version into service and give its record; blocks until it is ready.

        Raises ApprovalNeeded, which names the proposal, where others have to approve it.
        Its worker runs as long as this process, or a server on the home, does.
        """
        found = self._registry.locate(model_id)
        parsed = parse_config(config or {})
        change = Deploy(found.model, found.number, environment, parsed)
        self._place(change, parse_reason(reason))
        return Record(self._registry.record(found.model_id))

    def rollback(
        self,
        model_id: str,
        environment: str = "production",
        *,
        to: str | None = None,
        empty: bool = False,
        reason: str = "",
    ) -> Record:
        """Return to the version deployed before (or to `to`) and give the record of the one rolled back."""
        registry = self._registry
        found = registry.locate(model_id)
        back = registry.locate(to).number if to is not None else None
        change = RollBack(found.model, found.number, environment, back, empty)
        self._place(change, parse_reason(reason))
        return Record(registry.record(found.model_id))

    def _place(self, change: Deploy | RollBack, reason: str) -> None:
        """Have it done, and wait. Raises ApprovalNeeded with the proposal if others have to approve it."""
        try:
            begun: Operation | Recorded = self._home.deployer.begin(change, self._actor, reason)
        except ApprovalNeeded:
            begun = self._home.proposals.instead(change, self._actor, reason)
        if isinstance(begun, Operation):
            begun.result()

    # ------------------------------------------------------------ what happened

    def history(self, model_id: str) -> Board:
        """The changes that name the version, newest first."""
        registry = self._registry
        found = registry.find(model_id)
        logged = registry.version_history(found.model, found.number)
        return Board(change_view(each) for each in logged)

    def at(self, moment: str) -> Board:
        """What was deployed at a time (RFC 3339) or commit."""
        past = self._past
        return Board(past.deployments(past.at(moment)))

    def note(self, model_id: str, message: str) -> str:
        """Write words about a version into its history; gives the commit."""
        found = self._registry.find(model_id)
        change = Note(found.model, found.number, parse_reason(message, "message"))
        commit = self._registry.submit(change, self._actor).result().commit
        assert commit is not None
        return commit


class GitIntegration:
    """The registry's Git history, for the home in a project's folder or just below it."""

    def __init__(self, project_path: str | Path = ".") -> None:
        self._project = Path(project_path)
        self._found: ModelRegistry | None = None

    def commit_model_change(self, model_id: str, message: str) -> bool:
        """Write a commit `Update model ID: MESSAGE`; False if there is no such model id (or no registry)."""
        registry = self._registry()
        if registry is None or registry.get_model(model_id) is None:
            return False
        registry.note(model_id, message)
        return True

    def get_model_history(self, model_id: str) -> list[str]:
        """`<short sha> <subject>` of each commit that names the version, newest first; [] if unknown."""
        registry = self._registry()
        if registry is None or registry.get_model(model_id) is None:
            return []
        return [f"{change['commit'][:10]} {change['message']}" for change in registry.history(model_id)]

    def _registry(self) -> ModelRegistry | None:
        """The registry in the project's folder; None as long as there is none."""
        if self._found is None:
            below = sorted(self._project.glob("*/registry.git"))
            for home in (self._project, self._project / "registry", *(path.parent for path in below)):
                if (home / "registry.git").is_dir():
                    self._found = ModelRegistry(home)
                    break
            else:
                home = load({}).home
                self._found = ModelRegistry(home) if (home / "registry.git").is_dir() else None
        return self._found
