"""The `Evaluator` of policies: the Common Expression Language, by the CEL project's own library.

The language is specified at cel.dev (cel-spec, doc/langdef.md); its optional values
(`version.metrics[?"auc"].orValue(0.0)`) are switched on. Every name is declared, so
that an expression which names another is refused when it is written.

An evaluation is bounded, whatever the expression: 32 levels, 10,000 iterations. What
goes wrong in one is an outcome, never an exception: policies fail closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from cel_expr_python import cel
from cel_expr_python.ext import ext_optional

from muster.domain.errors import NOTHING, Invalid, Problem
from muster.domain.policies import VARIABLES

_REMEMBERED: Final = 1024  # compiled expressions

_A_MAP: Final = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
# What may be null is of any type, for CEL compares a map with nothing but maps.
_TYPES: Final[Mapping[str, Any]] = {
    **dict.fromkeys(VARIABLES, cel.Type.DYN),
    "actor": _A_MAP,
    "change": _A_MAP,
    "evidence": cel.Type.List(cel.Type.DYN),
    "now": cel.Type.TIMESTAMP,
    "reason": cel.Type.STRING,
}
_TRUE_OR_FALSE: Final = (cel.Type.BOOL, cel.Type.DYN)
_ERROR: Final = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): ([^\n]*)")
_STATUS: Final = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
_UNKNOWN: Final = "undeclared reference to"


def _environment(variables: Mapping[str, Any]) -> Any:
    return cel.NewEnv(variables=dict(variables), extensions=[ext_optional.ExtOptional()])


class Cel:
    """An `Evaluator`; it compiles each expression once."""

    def __init__(self) -> None:
        self._whole = _environment(_TYPES)
        self._without = {
            name: _environment({each: kind for each, kind in _TYPES.items() if each != name})
            for name in VARIABLES
        }
        self._compiled = lru_cache(_REMEMBERED)(self._compile)

    def reads(self, expression: str) -> frozenset[str]:
        return self._compiled(expression)[1]

    def outcomes(self, expressions: Sequence[str], inputs: Mapping[str, object]) -> list[bool | str]:
        try:
            given = self._whole.Activation(dict(inputs))
        except RuntimeError as error:
            return [_told(error)] * len(expressions)
        return [self._outcome(expression, given) for expression in expressions]

    def _outcome(self, expression: str, given: Any) -> bool | str:
        try:
            value = self._compiled(expression)[0].eval(given)
            outcome = value.value()
            if outcome is True or outcome is False:
                return outcome
            if value.type() == cel.Type.ERROR:
                return _told(outcome)
            return f"it must be true or false and is {_kind(value.type())}"
        except RuntimeError as error:  # the library's only one: an iteration too many, a value it cannot hold
            return _told(error)
        except Invalid as invalid:
            return invalid.message

    def _compile(self, expression: str) -> tuple[Any, frozenset[str]]:
        try:
            program = self._whole.compile(expression)
        except RuntimeError as error:
            raise Invalid(_problems(str(error))) from None
        if not any(kind == program.return_type() for kind in _TRUE_OR_FALSE):
            rule = f"must be true or false, and is {_kind(program.return_type())}"
            raise Invalid([Problem("expression", NOTHING, rule)])
        return program, frozenset(self._read_by(expression))

    def _read_by(self, expression: str) -> Iterator[str]:
        """Without a variable that it reads, it does not compile."""
        for name, environment in self._without.items():
            if re.search(rf"\b{name}\b", expression):
                try:
                    environment.compile(expression)
                except RuntimeError:
                    yield name


def _kind(kind: Any) -> str:
    return str(kind.name()).lower()


def _told(error: object) -> str:
    """The library's words, in one line and without its status codes."""
    told = str(error)
    while (shorter := _STATUS.sub("", told)) != told:
        told = shorter
    return " ".join(told.split())


def _problems(told: str) -> Iterator[Problem]:
    found = list(dict.fromkeys(_ERROR.findall(told))) or [("-1", "-1", _told(told))]
    for line, column, what in found:
        where = f"at line {line}, column {column}: " if int(line) > 0 else ""
        what = what.split(" expecting {")[0].replace(" (in container '')", "").strip()
        if what.startswith(_UNKNOWN):
            what += f"; there are {', '.join(VARIABLES)}"
        yield Problem("expression", NOTHING, f"is wrong {where}{what}" if where else f"is wrong: {what}")
