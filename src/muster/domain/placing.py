"""Plans for what runs where: deploy, roll back, undeploy, environments, observations."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

from muster.domain import changes as c
from muster.domain import codec, lfs
from muster.domain.banning import is_banned
from muster.domain.errors import (
    Conflict,
    Immutable,
    Invalid,
    NotDeployedThere,
    NotFound,
    NothingToRestore,
    Stale,
    Taken,
)
from muster.domain.names import deployment_path, environment_path
from muster.domain.plan import (
    check_expected,
    file_of_version,
    live_model,
    live_version,
    plan,
)
from muster.domain.records import FIRST_ENVIRONMENTS, Deployment, Earlier, Environment, Version
from muster.domain.rule_references import check_environment_unnamed, check_named
from muster.domain.snapshot import Plan, Snapshot

MAX_EARLIER = 100
MAX_QUOTED = 4_000
TARGETS = ("process", "external")

_NOWHERE = (
    'a rollback would leave traffic nowhere to go; say "empty": true to do so, or name a version with "to"'
)

# Where a version goes that leaves an environment with that stage and runs nowhere else.
_AFTER = {"production": "staging", "staging": "development"}


def environment_of(before: Snapshot, name: str) -> Environment:
    """The environment; NotFound if there is none by that name."""
    environment = before.environment(name)
    if environment is None:
        raise NotFound("environment", name)
    return environment


def is_recorded(version: Version, environment: Environment) -> bool:
    """Whether deploying `version` there only declares it: it has nothing that Muster could run."""
    return not version.files and version.kind != "external" and environment.target != "external"


def stage_of(before: Snapshot, version: Version, instead: Deployment) -> str:
    """The stage of `version` once `instead` is how its deployment there stands.

    That of the highest environment in which it is then deployed; if it leaves its
    last one, a step down from there; unchanged where environments name none.
    """
    others = [d for d in before.deployments_of(version.model) if d.environment != instead.environment]
    places = [
        environment
        for d in [*others, instead]
        if d.version == version.number and (environment := before.environment(d.environment)) is not None
    ]
    for place in sorted(places, key=lambda p: p.rank, reverse=True):
        if place.stage is not None:
            return place.stage
    left = before.environment(instead.environment)
    if places or left is None or left.stage is None:
        return version.stage
    return _AFTER.get(left.stage, left.stage)


def _placed(
    before: Snapshot, old: Deployment | None, new: Deployment
) -> tuple[dict[str, bytes | None], tuple[int, ...]]:
    """The edits that put `new` in the place of `old`, and the versions that it touches."""
    edits: dict[str, bytes | None] = {
        deployment_path(new.environment, new.model): codec.encode(codec.deployment_to_dict(new))
    }
    touched = {d.version for d in (old, new) if d is not None and d.version is not None}
    for number in touched:
        version = live_version(before, new.model, number)
        stage = stage_of(before, version, new)
        if stage != version.stage:
            edits.update([file_of_version(replace(version, stage=stage))])
    return edits, tuple(sorted(touched))


def check_final(version: Version) -> None:
    """Refuse what has no fixed files yet, or none any more.

    One that was final is pending while files are attached to it.
    """
    if version.state == "pending":
        raise Conflict(f"{version.model_id} is pending: finalize its files first")
    if version.purged:
        raise Conflict(f"{version.model_id} was purged: its files are gone for good")


def check_guard(before: Snapshot, change: c.Deploy | c.RollBack) -> None:
    """Refuse what was prepared against a deployment that has changed meanwhile."""
    last = before.deployment_touched(change.environment, change.model)
    if change.guarded and last != change.expected:
        raise Stale(
            f"the deployment of {change.model} in {change.environment} changed meanwhile; "
            "look, then try again"
        )
    check_expected(last, change.expected)


def returnable(deployment: Deployment) -> tuple[Earlier, ...]:
    """`earlier` of the deployment once its present version has been replaced."""
    if deployment.version is None:
        return deployment.earlier
    return (Earlier(deployment.version, deployment.config), *deployment.earlier)[:MAX_EARLIER]


@plan.register
def _(change: c.Deploy, before: Snapshot) -> Plan:
    environment = environment_of(before, change.environment)
    version = live_version(before, change.model, change.number)
    check_final(version)
    check_guard(before, change)
    old = before.deployment(change.environment, change.model)
    earlier: tuple[Earlier, ...] = ()
    if old is not None:
        earlier = tuple(e for e in returnable(old) if e.version != change.number)
    new = Deployment(
        change.environment,
        change.model,
        change.number,
        change.config,
        recorded=is_recorded(version, environment),
        earlier=earlier,
    )
    if old == new:
        return Plan("", change.model, change.number, change.environment)
    edits, touched = _placed(before, old, new)
    again = old is not None and old.version == change.number
    name = f"{version.model} {version.label or version.number}"
    return Plan(
        f"Configure {name} in {change.environment}" if again else f"Deploy {name} to {change.environment}",
        change.model,
        change.number,
        change.environment,
        also=tuple(number for number in touched if number != change.number),
        edits=edits,
        deployed=str(change.number),
    )


def rolled_back(change: c.RollBack, before: Snapshot) -> tuple[Deployment, Deployment]:
    """The deployment as it is, and as it is after the rollback.

    Raises:
        NotDeployedThere: the version is not what is deployed there.
        NothingToRestore: traffic would have nowhere to go, and `empty` was not said.
    """
    environment = environment_of(before, change.environment)
    version = live_version(before, change.model, change.number)
    old = before.deployment(change.environment, change.model)
    if old is None or old.version != change.number:
        now = "nothing is" if old is None or old.version is None else f"version {old.version} is"
        raise NotDeployedThere(
            f"{version.model_id} is not deployed in {change.environment}: {now}, "
            "so there is nothing to roll back"
        )
    back = _way_back(change, old, before)
    if back is None:
        if not old.recorded and not change.empty:
            which = "that is not banned " if old.earlier else ""
            raise NothingToRestore(
                f"no version of {change.model} {which}was deployed in {change.environment} before "
                f"{version.model_id}: {_NOWHERE}"
            )
        return old, Deployment(change.environment, change.model, None)
    restored = live_version(before, change.model, back.version)
    check_final(restored)
    recorded = is_recorded(restored, environment)
    if recorded and not old.recorded and not change.empty:
        raise NothingToRestore(
            f"{restored.model_id}, deployed before, has no files and would not run: {_NOWHERE}"
        )
    earlier = tuple(e for e in old.earlier if e.version not in (change.number, back.version))
    at = next((i for i, e in enumerate(old.earlier) if e.version == back.version), None)
    if at is not None:
        earlier = old.earlier[at + 1 :]
    return old, Deployment(
        change.environment,
        change.model,
        back.version,
        back.config,
        recorded=recorded,
        earlier=earlier,
    )


def way_back(before: Snapshot, deployment: Deployment) -> Earlier | None:
    """What a rollback returns to that names nothing: the version before, past those that are banned."""
    found = (e for e in deployment.earlier if not is_banned(before, deployment.model, e.version))
    return next(found, None)


def _way_back(change: c.RollBack, old: Deployment, before: Snapshot) -> Earlier | None:
    """The version to return to and how it ran."""
    if change.to is None:
        return way_back(before, old)
    if change.to == change.number:
        raise Invalid.one(
            "to",
            change.to,
            "must name another version than the one that is rolled back",
        )
    for earlier in old.earlier:
        if earlier.version == change.to:
            return earlier
    return Earlier(change.to, old.config)


@plan.register
def _(change: c.RollBack, before: Snapshot) -> Plan:
    check_guard(before, change)
    old, new = rolled_back(change, before)
    edits, touched = _placed(before, old, new)
    version = live_version(before, change.model, change.number)
    name = f"{version.model} {version.label or version.number}"
    if new.version is None:
        subject = f"Roll back {name} in {change.environment}, leaving it empty"
    else:
        restored = live_version(before, change.model, new.version)
        subject = f"Roll back {name} to {restored.label or restored.number} in {change.environment}"
    also = tuple(number for number in touched if number != change.number)
    return Plan(
        subject,
        change.model,
        change.number,
        change.environment,
        also=also,
        edits=edits,
        deployed=str(new.version or "none"),
    )


@plan.register
def _(change: c.Undeploy, before: Snapshot) -> Plan:
    environment_of(before, change.environment)
    live_model(before, change.model)
    check_expected(before.deployment_touched(change.environment, change.model), change.expected)
    old = before.deployment(change.environment, change.model)
    if old is None or old.version is None:
        raise NotDeployedThere(f"nothing of {change.model} is deployed in {change.environment}")
    new = Deployment(change.environment, change.model, None, earlier=returnable(old))
    edits, _ = _placed(before, old, new)
    version = live_version(before, change.model, old.version)
    subject = f"Undeploy {version.model} {version.label or version.number} from {change.environment}"
    return Plan(
        subject,
        change.model,
        old.version,
        change.environment,
        edits=edits,
        deployed="none",
    )


def _quoted(words: str) -> str:
    """What a worker or another system said, as a commit's message can hold it."""
    kept = (
        char if char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cs") else "\ufffd"
        for char in words.replace("\r\n", "\n")
    )
    return "".join(kept).strip()[:MAX_QUOTED]


@plan.register
def _(change: c.AttemptFailed, before: Snapshot) -> Plan:
    version = live_version(before, change.model, change.number)
    subject = f"{version.model} {version.label or version.number} did not start in {change.environment}"
    return Plan(subject, change.model, change.number, change.environment, body=_quoted(change.why))


@plan.register
def _(change: c.Observe, before: Snapshot) -> Plan:
    environment_of(before, change.environment)
    what = change.model
    if change.number is not None:
        version = live_version(before, change.model, change.number)
        what = f"{version.model} {version.label or version.number}"
    else:
        live_model(before, change.model)
    where = f"{change.environment} ({change.instance})" if change.instance else change.environment
    subject = f"Observed {what} {change.state} in {where}"
    return Plan(subject, change.model, change.number, change.environment, body=_quoted(change.detail))


# ------------------------------------------------------------ environments


@plan.register
def _(_: c.Initialize, before: Snapshot) -> Plan:
    if before.environment(FIRST_ENVIRONMENTS[0].name) is not None:
        raise Conflict("the registry has begun already")
    edits: dict[str, bytes | None] = {
        environment_path(e.name): codec.encode(codec.environment_to_dict(e)) for e in FIRST_ENVIRONMENTS
    }
    edits["muster.json"] = codec.encode({"format": codec.FORMAT})
    edits[".gitattributes"] = lfs.ATTRIBUTES
    edits[".lfsconfig"] = lfs.CONFIG
    return Plan("Begin the registry", edits=edits)


@plan.register
def _(change: c.SetEnvironment, before: Snapshot) -> Plan:
    new = change.environment
    old = before.environment(new.name)
    path = environment_path(new.name)
    if change.create and old is not None:
        raise Taken("environment", new.name)
    if not change.create and old is None:
        raise NotFound("environment", new.name)
    check_expected(before.environment_touched(new.name), change.expected)
    if new == old:
        return Plan("", environment=new.name)
    check_named(new, before)
    moved = old is not None and (old.target, old.stage, old.rank) != (new.target, new.stage, new.rank)
    if moved and (there := before.deployed_in(new.name)):
        raise Immutable(
            f"target, stage and rank of {new.name} cannot change while {len(there)} models are there, "
            f"{there[0]} among them; undeploy them first"
        )
    edits = {path: codec.encode(codec.environment_to_dict(new))}
    return Plan(_told(old, new), environment=new.name, edits=edits)


def _told(old: Environment | None, new: Environment) -> str:
    if old is None:
        return f"Create environment {new.name}"
    if replace(old, rules=new.rules) != new or old.rules == new.rules:
        return f"Update environment {new.name}"
    if not new.rules.protects and old.rules.protects:
        return f"Unprotect {new.name}"
    return f"Protect {new.name}" if not old.rules.protects else f"Change the rules of {new.name}"


@plan.register
def _(change: c.DeleteEnvironment, before: Snapshot) -> Plan:
    environment_of(before, change.environment)
    path = environment_path(change.environment)
    check_expected(before.environment_touched(change.environment), change.expected)
    if there := before.deployed_in(change.environment):
        raise Immutable(
            f"{len(there)} models are deployed in {change.environment}, {there[0]} among them; "
            "undeploy them first"
        )
    check_environment_unnamed(change.environment, before)
    emptied = {
        deployment_path(change.environment, model): None for model in before.placed_in(change.environment)
    }
    return Plan(
        f"Delete environment {change.environment}",
        environment=change.environment,
        edits={path: None, **emptied},
    )
