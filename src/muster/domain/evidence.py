"""Whether the evidence about a version is what an environment demands: `evidence_rules` says how it asks.

Of the evaluations that a rule lets count, the newest one with the metric is what counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from muster.domain import access, codec
from muster.domain.acts import Act
from muster.domain.errors import Invalid, Objection
from muster.domain.evaluations import Evaluation, digest_of_files, evaluations
from muster.domain.evidence_rules import Bound, NoWorse, Reported, Rule, number_word, rule, word
from muster.domain.judging import Case, Verdict
from muster.domain.names import version_path
from muster.domain.plan import live_version
from muster.domain.records import Version
from muster.domain.snapshot import Snapshot

VERIFIED: Final = ("token", "oidc")


# ------------------------------------------------------------ what counts


def counts(before: Snapshot, found: Evaluation, version: Version, said: Rule) -> bool:
    """Whether the rule lets that evaluation of the version count."""
    return (
        found.files == digest_of_files(version) and _is_on(found, said.on) and _is_by(before, found, said.by)
    )


def _is_on(found: Evaluation, on: str | None) -> bool:
    data = found.dataset or {}
    return on is None or on == data.get("name") or on == f"sha256:{data.get('sha256')}"


def _is_by(before: Snapshot, found: Evaluation, by: str | None) -> bool:
    """Whether it is one of `by`: by who they were then and are now, and not by a claim."""
    if by is None:
        return True
    if access.controlled(before):
        account = access.account(before, found.by)
        if found.auth not in VERIFIED or account is None or account.disabled:
            return False
    if not by.startswith(access.TEAM):
        return found.by == by
    team = by.removeprefix(access.TEAM)
    # Who evaluated for one team did not do so for another.
    in_their_name = found.evaluator in (found.by, by)
    return in_their_name and team in found.teams and access.is_member(before, found.by, team)


def _newest(
    before: Snapshot, version: Version, said: Rule, metric: str | None = None
) -> Iterator[Evaluation]:
    """The evaluations of the version that count, with the metric, the newest first."""
    for found in evaluations(before, version.model, version.number):
        if counts(before, found, version, said) and (metric is None or metric in found.metrics):
            yield found


# ------------------------------------------------------------ judging


def judge(case: Case, before: Snapshot) -> Verdict:
    """Object to what comes into an environment without the evidence that it demands."""
    if case.actor.internal or case.change.break_glass:  # `break_glass` judges who may
        return Verdict()
    against: list[Objection] = []
    for act in case.acts(before):
        if act.way == "in" and act.environment.rules.evidence:
            version = before.version(act.model, act.number) or _registered(case, act)
            against += objections(act.environment.rules.evidence, before, version, act.environment.name)
    # A change that does two things there is told once what stands against both.
    return Verdict(tuple(dict.fromkeys(against)))


def _registered(case: Case, act: Act) -> Version:
    """The version that the change itself makes."""
    data = case.planned.edits[version_path(act.model, act.number)]
    assert data is not None
    return codec.version_from_dict(codec.decode(data))


def objections(
    rules: Sequence[str], before: Snapshot, version: Version, environment: str
) -> Iterator[Objection]:
    """What the evidence about `version` lacks for `environment`, an objection a rule."""
    name = f"{environment}: evidence"
    for written in rules:
        try:
            said = _read(written)
        except Invalid as unread:  # it came past the form that refuses such
            yield Objection(name, unread.message, f"a maintainer of {environment} can write it anew")
            continue
        lacking = _lacking(said, before, version, environment)
        if lacking is not None:
            yield Objection(
                name, f"{environment} demands `{said}`, and {lacking}", _who_helps(before, said.by)
            )


@lru_cache(maxsize=1024)
def _read(written: str) -> Rule:
    return rule(written)


def _lacking(said: Rule, before: Snapshot, version: Version, environment: str) -> str | None:
    match said:
        case Bound():
            return _bound(said, before, version)
        case NoWorse():
            return _no_worse(said, before, version, environment)
        case Reported():
            reported = any(found.report for found in _newest(before, version, said))
            return None if reported else _missing(before, version, said, "report")


def _bound(said: Bound, before: Snapshot, version: Version) -> str | None:
    found = next(_newest(before, version, said, said.metric), None)
    if found is None:
        return _missing(before, version, said, said.metric)
    value, bound = found.metrics[said.metric], said.number
    holds = {">=": value >= bound, "<=": value <= bound, ">": value > bound, "<": value < bound}
    if holds[said.operator]:
        return None
    return f"{_measured(version, found, said.metric)}: {_apart(value, bound)}"


def _no_worse(said: NoWorse, before: Snapshot, version: Version, environment: str) -> str | None:
    there = before.deployment(environment, version.model)
    if there is None or there.version is None or there.version == version.number:
        return None
    deployed = live_version(before, version.model, there.version)
    ours = list(_newest(before, version, said, said.metric))
    if not ours:
        return _missing(before, version, said, said.metric)
    theirs: dict[str, Evaluation] = {}
    for found in _newest(before, deployed, said, said.metric):
        if found.sha256 is not None:
            theirs.setdefault(found.sha256, found)
    for mine in ours:
        other = theirs.get(mine.sha256 or "")
        if other is not None:
            return _compared(said, version, mine, deployed, other)
    digests = sorted({found.sha256 for found in ours if found.sha256 is not None})
    if not digests:
        return f"no evaluation of {version.reference} with {said.metric} says the sha256 of its data"
    told = f"{deployed.reference}, deployed there, has no {said.metric}{_of_whom(said)} on the same data"
    return f"{told} (sha256:{digests[0]}): evaluate it, too"


def _compared(
    said: NoWorse, version: Version, mine: Evaluation, deployed: Version, other: Evaluation
) -> str | None:
    ours, theirs = mine.metrics[said.metric], other.metrics[said.metric]
    if said.better == "higher":
        holds = ours >= theirs - said.tolerance
    else:
        holds = ours <= theirs + said.tolerance
    if holds:
        return None
    told = f"{_measured(version, mine, said.metric)}, that of {deployed.reference}, deployed there, is "
    return f"{told}{number_word(theirs)}: {_apart(ours, theirs)}, and the {said.better} is better"


def _measured(version: Version, found: Evaluation, metric: str) -> str:
    value = number_word(found.metrics[metric])
    return f"{metric} of {version.reference} is {value} (evaluation {found.number} by {found.by})"


def _apart(value: float, bound: float) -> str:
    if value == bound:
        return "just that, and not beyond it"
    return f"{abs(value - bound):.3g} too {'low' if value < bound else 'high'}"


def _of_whom(said: Rule) -> str:
    return f" by {said.by}" if said.by is not None else ""


def _missing(before: Snapshot, version: Version, said: Rule, what: str) -> str:
    """That nothing counts; and what is there and does not, with why."""
    on = f" on {word(said.on)}" if said.on is not None else ""
    told = f"{version.reference} has no evaluation{_of_whom(said)}{on} with {'a ' * (what == 'report')}{what}"
    for found in evaluations(before, version.model, version.number):
        has_it = found.report is not None if what == "report" else what in found.metrics
        if has_it and _is_on(found, said.on):
            return (
                f"{told} (evaluation {found.number} does not count: {_why_not(before, found, version, said)})"
            )
    return told


def _why_not(before: Snapshot, found: Evaluation, version: Version, said: Rule) -> str:
    if found.files != digest_of_files(version):
        return "the version had other files then"
    if access.controlled(before) and found.auth not in VERIFIED:
        return f"that it was {found.by} is not verified"
    team = (said.by or "").removeprefix(access.TEAM)
    if team == said.by:
        return f"it is by {found.by}"
    if not access.is_member(before, found.by, team):
        return f"{found.by} is not of team {team}"
    if team not in found.teams:
        return f"{found.by} was not of team {team} then"
    if found.evaluator not in (found.by, said.by):
        return f"{found.by} made it for {found.evaluator}"
    return f"the account {found.by} is disabled"


def _who_helps(before: Snapshot, by: str | None) -> str:
    if by is None:
        return "whoever may write to the model can evaluate it: `muster evaluate`"
    if not by.startswith(access.TEAM):
        return f"{by} can evaluate it: `muster evaluate`"
    name = by.removeprefix(access.TEAM)
    team = access.team(before, name)
    if team is None:
        return f"there is no team {name}: whoever manages the environment can change the rule"
    accounts = [(each, access.account(before, each)) for each in team.members]
    able = [each for each, account in accounts if account is None or not account.disabled]
    if not able:
        return f"team {name} has nobody who could evaluate it: a maintainer of the team can add somebody"
    return f"{', '.join(able[:3])} of team {name} can evaluate it: `muster evaluate`"
