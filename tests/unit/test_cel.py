"""The evaluator of policies: the language as specified, and nothing that an expression does gets out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.domain.errors import Invalid
from muster.domain.policies import VARIABLES
from muster.policies.cel import Cel

CEL = Cel()
NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
INPUTS: dict[str, Any] = {
    "version": {"metrics": {"auc": 0.91, "n": 3}, "tags": {"risk-tier": "high", "note": None}},
    "after": None,
    "deployed": None,
    "evidence": [{"by": "bob", "metrics": {"auc": 0.95}}, {"by": "eve", "metrics": {}}],
    "environment": {"name": "production", "rank": 30},
    "model": {"name": "digits"},
    "change": {"kind": "deploy", "config": {"replicas": 2}},
    "actor": {"id": "ada", "teams": ["risk", "ops"]},
    "reason": "better recall",
    "now": NOW,
}


def outcome(expression: str, **inputs: Any) -> bool | str:
    [found] = CEL.outcomes([expression], INPUTS | inputs)
    return found


@pytest.mark.parametrize(
    "expression",
    [
        "has(version.metrics.auc) && !has(version.metrics.recall)",
        "evidence.exists(e, e.metrics.auc >= 0.9)",
        "!evidence.all(e, has(e.metrics.auc))",
        "evidence.exists_one(e, e.by == 'bob')",
        "evidence.filter(e, has(e.metrics.auc)).size() == 1",
        "evidence.map(e, e.by) == ['bob', 'eve']",
        "[].all(e, e.nothing) && ![].exists(e, e.nothing)",
        "version.metrics.all(name, version.metrics[name] > 0.5)",
        "version.metrics.n == 3 && version.metrics.n > 2.5 && version.metrics.n == 3.0",
        "'risk-tier' in version.tags && version.tags['risk-tier'] == 'high'",
        "version.tags.note == null",
        "version.metrics[?'recall'].orValue(0.0) == 0.0",
        "deployed == null || deployed.number > 3",
        "'risk' in actor.teams && actor.teams.size() == 2",
        "reason.contains('recall') && reason.startsWith('better') && reason.matches('^[a-z ]+$')",
        "now > timestamp('2026-11-24T08:59:59.999999Z')",
        "now - timestamp('2026-11-23T09:00:00Z') == duration('24h')",
        "now.getDayOfWeek() == 2 && now.getHours() == 9 && now.getHours('Europe/Berlin') == 10",
        "now + duration('90m') == timestamp('2026-11-24T10:30:00Z')",
        "true || 1 / 0 == 1",
        "1 / 0 == 1 || true",
        "!(1 / 0 == 1 && false)",
        "evidence.size() > 5 ? evidence[5].by == 'x' : true",
    ],
)
def test_an_expression_means_what_the_language_says(expression: str) -> None:
    assert outcome(expression) is True
    assert outcome(f"!({expression})") is False


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("version.metrics.recall > 0.5", "Key not found"),
        ("evidence.all(e, e.metrics.auc > 0.5)", "Key not found"),
        ("deployed.number > 3", "SELECT"),
        ("1 / version.metrics.zero == 1 || 1 / 0 == 1", "Key not found"),
        ("evidence[7].by == 'x'", "Index error"),
        ("now.getHours('Nowhere/Nothing') == 9", "timezone"),
        ("timestamp(reason) < now", "Timestamp"),
        ("version.tags['risk-tier']", "must be true or false and is string"),
        ("version.tags.note", "must be true or false and is null"),
        ("evidence.all(a, evidence.all(b, evidence.all(c, true)))", "budget"),
    ],
)
def test_what_cannot_be_said_is_an_outcome_and_says_why(expression: str, why: str) -> None:
    found = outcome(expression, evidence=[{}] * 200 if "budget" in why else INPUTS["evidence"])
    assert isinstance(found, str)
    assert why in found


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("", "line 1, column 1"),
        ("a +", "line 1, column 4"),
        ("true &&\n  (", "line 2, column 4"),
        ("nobody.id == 'x'", "undeclared reference to 'nobody.id'"),
        ("nothing(1)", "undeclared reference to 'nothing'"),
        ("'a' + 1 == 'a1'", "no matching overload"),
        ("reason > 3", "no matching overload"),
        ("size(reason)", "is int"),
        ("+".join(["1"] * 40) + " > 1", "depth"),
        ("(" * 5000 + "true" + ")" * 5000, "recursion"),
    ],
)
def test_what_is_no_expression_is_refused_with_the_place(expression: str, problem: str) -> None:
    with pytest.raises(Invalid, match="expression") as refused:
        CEL.reads(expression)
    assert problem in refused.value.message


def test_says_every_problem_at_once() -> None:
    with pytest.raises(Invalid) as refused:
        CEL.reads("nobody > 1 &&\n  nothing(2)")
    assert len(refused.value.problems) == 2


def test_knows_which_variables_an_expression_reads() -> None:
    assert CEL.reads("version.number > 1 && reason != ''") == {"version", "reason"}
    assert CEL.reads("evidence.exists(version, version.by == 'x')") == {"evidence"}
    assert CEL.reads("actor.id == 'version'") == {"actor"}
    assert CEL.reads("true") == frozenset()
    for name in VARIABLES:
        assert CEL.reads(f"{name} == {name}") == {name}


def test_one_bad_expression_or_value_spoils_no_other() -> None:
    assert CEL.outcomes(["true", "gone(1)", "reason == ''"], {"reason": ""})[::2] == [True, True]
    assert CEL.outcomes(["true", "reason == ''"], {"reason": "\ud800"})[0] is True


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
atoms = st.sampled_from(
    [*VARIABLES, "1", "2.5", "'x'", "null", "true", "[]", "{}", "b'x'", "duration('1h')", "e", "unknown"]
)
macros = st.sampled_from(["exists", "all", "map", "filter", "exists_one"])
functions = st.sampled_from(["has", "size", "int", "string", "timestamp", "!"])
values_of_all = st.fixed_dictionaries(dict.fromkeys(VARIABLES, plain))
expressions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds(
            "({} {} {})".format,
            inner,
            st.sampled_from(["==", "!=", "<", ">=", "+", "-", "*", "/", "%", "&&", "||", "in"]),
            inner,
        ),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("{}.{}".format, inner, st.sampled_from(["metrics", "id", "size()", "getHours()", "a.b"])),
        st.builds("{}[{}]".format, inner, inner),
        st.builds(
            "{}.{}(e, {})".format,
            inner,
            st.sampled_from(["exists", "all", "map", "filter", "exists_one"]),
            inner,
        ),
        st.builds(
            "{}({})".format, st.sampled_from(["has", "size", "int", "string", "timestamp", "!"]), inner
        ),
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(
    expression=expressions | st.text(max_size=40),
    values=values_of_all,
)
def test_an_evaluation_raises_nothing_but_domain_errors(expression: str, values: dict[str, Any]) -> None:
    try:
        reads = CEL.reads(expression)
    except Invalid:
        return
    assert reads <= set(VARIABLES)
    [found] = CEL.outcomes([expression], {name: values[name] for name in reads})
    assert isinstance(found, (bool, str))
    assert CEL.outcomes([expression], {name: values[name] for name in reads}) == [found]
