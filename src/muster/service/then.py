"""The records as a commit had them, for those who would else ask a snapshot of the present."""

from __future__ import annotations

from collections.abc import Mapping

from muster.domain import codec, names
from muster.domain.documents import is_document
from muster.domain.errors import NotFound
from muster.domain.records import Deployment, Environment, Json, Model, Version
from muster.domain.views import Times, version_view
from muster.service.past import Past
from muster.service.ports import History, IndexReads
from muster.service.values import Logged


class Then:
    """`Records` of one commit. `called` says how models are called now that had another name then."""

    def __init__(
        self,
        at: Logged,
        past: Past,
        index: IndexReads,
        history: History,
        called: Mapping[str, str] | None = None,
    ) -> None:
        self._at = at
        self._past = past
        self._index = index
        self._history = history
        self._called = called or {}

    def model(self, name: str) -> Model | None:
        data = self._history.read(self._at.commit, names.model_path(name))
        return codec.model_from_dict(codec.decode(data)) if data is not None else None

    def version(self, model: str, number: int) -> Version | None:
        try:
            return self._past.version(self._at, model, number)
        except NotFound:
            return None

    def version_record(self, model: str, number: int) -> dict[str, Json] | None:
        version = self.version(model, number)
        if version is None:
            return None
        times = self._index.times_at(self._at.position, self._called.get(model, model), number)
        places = [
            each.name
            for each in self._past.environments(self._at)
            if (there := self.deployment(each.name, model)) is not None and there.version == number
        ]
        return version_view(version, times or Times("", ""), places)

    def environment(self, name: str) -> Environment | None:
        try:
            return self._past.environment(self._at, name)
        except NotFound:
            return None

    def every_environment(self) -> tuple[Environment, ...]:
        return tuple(sorted(self._past.environments(self._at), key=lambda each: each.name))

    def deployment(self, environment: str, model: str) -> Deployment | None:
        return self._past.deployment(self._at, environment, model)

    def document(self, path: str) -> bytes | None:
        return self._history.read(self._at.commit, path) if is_document(path) else None

    def documents(self, under: str) -> tuple[tuple[str, bytes], ...]:
        found = self._history.walk(self._at.commit, under)
        return tuple(sorted(each for each in found if is_document(each[0])))
