"""What policies may ask about a change: the variables of their expressions.

change       kind, model, number, environment, and what it comes to: stage, config, aliases, records
actor        id, auth, teams, roles there
reason       the words that came with it, "" without any
version      the version that it is about, or that is to run, as the API shows it before the change
after        the same version once the change is made
evidence     the evaluations of that version with the files that it has, oldest first
environment  the environment that it concerns, with its rules
deployed     the version that is deployed there now, as the API shows it
model        the model as it is before the change
now          when it happens

What does not apply is null. They are made from a commit and the records before it and
nothing else, so that they are the same for a change about to be recorded and for one
that was recorded long ago; and each only if an expression names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, Final

from muster.domain import access, codec, lfs, names
from muster.domain.changes import RollBack
from muster.domain.documents import is_document
from muster.domain.evaluations import digest_of_files
from muster.domain.judging import Case
from muster.domain.messages import Entry, rfc3339
from muster.domain.records import Artifact, Environment, Json, Policy, Version
from muster.domain.snapshot import Records
from muster.domain.views import Times, version_view

DEPLOY: Final = "deploy"
"""The kind that stands, in a policy's `on`, for all that says of a version that it is in an environment:
deployments, a rollback to what was not there before, stages that count as an environment, at
registration too, and aliases that its rules name."""

BEGINNING: Final = "development"
"""The stage in which versions begin; to be in it says nothing of where they run."""

FACTS: Final = frozenset({"init", "begin-access", "observe", "deploy-failed", "lapse"})
"""What is recorded because it was so: no policy is asked."""

_SAYS_A_STAGE: Final = ("register", "stage")


@dataclass(frozen=True)
class Situation:
    """A change, about to be recorded or recorded, and the records as they were `before` it.

    `number` is the version's that it is about; of a deployment or a rollback that of the
    one to run. `was` is the name that the model had before it.
    """

    kind: str
    model: str | None
    number: int | None
    in_environment: str | None
    was: str | None
    edits: Mapping[str, bytes | None]
    actor: str
    auth: str
    reason: str
    time: datetime
    break_glass: bool
    before: Records

    # ------------------------------------------------------------ which policies

    @cached_property
    def places(self) -> tuple[Environment | None, ...]:
        """The environments that it concerns; (None,) if it concerns none."""
        if self.in_environment is not None:
            # A new environment is not there before it is made.
            return (self.before.environment(self.in_environment) or self._made,)
        found: tuple[Environment, ...] = ()
        stage = self._stage
        if self.kind in _SAYS_A_STAGE and stage not in (None, BEGINNING):
            found = self._those(lambda each: stage in (each.protected_stages or (each.stage,)))
        elif any(number is not None for number in self._aliases.values()):
            found = self._those(lambda each: any(self._aliases.get(alias) for alias in each.rules.aliases))
        return found or (None,)

    def _those(self, wanted: Callable[[Environment], bool]) -> tuple[Environment, ...]:
        return tuple(each for each in self.before.every_environment() if wanted(each))

    def concerned(self, policy: Policy) -> tuple[Environment | None, ...]:
        """The places for which the policy has a say in it."""
        if not policy.enabled or not self._is_of(policy) or not self._is_about(policy):
            return ()
        if not policy.environments:
            return self.places
        return tuple(each for each in self.places if each is not None and each.name in policy.environments)

    def _is_of(self, policy: Policy) -> bool:
        if not policy.on or self.kind in policy.on:
            return True
        # A new rule of an environment says of no version where it is.
        says_so = self.kind in _SAYS_A_STAGE or bool(self._aliases) or self._comes_in
        return DEPLOY in policy.on and says_so and self.places != (None,)

    @property
    def _comes_in(self) -> bool:
        """Whether it goes "back" to a version that was not there before."""
        if self.kind != RollBack.kind or self.in_environment is None or self.model is None:
            return False
        there = self.before.deployment(self.in_environment, self.model)
        known = {each.version for each in there.earlier} if there else set()
        return self.number not in known | {there.version if there else None}

    def _is_about(self, policy: Policy) -> bool:
        known = [name for name in (self.model, self.was) if name is not None]
        return not policy.models or any(fnmatchcase(name, each) for name in known for each in policy.models)

    # ------------------------------------------------------------ what they may ask

    def inputs(self, wanted: Iterable[str], place: Environment | None) -> dict[str, Any]:
        """The values of the wanted variables: JSON, but `now`, which is a time."""
        return {name: getattr(self, f"_the_{name}")(place) for name in wanted}

    def _the_change(self, place: Environment | None) -> Json:
        told: dict[str, Json] = {
            "kind": self.kind,
            "model": self.model,
            "number": self.number,
            "environment": place.name if place else None,
            "stage": self._stage,
            "config": None,
            "aliases": self._aliases,
            "records": {},
            "break_glass": self.break_glass,
        }
        at = names.deployment_path(place.name, self.model) if place and self.model else None
        for path, data in self.edits.items():
            if path == at and data is not None:
                told["config"] = codec.decode(data)["config"]
            elif _is_told(path):
                told["records"][path] = codec.decode(data) if data is not None else None
        return told

    def _the_actor(self, place: Environment | None) -> Json:
        at = [access.REGISTRY]
        if self.model is not None:
            there = self.before.model(self._name)
            at = access.places_of(self._name, there.owner if there else None)
        if place is not None:
            at.append(access.environment_access_path(place.name))
        return {
            "id": self.actor,
            "auth": self.auth,
            "teams": list(access.teams_of(self.before, self.actor)),
            "roles": list(access.roles_at(self.before, self.actor, at)),
        }

    def _the_reason(self, _: Environment | None) -> Json:
        return self.reason

    def _the_now(self, _: Environment | None) -> datetime:
        return self.time

    def _the_version(self, _: Environment | None) -> Json:
        if self.model is None or self.number is None:
            return None
        return self.before.version_record(self._name, self.number) or self._the_after(None)

    def _the_after(self, _: Environment | None) -> Json:
        if self.model is None or self.number is None:
            return None
        there = self.before.version_record(self._name, self.number)
        if self._new is None:
            return there
        if self._new.state == "deleted":
            return None
        at = rfc3339(self.time)
        times = Times(there["created_at"] if there else at, at)
        shown = version_view(self._new, times, there["deployed_in"] if there else ())
        # What the commit does not say stays: when it was deployed, where it came from.
        return {**(there or {}), **shown}

    def _the_evidence(self, _: Environment | None) -> Json:
        if self.model is None or self.number is None:
            return []
        under = names.evaluations_folder(self._name, self.number)
        found = self.before.documents(under)
        if not found:
            return []
        there = self.before.version(self._name, self.number)
        files = digest_of_files(there) if there is not None else None
        records = (codec.decode(data) for _, data in sorted(found, key=lambda each: (len(each[0]), each[0])))
        return [each for each in records if each.get("files") == files]

    def _the_environment(self, place: Environment | None) -> Json:
        return {"rules": {}} | _plain(codec.environment_to_dict(place)) if place is not None else None

    def _the_deployed(self, place: Environment | None) -> Json:
        if place is None or self.model is None:
            return None
        there = self.before.deployment(place.name, self._name)
        if there is None or there.version is None:
            return None
        return self.before.version_record(self._name, there.version)

    def _the_model(self, _: Environment | None) -> Json:
        there = self.before.model(self._name)
        if there is None or there.deleted:
            return None
        kept = ("name", "owner", "description", "tags", "aliases", "next_number")
        return _plain({name: getattr(there, name) for name in kept})

    # ------------------------------------------------------------ what it writes

    @property
    def _name(self) -> str:
        """What the model was called before; "" if it is about none."""
        return self.was or self.model or ""

    @cached_property
    def _aliases(self) -> dict[str, int | None]:
        """The aliases that mean something else from then on, None being nothing."""
        data = self.edits.get(names.model_path(self.model)) if self.model is not None else None
        if data is None:
            return {}
        there = self.before.model(self._name)
        old, new = dict(there.aliases) if there else {}, codec.model_from_dict(codec.decode(data)).aliases
        return {each: new.get(each) for each in sorted({*old, *new}) if old.get(each) != new.get(each)}

    @cached_property
    def _record(self) -> dict[str, Json] | None:
        """The version's record, if the change writes it."""
        if self.model is None or self.number is None:
            return None
        data = self.edits.get(names.version_path(self.model, self.number))
        return codec.decode(data) if data is not None else None

    @property
    def _stage(self) -> str | None:
        return self._record["stage"] if self._record is not None else None

    @cached_property
    def _new(self) -> Version | None:
        """The version as the change leaves it; None if the change leaves it alone."""
        if self.model is None or self.number is None:
            return None
        there = self.before.version(self._name, self.number)
        version = codec.version_from_dict(self._record) if self._record is not None else there
        files = {file.path: file for file in there.files} if there else {}
        under = names.file_path(self.model, self.number, "")
        touched = [each for each in self.edits.items() if each[0].startswith(under)]
        for where, pointer in touched:
            name = where.removeprefix(under)
            files.pop(name, None)
            if pointer is not None:
                sha256, size = lfs.parse_pointer(pointer)
                files[name] = Artifact(name, size, sha256)
        if version is None or (self._record is None and not touched):
            return None
        return replace(version, files=tuple(file for _, file in sorted(files.items())))

    @property
    def _made(self) -> Environment | None:
        data = self.edits.get(names.environment_path(self.in_environment or ""))
        return codec.environment_from_dict(codec.decode(data)) if data is not None else None


def _is_told(path: str) -> bool:
    """Whether `change.records` holds what is written there."""
    return path.startswith("environments/") or (is_document(path) and not path.startswith("decisions/"))


# ------------------------------------------------------------ of a change, of a commit


def situations_of(case: Case, before: Records) -> tuple[Situation, ...]:
    """Those of a change about to be recorded."""
    planned, actor = case.planned, case.actor
    first = Situation(
        case.change.kind,
        planned.model,
        _running(planned.deployed, planned.number),
        planned.environment,
        planned.renamed,
        planned.edits,
        actor.name,
        actor.auth,
        case.reason,
        case.time,
        case.change.break_glass,
        before,
    )
    return (first, *_others(first))


def situations_then(
    entry: Entry, edits: Mapping[str, bytes | None], before: Records
) -> tuple[Situation, ...]:
    """Those of a change that a commit with these edits recorded."""
    first = Situation(
        entry.kind,
        entry.model,
        _running(entry.deployed, entry.number),
        entry.environment,
        entry.renamed,
        edits,
        entry.actor,
        entry.auth,
        entry.reason,
        entry.time,
        entry.mark == "break-glass",
        before,
    )
    return (first, *_others(first))


def _others(first: Situation) -> Iterator[Situation]:
    """What a change does beside what its trailers name, as one that moves several models at once does."""
    if first.was is not None:  # everything is written anew, and nothing else than before
        return
    placed = [data for path, data in first.edits.items() if path.startswith("deployments/")]
    for data in placed:
        if data is None:
            continue
        new = codec.deployment_from_dict(codec.decode(data))
        old = first.before.deployment(new.environment, new.model)
        same = old is not None and (old.version, old.config) == (new.version, new.config)
        if not same and (new.environment, new.model) != (first.in_environment, first.model):
            kind = DEPLOY if new.version is not None else "undeploy"
            number = new.version if new.version is not None or old is None else old.version
            yield replace(first, kind=kind, model=new.model, number=number, in_environment=new.environment)
    if placed:
        return  # where versions run is what their stages follow
    own = names.version_path(first.model, first.number) if first.model and first.number else None
    for path, data in first.edits.items():
        if data is None or path == own or not path.endswith("/version.json"):
            continue
        version = codec.version_from_dict(codec.decode(data))
        there = first.before.version(version.model, version.number)
        if there is not None and there.stage != version.stage:
            yield replace(first, kind="stage", model=version.model, number=version.number)


def _running(deployed: str | None, number: int | None) -> int | None:
    return int(deployed) if deployed is not None and deployed.isdecimal() else number


def _plain(value: Any) -> Json:
    """`value` of dicts and lists alone, as evaluators take it."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    return value
