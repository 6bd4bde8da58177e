"""What a change does to environments that are protected, read from what it writes.

Whatever says that a version is in such an environment, says so: its deployment there
with its configuration, a stage that counts as the environment, an alias that its rules
name. So each kind of change that writes one of these is among the acts, whoever
thought of it when the rules were made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from muster.domain import changes as c
from muster.domain import codec
from muster.domain.records import Deployment, Environment, Model, Version
from muster.domain.snapshot import Plan, Snapshot

Way = Literal["in", "back", "out"]
"""A version (or a configuration) comes in, one comes back that was deployed there before, one goes out."""

# Those that put versions where they were before.
RETURNS: Final = (c.RollBack, c.ReleaseBack)


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that a change does there to version `number`.

    `what` is the version in words, `said` what is done: the subject of a sentence.
    """

    environment: Environment
    way: Way
    model: str
    number: int
    what: str
    said: str


def acts(change: c.Change, planned: Plan, before: Snapshot, *, everywhere: bool = False) -> tuple[Act, ...]:
    """All that `change` does to protected environments, or `everywhere`.

    Stages and aliases count as an environment only where its rules say so.
    """
    protected = [each for each in before.every_environment() if everywhere or each.rules.protects]
    if not protected or not planned.edits:
        return ()
    return tuple(_acts(change, planned, before, protected))


def _called(before: Snapshot, model: str, number: int) -> str:
    """A version as sentences name it."""
    version = before.version(model, number)
    return f"{model} {version.label or number}" if version is not None else f"{model} {number}"


@dataclass(frozen=True, slots=True)
class _Placed:
    """Which deployments a change writes: their environments and models, and what comes of it for versions.

    `left` maps a version that is replaced to the stages of what it leaves: its new stage
    follows from that, as the old one did, and is judged as that. `returned` are those that
    come back to where they were before. `places` maps to ranks.
    """

    places: dict[tuple[str, str], int] = field(default_factory=dict)
    left: dict[tuple[str, int], set[str | None]] = field(default_factory=dict)
    returned: set[tuple[str, int]] = field(default_factory=set)


def _acts(
    change: c.Change, planned: Plan, before: Snapshot, protected: Sequence[Environment]
) -> Iterator[Act]:
    placed = _Placed()
    for path, data in planned.edits.items():
        if data is None or not path.startswith("deployments/"):
            continue
        new = codec.deployment_from_dict(codec.decode(data))
        old = before.deployment(new.environment, new.model)
        if old is not None and (old.version, old.config) == (new.version, new.config):
            continue
        place = before.environment(new.environment)
        placed.places[new.environment, new.model] = place.rank if place else 0
        if old is not None and old.version not in (None, new.version):
            placed.left.setdefault((new.model, old.version), set()).add(place.stage if place else None)
        if new.version is not None and _returns(change, new, before):
            placed.returned.add((new.model, new.version))
        for environment in protected:
            if environment.name == new.environment:
                yield from _deployed(old, new, environment, before, placed)
    for path, data in planned.edits.items():
        match path.split("/"):
            case ["models", _, _, "model.json"] if data is not None:
                model = codec.model_from_dict(codec.decode(data))
                yield from _aliased(planned.renamed or model.name, model, protected, before)
            case ["models", _, _, "versions", _, "version.json"] if data is not None:
                version = codec.version_from_dict(codec.decode(data))
                yield from _staged(planned, version, protected, before, placed)


def _returns(change: c.Change, new: Deployment, before: Snapshot) -> bool:
    """Whether the change is one that goes back, and was there what it goes back to."""
    return (
        isinstance(change, RETURNS)
        and new.version is not None
        and before.was_deployed(new.environment, new.model, new.version)
    )


def _deployed(
    old: Deployment | None, new: Deployment, environment: Environment, before: Snapshot, placed: _Placed
) -> Iterator[Act]:
    """What a deployment's record does."""
    was = old.version if old is not None else None
    if new.version is None:
        if was is not None:
            what = _called(before, new.model, was)
            yield Act(environment, "out", new.model, was, what, f"taking {what} out of {environment.name}")
        return
    what = _called(before, new.model, new.version)
    way: Way = "in"
    said = f"deploying {what} to {environment.name}"
    if new.version == was:
        said = f"configuring {what} in {environment.name}"
    elif (new.model, new.version) in placed.returned:
        way, said = "back", f"rolling back to {what} in {environment.name}"
    yield Act(environment, way, new.model, new.version, what, said)


def _staged(
    planned: Plan, new: Version, protected: Sequence[Environment], before: Snapshot, placed: _Placed
) -> Iterator[Act]:
    """What a version's record says of a stage that counts as the environment."""
    old = before.version(planned.renamed or new.model, new.number)
    had = old.stage if old is not None and old.state != "deleted" else None
    has = new.stage if new.state != "deleted" else None
    if had == has and planned.renamed is None:
        return
    what = f"{new.model} {new.label or new.number}"
    left = placed.left.get((new.model, new.number))
    for environment in protected:
        if (environment.name, new.model) in placed.places:
            continue  # the deployment there says it, and is judged
        stages = environment.protected_stages
        if has in stages and had not in stages:
            if left is None:
                said = f"putting {what} into stage {has}, which counts as {environment.name},"
                back = (new.model, new.number) in placed.returned
                yield Act(environment, "back" if back else "in", new.model, new.number, what, said)
        elif had in stages and (has not in stages or planned.renamed is not None):
            deployment = before.deployment(environment.name, new.model)
            stays = deployment is not None and deployment.version == new.number
            if placed.places and (
                stays or had in (left or ()) or environment.rank < max(placed.places.values())
            ):
                continue  # it is there as before, was so only by what it leaves, or goes on to a higher one
            said = f"taking {what} out of stage {had}, which counts as {environment.name},"
            yield Act(environment, "out", new.model, new.number, what, said)


def _aliased(name: str, new: Model, protected: Sequence[Environment], before: Snapshot) -> Iterator[Act]:
    """What a model's record says of aliases that the rules name. `name` is what it was called."""
    old = before.model(name)
    had = old.aliases if old is not None else {}
    for environment in protected:
        for alias in environment.rules.aliases:
            was, now = had.get(alias), new.aliases.get(alias)
            if was == now and name == new.name:
                continue
            its = f"{name}@{alias}, an alias of {environment.name},"
            if now is not None and name == new.name:
                what = _called(before, name, now)
                yield Act(environment, "in", name, now, what, f"pointing {its} at {what}")
            elif was is not None:
                yield Act(environment, "out", name, was, _called(before, name, was), f"taking away {its}")
