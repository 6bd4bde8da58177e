"""A registry in two dicts: what `plan` asks is answered by decoding what its plans wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import muster.domain.break_glass
import muster.domain.evaluations
import muster.domain.filing
import muster.domain.granting
import muster.domain.placing
import muster.domain.proposing
import muster.domain.purging
import muster.domain.redacting
import muster.domain.releasing
import muster.domain.requirements
import muster.domain.ruling  # noqa: F401  they register their plans
from muster.domain import changes as c
from muster.domain import codec, lfs
from muster.domain.documents import is_document
from muster.domain.messages import AUTHORING, Entry
from muster.domain.names import deployment_path, environment_path, file_path, model_path, version_path
from muster.domain.plan import plan
from muster.domain.records import Artifact, Deployment, Environment, Model, Version
from muster.domain.snapshot import DECLARED, Plan, Trace
from muster.domain.views import Times, version_view
from tests.builders import START, an_entry


@dataclass
class State:
    """A `Snapshot` of a tree. `touched` maps a path, and what a change names, to the commit."""

    tree: dict[str, bytes] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    versions: dict[tuple[str, int], Version] = field(default_factory=dict)
    environments: dict[str, Environment] = field(default_factory=dict)
    deployments: dict[tuple[str, str], Deployment] = field(default_factory=dict)
    touched: dict[object, str] = field(default_factory=dict)
    log: list[Plan] = field(default_factory=list)
    said: list[Entry] = field(default_factory=list)
    time: datetime = START

    @classmethod
    def begun(cls) -> State:
        """With the environments that every registry has."""
        state = cls()
        state.do(c.Initialize())
        return state

    @classmethod
    def decoded(cls, tree: Mapping[str, bytes]) -> State:
        """The state that a tree alone says."""
        state = cls()
        state._apply(tree)
        return state

    def do(self, *changes: c.Change, by: str = "ada") -> Plan:
        """Plan each change and apply what it writes; the last plan. What is refused changes nothing."""
        planned = Plan("")
        for change in changes:
            planned = plan(change, self)
            if planned.nothing:
                continue
            self.take(change, planned, by)
        return planned

    def take(self, change: c.Change, planned: Plan, by: str = "ada") -> None:
        """Apply what a plan writes, a second after the change before."""
        self.log.append(planned)
        self.time += timedelta(seconds=1)
        self.said.append(an_entry(change, planned, self.time, actor=c.Actor(by)))
        self._apply(planned.edits)
        self._touch(change, planned)

    def wait(self, **time: float) -> None:
        """Let so many `hours` or `days` go by."""
        self.time += timedelta(**time)

    @property
    def commit(self) -> str:
        """The id of the last commit."""
        return f"{len(self.log):040x}"

    def record(self, model: str, number: int) -> dict[str, Any]:
        """A version as the API shows it."""
        places = [d.environment for d in self.deployments_of(model) if d.version == number]
        return version_view(self.there(model, number), Times("", ""), places)

    def stages(self, model: str) -> list[str]:
        """The stages of its versions, by number."""
        return [self.there(model, number).stage for number in self.numbers(model)]

    def running(self, model: str, environment: str = "production") -> int | None:
        """The number of the version that is declared there."""
        deployment = self.deployment(environment, model)
        return deployment.version if deployment else None

    def there(self, model: str, number: int) -> Version:
        """A version that must be there, with its files."""
        version = self.version(model, number)
        assert version is not None
        return version

    def _apply(self, edits: Mapping[str, bytes | None]) -> None:
        for path, data in edits.items():
            if data is None:
                self.tree.pop(path, None)
            else:
                self.tree[path] = data
        for path, data in edits.items():
            if data is not None:
                self._decode(path, data)
        self.environments = {n: e for n, e in self.environments.items() if environment_path(n) in self.tree}
        self.deployments = {k: d for k, d in self.deployments.items() if deployment_path(*k) in self.tree}

    def _decode(self, path: str, data: bytes) -> None:
        match path.split("/"):
            case ["models", _, _, "model.json"]:
                model = codec.model_from_dict(codec.decode(data))
                assert path == model_path(model.name)
                self.models[model.name] = model
            case ["models", _, _, "versions", _, "version.json"]:
                version = codec.version_from_dict(codec.decode(data))
                assert path == version_path(version.model, version.number)
                self.versions[version.model, version.number] = version
            case ["deployments", *_]:
                deployment = codec.deployment_from_dict(codec.decode(data))
                assert path == deployment_path(deployment.environment, deployment.model)
                self.deployments[deployment.environment, deployment.model] = deployment
            case ["environments", _]:
                environment = codec.environment_from_dict(codec.decode(data))
                assert path == environment_path(environment.name)
                self.environments[environment.name] = environment

    def _touch(self, change: c.Change, planned: Plan) -> None:
        self.touched |= dict.fromkeys(planned.edits, self.commit)
        if planned.edits and not isinstance(change, c.SetAlias):
            numbers = [n for n in (planned.number, *planned.also) if n is not None]
            self.touched |= {(planned.model, number): self.commit for number in numbers}
        if planned.deployed is not None and planned.environment and planned.model:
            self.touched[planned.environment, planned.model] = self.commit
        for part in planned.moved:
            self.touched |= {(part.model, number): self.commit for number in (part.number, *part.also)}
            self.touched[planned.environment, part.model] = self.commit

    # ------------------------------------------------------------ Snapshot

    def model(self, name: str) -> Model | None:
        return self.models.get(name)

    def version(self, model: str, number: int) -> Version | None:
        version = self.versions.get((model, number))
        return version and replace(version, files=tuple(self._files(model, number)))

    def version_record(self, model: str, number: int) -> dict[str, Any] | None:
        version = self.version(model, number)
        return None if version is None or version.state == "deleted" else self.record(model, number)

    def _files(self, model: str, number: int) -> Iterable[Artifact]:
        under = file_path(model, number, "")
        for path in sorted(self.tree):
            if path.startswith(under):
                sha256, size = lfs.parse_pointer(self.tree[path])
                yield Artifact(path.removeprefix(under), size, sha256)

    def numbers(self, model: str) -> tuple[int, ...]:
        return tuple(sorted(number for name, number in self.versions if name == model))

    def labelled(self, model: str, label: str) -> int | None:
        found = [v.number for v in self.versions.values() if (v.model, v.label) == (model, label)]
        assert len(found) < 2
        return found[0] if found else None

    def identified(self, model_id: str) -> tuple[str, int] | None:
        found = [(v.model, v.number) for v in self.versions.values() if v.model_id == model_id]
        assert len(found) < 2
        return found[0] if found else None

    def in_stage(self, model: str, stage: str) -> tuple[int, ...]:
        found = (self.there(model, number) for number in self.numbers(model))
        return tuple(v.number for v in found if v.state != "deleted" and v.stage == stage)

    def environment(self, name: str) -> Environment | None:
        return self.environments.get(name)

    def every_environment(self) -> tuple[Environment, ...]:
        return tuple(environment for _, environment in sorted(self.environments.items()))

    def deployment(self, environment: str, model: str) -> Deployment | None:
        return self.deployments.get((environment, model))

    def deployments_of(self, model: str) -> tuple[Deployment, ...]:
        return tuple(d for _, d in sorted(self.deployments.items()) if d.model == model)

    def deployed_in(self, environment: str) -> tuple[str, ...]:
        found = self.deployments.values()
        return tuple(sorted(d.model for d in found if d.environment == environment and d.version))

    def placed_in(self, environment: str) -> tuple[str, ...]:
        found = self.deployments.values()
        return tuple(sorted(d.model for d in found if d.environment == environment))

    def was_deployed(self, environment: str, model: str, number: int) -> bool:
        placed = (environment, model, str(number))
        return any((each.environment, each.model, each.deployed) == placed for each in self._named(model))

    def traces(self, environment: str, model: str) -> tuple[Trace, ...]:
        there = [e for e in self._named(model) if (e.environment, e.model) == (environment, model)]
        return tuple(
            Trace(e.time, DECLARED, int(e.deployed) if e.deployed.isdecimal() else None)
            if e.deployed is not None
            else Trace(e.time, e.observed or "", e.number)
            for e in there
            if e.deployed is not None or (e.kind == "observe" and e.instance is None)
        )

    def _named(self, model: str) -> list[Entry]:
        """What was said since the name is that model's."""
        vacated = (at for at, each in enumerate(self.said, start=1) if each.renamed == model)
        return [alone for each in self.said[max(vacated, default=0) :] for alone in each.each]

    def authors(self, model: str, number: int) -> tuple[str, ...]:
        said = (alone for each in self.said for alone in each.each)
        own = (each for each in said if (each.model, each.number) == (model, number))
        return tuple(dict.fromkeys(each.actor for each in own if each.kind in AUTHORING))

    def model_touched(self, name: str) -> str | None:
        return self.touched.get(model_path(name))

    def version_touched(self, model: str, number: int) -> str | None:
        return self.touched.get((model, number))

    def deployment_touched(self, environment: str, model: str) -> str | None:
        return self.touched.get((environment, model))

    def document(self, path: str) -> bytes | None:
        return self.tree.get(path) if is_document(path) else None

    def documents(self, under: str) -> tuple[tuple[str, bytes], ...]:
        found = (each for each in self.tree.items() if each[0].startswith(f"{under}/"))
        return tuple(sorted(each for each in found if is_document(each[0])))

    def document_touched(self, path: str) -> str | None:
        return self.touched.get(path) if path in self.tree else None

    def document_log(self, path: str) -> tuple[Entry, ...]:
        return tuple(each for each in self.said if path in each.records)

    def environment_touched(self, name: str) -> str | None:
        return self.touched.get(environment_path(name))
