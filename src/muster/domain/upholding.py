"""The judge that asks the policies, and what it keeps of what it decided.

    decisions/<hh>/<hh>/<time>.json        <hh>: of the time's sha256

One record a change that any policy had a say in, in the change's own commit: the
digest of all policies, that of each which was asked, and what they were asked about.
What is longer than `MAX_KEPT` is kept as its digest; with the commit before, and the
change, it can be made again. The reason is not repeated: it is the commit's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from muster.domain import changes as c
from muster.domain import codec, policies
from muster.domain.errors import Invalid, Objection
from muster.domain.judging import Case, Verdict
from muster.domain.messages import rfc3339
from muster.domain.policies import Evaluator
from muster.domain.records import Environment, Json, Policy
from muster.domain.situation import FACTS, Situation, situations_of
from muster.domain.snapshot import Snapshot

MAX_KEPT: Final = 8_192  # bytes of one variable, as one line of JSON
_AGREED: Final = Verdict()


@dataclass(frozen=True, slots=True)
class Asked:
    """What policies, by their names, said of a change at one of the places that it concerns.

    True: nothing against it; False: it is against it; a text: why that cannot be said.
    """

    situation: Situation
    place: Environment | None
    inputs: Mapping[str, Any]
    outcomes: Mapping[str, bool | str]


def asked(
    evaluator: Evaluator, situations: Iterable[Situation], among: Collection[Policy]
) -> Iterator[Asked]:
    """What those of the policies say that have a say in it."""
    for situation in situations:
        there = {place.name if place else None: (place, list[Policy]()) for place in situation.places}
        for policy in among:
            for place in situation.concerned(policy):
                there[place.name if place else None][1].append(policy)
        for place, concerned in there.values():
            if concerned:
                yield _asked_at(evaluator, situation, place, concerned)


def _asked_at(
    evaluator: Evaluator, situation: Situation, place: Environment | None, concerned: Sequence[Policy]
) -> Asked:
    outcomes: dict[str, bool | str] = {}
    reads: set[str] = set()
    for policy in concerned:
        try:
            reads |= evaluator.reads(policy.expression)
        except Invalid as invalid:  # it was right for the release that it was written with
            outcomes[policy.name] = invalid.message
    usable = [policy for policy in concerned if policy.name not in outcomes]
    inputs = situation.inputs(sorted(reads), place)
    said = evaluator.outcomes([policy.expression for policy in usable], inputs)
    outcomes |= {policy.name: outcome for policy, outcome in zip(usable, said, strict=True)}
    return Asked(situation, place, inputs, outcomes)


def objections(found: Iterable[Asked], among: Mapping[str, Policy]) -> tuple[Objection, ...]:
    """Everything that is said against it, each once, in the authors' words."""
    against = [
        _objection(among[name], outcome)
        for each in found
        for name, outcome in each.outcomes.items()
        if outcome is not True
    ]
    return tuple(dict.fromkeys(against))


def _objection(policy: Policy, outcome: bool | str) -> Objection:
    message = policy.message
    if isinstance(outcome, str):
        message = f"policy {policy.name} cannot be evaluated, so nothing passes it: {outcome}"
    return Objection(f"policy {policy.name}", message, _help(policy.name))


def _help(name: str) -> str:
    return f"policy {name} says so: `muster policy show {name}`; an admin can change it"


@dataclass(frozen=True, slots=True)
class Upholding:
    """The `Judge` of policies: those in force before the change, be it one to them."""

    evaluator: Evaluator

    def __call__(self, case: Case, before: Snapshot) -> Verdict:
        """Raises Invalid for a policy that is none, or that nobody could take away again."""
        change = case.change
        if case.actor.internal or change.kind in FACTS:
            return _AGREED
        if isinstance(change, c.SetPolicy):
            self._check(change.policy, situations_of(case, before)[0])
        records = before.documents(policies.FOLDER)
        if not records:
            return _AGREED
        in_force, against = self._in_force(records, change)
        found = tuple(asked(self.evaluator, situations_of(case, before), in_force.values()))
        against += objections(found, in_force)
        if against:
            return Verdict(objections=against)
        return Verdict(kept={path_of(case.time): _kept(records, found)}) if found else _AGREED

    def _check(self, policy: Policy, situation: Situation) -> None:
        self.evaluator.reads(policy.expression)
        removal = replace(
            situation,
            kind=c.DeletePolicy.kind,
            edits={policies.policy_path(policy.name): None},
            reason=situation.reason or "It is not needed any more",
        )
        for each in asked(self.evaluator, [removal], [policy]):
            if (outcome := each.outcomes[policy.name]) is not True:
                why = "" if outcome is False else f" ({outcome})"
                rule = (
                    "must name the kinds of changes that the policy is about: "
                    f"as it is, it would stand against its own removal{why}"
                )
                raise Invalid.one("on", list(policy.on), rule)

    def _in_force(
        self, records: Iterable[tuple[str, bytes]], change: c.Change
    ) -> tuple[dict[str, Policy], tuple[Objection, ...]]:
        """The policies by name, and what is said against the change because some cannot be read.

        One that is of no use does not stand in the way of what mends it.
        """
        found: dict[str, Policy] = {}
        against: tuple[Objection, ...] = ()
        for path, data in records:
            name = policies.name_of(path)
            try:
                policy = policies.from_bytes(data)
                if name == _mended(change):
                    self.evaluator.reads(policy.expression)
            except Invalid as invalid:
                if name != _mended(change):
                    told = f"policy {name} cannot be read, so nothing passes it: {invalid.message}"
                    against += (Objection(f"policy {name}", told, _help(name)),)
            else:
                found[policy.name] = policy
        return found, against


def _mended(change: c.Change) -> str | None:
    """The policy that the change replaces or removes."""
    match change:
        case c.SetPolicy(policy):
            return policy.name
        case c.DeletePolicy(name):
            return name
    return None


# ------------------------------------------------------------ what is kept


def path_of(time: datetime) -> str:
    """Where the decision about the change of that time is kept; no two changes have the same.

    Fanned out, so that the folders stay small however many there are, and however fast.
    """
    name = rfc3339(time).replace(":", "")
    spread = hashlib.sha256(name.encode()).hexdigest()
    return f"decisions/{spread[:2]}/{spread[2:4]}/{name}.json"


def _kept(records: tuple[tuple[str, bytes], ...], found: Sequence[Asked]) -> bytes:
    """One line of JSON: laid out as other records are it would take longer than all of the rest."""
    judged = {name for each in found for name in each.outcomes}
    of_each = {policies.name_of(path): policies.sha256_of(data) for path, data in records}
    kept = {
        "digest": policies.digest_of(records),
        "policies": {name: sha256 for name, sha256 in of_each.items() if name in judged},
        "asked": [
            {
                "environment": each.place.name if each.place else None,
                "model": each.situation.model,
                "number": each.situation.number,
                "inputs": {n: _shortened(value) for n, value in each.inputs.items() if n != "reason"},
                "outcomes": dict(each.outcomes),
            }
            for each in found
        ],
    }
    return codec.canonical(kept) + b"\n"


def _shortened(value: Any) -> Json:
    if isinstance(value, datetime):
        return rfc3339(value)
    if not isinstance(value, (dict, list)):
        return value
    line = codec.canonical(value)
    if len(line) <= MAX_KEPT:
        return value
    return {"sha256": hashlib.sha256(line).hexdigest(), "bytes": len(line)}
