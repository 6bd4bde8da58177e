"""Plans for releases: several models move in one commit, and come back in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from muster.domain import changes as c
from muster.domain import releases
from muster.domain.errors import Conflict, Invalid, NotDeployedThere, NothingToRestore, Stale
from muster.domain.messages import Moved
from muster.domain.placing import environment_of
from muster.domain.plan import plan
from muster.domain.records import Earlier
from muster.domain.releases import ReleasePart, ReleaseRecord, release_of, release_path
from muster.domain.snapshot import Plan, Snapshot

MAX_PARTS: Final = 50

Part = c.Deploy | c.RollBack | c.Undeploy
Moving = Part | c.Release | c.ReleaseBack
MOVING: Final = (c.Deploy, c.RollBack, c.Undeploy, c.Release, c.ReleaseBack)


def parts_of(change: Moving, before: Snapshot) -> tuple[Part, ...]:
    """What `change` does, model by model; of one that is about one model itself alone.

    Raises:
        NotFound: there is no such release.
        Conflict: it was taken back already, or what it put there is not there any more.
    """
    match change:
        case c.Release():
            return change.parts
        case c.ReleaseBack():
            return _ways_back(change, release_of(before, change.release), before)
    return (change,)


def place_of(change: Moving, before: Snapshot) -> tuple[str, tuple[str, ...]]:
    """The environment and the models that `change` is about. Raises NotFound."""
    match change:
        case c.Release():
            return change.environment, tuple(each.model for each in change.parts)
        case c.ReleaseBack():
            release = release_of(before, change.release)
            return release.environment, tuple(each.model for each in release.parts)
    return change.environment, (change.model,)


@plan.register
def _(change: c.Release, before: Snapshot) -> Plan:
    environment_of(before, change.environment)
    _check(change)
    planned = [(part, plan(part, before)) for part in change.parts]
    moving = [(part, each) for part, each in planned if not each.nothing]
    if not moving:
        return Plan("", environment=change.environment)
    new, last = releases.next_id(before)
    record = ReleaseRecord(new, change.environment, tuple(_part(part, before) for part, _ in moving))
    edits = {release_path(new): releases.to_bytes(record), releases.LAST: last}
    plans = [each for _, each in moving]
    return _together(f"Release {new} to {change.environment}", change.environment, plans, edits)


def _check(change: c.Release) -> None:
    if not 1 <= len(change.parts) <= MAX_PARTS:
        raise Invalid.one("versions", f"{len(change.parts)} of them", f"must be 1 to {MAX_PARTS}")
    seen: set[str] = set()
    for at, part in enumerate(change.parts):
        if part.model in seen:
            rule = "must be of another model: each can have one version there"
            raise Invalid.one(f"versions[{at}]", f"{part.model} {part.number}", rule)
        if part.environment != change.environment:
            rule = f"must be {change.environment}, as of the whole release"
            raise Invalid.one(f"versions[{at}].environment", part.environment, rule)
        seen.add(part.model)


def _part(part: c.Deploy, before: Snapshot) -> ReleasePart:
    old = before.deployment(part.environment, part.model)
    was = None if old is None or old.version is None else Earlier(old.version, old.config)
    return ReleasePart(part.model, part.number, part.config, was)


@plan.register
def _(change: c.ReleaseBack, before: Snapshot) -> Plan:
    release = release_of(before, change.release)
    parts = _ways_back(change, release, before)
    if change.expected is not None:
        now = tuple(before.deployment_touched(release.environment, each.model) for each in release.parts)
        if now != change.expected:
            raise Stale(f"a deployment of {release.id} changed meanwhile; look, then try again")
    plans = [plan(part, before) for part in parts]
    back = replace(release, state="taken-back")
    edits = {release_path(release.id): releases.to_bytes(back)}
    where = release.environment
    return _together(f"Take back release {release.id} in {where}", where, plans, edits)


def _ways_back(change: c.ReleaseBack, release: ReleaseRecord, before: Snapshot) -> tuple[Part, ...]:
    """What brings back, for each part, what the release replaced."""
    if release.state == "taken-back":
        raise Conflict(f"the release {release.id} is taken back already")
    environment_of(before, release.environment)
    moved_on, emptied = [], []
    for part in release.parts:
        there = before.deployment(release.environment, part.model)
        if there is None or (there.version, there.config) != (part.version, part.config):
            now = "nothing" if there is None or there.version is None else f"version {there.version}"
            again = ", configured otherwise" if there is not None and there.version == part.version else ""
            moved_on.append(f"of {part.model} {now} is deployed{again}")
        elif part.replaced is None and not there.recorded and not change.empty:
            emptied.append(part.model)
    if moved_on:
        raise NotDeployedThere(
            f"{release.id} cannot be taken back as one, for {release.environment} has moved on: "
            f"{'; '.join(moved_on)}"
        )
    if emptied:
        raise NothingToRestore(
            f"nothing of {', '.join(emptied)} was deployed in {release.environment} before {release.id}: "
            'taking it back would leave traffic nowhere to go; say "empty": true to do so'
        )
    return tuple(_way_back(release.environment, part) for part in release.parts)


def _way_back(environment: str, part: ReleasePart) -> Part:
    if part.replaced is None:
        return c.Undeploy(part.model, environment)
    if part.replaced.version == part.version:
        return c.Deploy(part.model, part.version, environment, part.replaced.config)
    return c.RollBack(part.model, part.version, environment, to=part.replaced.version)


def _together(subject: str, environment: str, plans: Sequence[Plan], edits: dict[str, bytes]) -> Plan:
    """The plan that does all of them at once; `edits` are its own. Their models are different ones."""
    merged: dict[str, bytes | None] = {**edits}
    for each in plans:
        merged.update(each.edits)
    return Plan(
        subject,
        environment=environment,
        edits=merged,
        moved=tuple(
            Moved(each.model, each.number, each.also, each.deployed)
            for each in plans
            if each.model is not None and each.number is not None and each.deployed is not None
        ),
    )
