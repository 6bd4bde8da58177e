"""What a deployment brings up, and what was there when it began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from muster.domain.changes import Deploy, Release, ReleaseBack, RollBack, Undeploy
from muster.domain.placing import environment_of, rolled_back
from muster.domain.records import Config, Earlier, Environment
from muster.domain.releasing import Moving, Part
from muster.domain.snapshot import Snapshot
from muster.service.values import Instance


@dataclass(frozen=True, slots=True)
class Seen:
    """What the deployment looked like when it began: the record is planned against just that."""

    change: Part
    target: str
    touched: str | None
    candidate: Instance | None

    @property
    def environment(self) -> str:
        return self.change.environment

    @property
    def model(self) -> str:
        return self.change.model

    @classmethod
    def take(cls, now: Snapshot, change: Part) -> Seen:
        """Look, and see which version is to come up, if one is."""
        environment = environment_of(now, change.environment)
        number: int | None = None
        config = Config()
        if isinstance(change, Deploy):
            number, config = change.number, change.config
        elif isinstance(change, RollBack):
            _, after = rolled_back(change, now)
            number, config = after.version, after.config
        candidate = None
        if number is not None:
            candidate = runnable(now, environment, change.model, Earlier(number, config))
        touched = now.deployment_touched(change.environment, change.model)
        return cls(change, environment.target, touched, candidate)

    def guarded(self) -> Part:
        """The change, to be refused if the deployment is no longer what was seen."""
        if isinstance(self.change, Undeploy):
            return self.change
        return replace(self.change, expected=self.touched, guarded=True)


def guarded(change: Moving, seen: Sequence[Seen]) -> Moving:
    """`change`, to be refused if a deployment is no longer what was seen when what comes up was started."""
    match change:
        case Release():
            return replace(change, parts=tuple(_deploy(each.guarded()) for each in seen))
        case ReleaseBack():
            return replace(change, expected=tuple(each.touched for each in seen))
    return seen[0].guarded()


def _deploy(part: Part) -> Deploy:
    assert isinstance(part, Deploy)
    return part


def runnable(now: Snapshot, place: Environment, model: str, wanted: Earlier) -> Instance | None:
    """The version as an instance, if it is there and has files that Muster can run."""
    version = now.version(model, wanted.version)
    if version is None or version.state != "final" or not version.files:
        return None
    return Instance(model, version.number, version.model_id, version.files, wanted.config, place.allow_pickle)
