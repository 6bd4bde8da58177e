"""What an environment demands as evidence, one rule a line.

    auc >= 0.9                                  of anybody, on any data
    auc >= 0.9 by team:validation               recorded by one who was of that team, and is
    latency_ms <= 20 on sha256:9f86…            on these data; a name of a data set will do
    "top 5 accuracy" > 0.8 by ada on holdout
    auc no worse than deployed                  as what is deployed there now, on the same data
    auc no worse than deployed by 0.01          worse by 0.01 at most
    cost no higher than deployed                for metrics whose name does not say what is better
    report by team:risk                         an evaluation with a report

Of the evaluations that a rule lets count, the newest one with the metric is what counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast

from muster.domain import access
from muster.domain.errors import Invalid, Objection
from muster.domain.evaluations import Evaluation, digest_of_files, evaluations
from muster.domain.metrics import Better, better
from muster.domain.names import digest
from muster.domain.parse import text
from muster.domain.plan import live_version
from muster.domain.records import Version
from muster.domain.snapshot import Snapshot

Than = Literal["worse", "lower", "higher"]
Operator = Literal[">=", "<=", ">", "<"]
VERIFIED: Final = ("token", "oidc")
MAX_RULE: Final = 1000  # characters


@dataclass(frozen=True, slots=True)
class Bound:
    """A metric must be above or below a number."""

    metric: str
    operator: Operator
    number: float
    by: str | None = None
    on: str | None = None

    def __str__(self) -> str:
        return f"{_word(self.metric)} {self.operator} {_number(self.number)}{_rest(self)}"


@dataclass(frozen=True, slots=True)
class NoWorse:
    """A metric must be as good as that of what is deployed, or worse by `tolerance` at most.

    `than` says what worse is; with `worse` the metric's name does.
    """

    metric: str
    than: Than = "worse"
    tolerance: float = 0.0
    by: str | None = None
    on: str | None = None

    @property
    def better(self) -> Better:
        """Which values are better."""
        if self.than == "worse":
            return better(self.metric) or "higher"
        return "higher" if self.than == "lower" else "lower"

    def __str__(self) -> str:
        within = f" by {_number(self.tolerance)}" if self.tolerance else ""
        return f"{_word(self.metric)} no {self.than} than deployed{within}{_rest(self)}"


@dataclass(frozen=True, slots=True)
class Reported:
    """There must be a report."""

    by: str | None = None
    on: str | None = None

    def __str__(self) -> str:
        return f"report{_rest(self)}"


Rule = Bound | NoWorse | Reported


# ------------------------------------------------------------ text ↔ rule

_WORD: Final = r'"(?:[^"\\]|\\.)+"|[^\s"<>=]+'
_NUMBER: Final = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?!\S)"
_RULE: Final = re.compile(
    rf"""\s*(?:
      (?P<report>report)
    | (?P<metric>{_WORD})\s*(?P<operator>>=|<=|>|<)\s*(?P<number>{_NUMBER})
    | (?P<compared>{_WORD})\s+no\s+(?P<than>worse|lower|higher)\s+than\s+deployed
      (?:\s+by\s+(?P<tolerance>{_NUMBER}))?
    )
    (?:\s+by\s+(?P<by>\S+))?
    (?:\s+on\s+(?P<on>{_WORD}))?
    \s*""",
    re.VERBOSE,
)
FORMS: Final = (
    "METRIC >= NUMBER, METRIC no worse than deployed [by NUMBER], or report; then [by WHO] [on DATA]"
)


def rule(value: object, field: str = "evidence") -> Rule:
    """A rule from its text; `str` of it is the reverse.

    Raises:
        Invalid: it is none.
    """
    said = text(value, field, MAX_RULE)
    found = _RULE.fullmatch(said)
    if found is None:
        raise Invalid.one(field, value, f"must be {FORMS}")
    by = access.subject(found["by"], field) if found["by"] is not None else None
    on = _data(found["on"], field) if found["on"] is not None else None
    if found["report"] is not None:
        return Reported(by, on)
    if found["metric"] is not None:
        operator = cast(Operator, found["operator"])
        return Bound(_unquoted(found["metric"], field), operator, _finite(found["number"], field), by, on)
    metric, than = _unquoted(found["compared"], field), cast(Than, found["than"])
    if than == "worse" and better(metric) is None:
        told = f"must say `{_word(metric)} no lower than deployed`, or `no higher`: "
        raise Invalid.one(field, value, f"{told}its name does not tell which way is worse")
    tolerance = _finite(found["tolerance"] or "0", field)
    if tolerance < 0:
        raise Invalid.one(field, value, "must not allow less than nothing")
    return NoWorse(metric, than, tolerance, by, on)


def _finite(said: str, field: str) -> float:
    number = float(said)
    if number in (float("inf"), float("-inf")):
        raise Invalid.one(field, said, "must be a finite number")
    return number


def _unquoted(said: str, field: str) -> str:
    if not said.startswith('"'):
        return said
    try:
        found = json.loads(said)
    except ValueError:
        raise Invalid.one(field, said, "must be quoted as in JSON") from None
    return text(found, field)


def _data(said: str, field: str) -> str:
    """`sha256:<digest>`, or the name of a data set."""
    if said.startswith("sha256:"):
        return f"sha256:{digest(said, field)}"
    return _unquoted(said, field)


def _word(name: str) -> str:
    return name if re.fullmatch(r'[^\s"<>=]+', name) else json.dumps(name, ensure_ascii=False)


def _number(number: float) -> str:
    return repr(number).removesuffix(".0")


def _rest(said: Rule) -> str:
    by = f" by {said.by}" if said.by is not None else ""
    return f"{by} on {_word(said.on)}" if said.on is not None else by


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


def objections(
    rules: Sequence[Rule], before: Snapshot, version: Version, environment: str
) -> Iterator[Objection]:
    """What the evidence about `version` lacks for `environment`, an objection a rule."""
    for said in rules:
        lacking = _lacking(said, before, version, environment)
        if lacking is not None:
            message = f"{environment} demands `{said}`, and {lacking}"
            yield Objection("evidence", message, _who_helps(before, said.by))


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
    return f"{told}{_number(theirs)}: {_apart(ours, theirs)}, and the {said.better} is better"


def _measured(version: Version, found: Evaluation, metric: str) -> str:
    value = _number(found.metrics[metric])
    return f"{metric} of {version.reference} is {value} (evaluation {found.number} by {found.by})"


def _apart(value: float, bound: float) -> str:
    if value == bound:
        return "just that, and not beyond it"
    return f"{abs(value - bound):.3g} too {'low' if value < bound else 'high'}"


def _of_whom(said: Rule) -> str:
    return f" by {said.by}" if said.by is not None else ""


def _missing(before: Snapshot, version: Version, said: Rule, what: str) -> str:
    """That nothing counts; and what is there and does not, with why."""
    on = f" on {_word(said.on)}" if said.on is not None else ""
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
    if not team.members:
        return f"team {name} has no members yet; one of them could evaluate it"
    return f"{', '.join(team.members[:3])} of team {name} can evaluate it: `muster evaluate`"
