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
from dataclasses import dataclass
from typing import Final, Literal, cast

from muster.domain import access
from muster.domain.errors import Invalid
from muster.domain.metrics import Better, better
from muster.domain.names import digest
from muster.domain.parse import text

Than = Literal["worse", "lower", "higher"]
Operator = Literal[">=", "<=", ">", "<"]
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
        return f"{word(self.metric)} {self.operator} {number_word(self.number)}{_rest(self)}"


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
        within = f" by {number_word(self.tolerance)}" if self.tolerance else ""
        return f"{word(self.metric)} no {self.than} than deployed{within}{_rest(self)}"


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
        told = f"must say `{word(metric)} no lower than deployed`, or `no higher`: "
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


def word(name: str) -> str:
    """A name as rules write it: in quotes where it needs them."""
    return name if re.fullmatch(r'[^\s"<>=]+', name) else json.dumps(name, ensure_ascii=False)


def number_word(number: float) -> str:
    """A number as rules write it."""
    return repr(number).removesuffix(".0")


def _rest(said: Rule) -> str:
    by = f" by {said.by}" if said.by is not None else ""
    return f"{by} on {word(said.on)}" if said.on is not None else by
