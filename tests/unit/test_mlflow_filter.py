"""MLflow's filters: what is written comes back typed, and all else is refused with a place."""

from __future__ import annotations

import base64
import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.dialects import mlflow_filter as filters
from muster.dialects.mlflow_filter import MODELS, VERSIONS, conditions, order, place, token
from muster.dialects.mlflow_shapes import IS_PROMPT
from muster.domain.errors import Invalid
from muster.service.searching import Compared, Condition, Order, Tagged, Untagged

NO_PROMPTS = Untagged(IS_PROMPT, "true")

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
keys = st.text(string.ascii_letters + string.digits + "._-/: äß", min_size=1, max_size=12).filter(
    lambda key: key != IS_PROMPT
)
words = st.sampled_from(["and", "AND", "And"])
spaces = st.sampled_from(["", " ", "\t\n "])


def quoted(text: str) -> str:
    """`text` in quotes that it does not hold; in double ones if it holds both, without those."""
    return f"'{text}'" if "'" not in text else '"{}"'.format(text.replace('"', ""))


def read(text: str) -> str:
    return text if "'" not in text else text.replace('"', "")


def written(condition: Condition, space: str) -> str:
    """A condition as a filter."""
    match condition:
        case Compared("number", operator, int(number)):
            return f"version_number{space}{operator}{space}{number}"
        case Compared(field, operator, tuple() as values):
            listed = f",{space}".join(map(quoted, values))
            return f"attribute.{field} {operator.upper()} ({space}{listed}{space})"
        case Compared(field, operator, str(value)):
            return f"{'source_path' if field == 'uri' else field} {operator} {quoted(value)}"
        case Tagged(key, operator, value):
            return f"tags.`{key}` {operator.upper()}{space}{quoted(value)}"
    raise AssertionError(condition)


one_condition: st.SearchStrategy[Condition] = st.one_of(
    st.builds(
        Compared, st.just("number"), st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), st.integers(-9, 9)
    ),
    st.builds(
        Compared,
        st.sampled_from(["name", "run_id"]),
        st.sampled_from(["in", "not in"]),
        st.lists(texts, min_size=1, max_size=4).map(lambda values: tuple(map(read, values))),
    ),
    st.builds(
        Compared,
        st.sampled_from(["name", "run_id", "uri"]),
        st.sampled_from(["=", "!=", "like", "ilike"]),
        texts.map(read),
    ),
    st.builds(Tagged, keys, st.sampled_from(["=", "!=", "like", "ilike"]), texts.map(read)),
)


@given(st.lists(one_condition, min_size=1, max_size=5), words, spaces)
def test_what_is_written_comes_back(wanted: list[Condition], word: str, space: str) -> None:
    text = f" {word} ".join(written(each, space) for each in wanted)
    assert conditions(text, VERSIONS) == [*wanted, NO_PROMPTS]


def outcome(text: str) -> list[Condition] | Invalid:
    try:
        return conditions(text, MODELS)
    except Invalid as refused:
        return refused


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    found = outcome(text)
    if isinstance(found, Invalid):
        assert {problem.field for problem in found.problems} == {"filter"}
    else:
        assert found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", []),
        ("  ", []),
        ("name='a'", [Compared("name", "=", "a")]),
        ('attribute.name = "it\'s"', [Compared("name", "=", "it's")]),
        ("`name` LIKE 'a%'", [Compared("name", "like", "a%")]),
        ("name NOT  in ('a','b',)", [Compared("name", "not in", ("a", "b"))]),
        ("tags.a.b = 'x' AND tag.c != ''", [Tagged("a.b", "=", "x"), Tagged("c", "!=", "")]),
        ("tags.`a b`='x'", [Tagged("a b", "=", "x")]),
        ("tags.\"a b\" iLike 'x'", [Tagged("a b", "ilike", "x")]),
        ("tags.and = 'x' and tags.like like 'and'", [Tagged("and", "=", "x"), Tagged("like", "like", "and")]),
        ("name = 'a OR 1=1 --'", [Compared("name", "=", "a OR 1=1 --")]),
    ],
)
def test_a_filter_is_read(text: str, wanted: list[Condition]) -> None:
    assert conditions(text, MODELS) == [*wanted, NO_PROMPTS]


@pytest.mark.parametrize(
    "text",
    [
        "name",
        "name =",
        "= 'a'",
        "name = a",
        "name = 'a",
        "name == 'a'",
        "name = 'a' name = 'b'",
        "name = 'a' AND",
        "AND name = 'a'",
        "name = 'a' OR name = 'b'",
        "NOT name = 'a'",
        "(name = 'a')",
        "name IS NULL",
        "name BETWEEN 'a' AND 'b'",
        "name = 'a';",
        "name IN ()",
        "name IN 'a'",
        "name IN (1)",
        "name = ('a')",
        "name < 'a'",
        "name = 1",
        "run_id = 'a'",
        "version_number = 1",
        "params.a = 'b'",
        "metrics.a > 1",
        "stage = 'Production'",
        "aliases = 'a'",
        "tags.a IN ('b')",
        "tags.a < 'b'",
        "tags.a = 1",
        "tags = 'a'",
        "tags. = 'a'",
        "name = 'a\0'",
        "name LIKE '" + "a" * 5_001 + "'",
        "name IN (" + "'a'," * 1_001 + ")",
        " AND ".join(["name = 'a'"] * 51),
        "name = '" + "a" * 200_000 + "'",
    ],
)
def test_what_is_no_filter_of_models_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as raised:
        conditions(text, MODELS)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize("text", ["version_number = 1.5", "version_number = '1'", "version_number LIKE '1'",
                                  "source_path IN ('a')", "version_number IN (1)"])  # fmt: skip
def test_what_is_no_filter_of_versions_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        conditions(text, VERSIONS)


def test_no_number_is_too_large_for_the_database() -> None:
    for written_number in ("9" * 30, "-" + "9" * 30, "9" * 100_000):
        (found, _) = conditions(f"version_number < {written_number}", VERSIONS)
        assert isinstance(found, Compared)
        assert abs(int(str(found.operand))) == 2**62


def test_prompts_are_left_out_unless_asked_for() -> None:
    asked = Tagged(IS_PROMPT, "ilike", "true")
    key = f"tags.`{IS_PROMPT}`"
    for text in (f"{key} = 'true'", f"{key} = 'TRUE'", f"{key} != 'false'"):
        assert conditions(text, MODELS) == [asked]
    for text in (f"{key} = 'false'", f"{key} != 'true'"):
        assert conditions(text, MODELS) == [NO_PROMPTS, NO_PROMPTS]


# ------------------------------------------------------------ orders and places


def test_an_order_ends_in_what_breaks_ties() -> None:
    assert order([], MODELS) == (Order("name"),)
    assert order(["timestamp desc"], MODELS) == (Order("last_updated", True), Order("name"))
    assert order(["attribute.name DESC"], MODELS) == (Order("name", True),)
    assert order([], VERSIONS) == (Order("last_updated", True), Order("name"), Order("number", True))
    assert order(["version_number", "`name` ASC"], VERSIONS) == (Order("number"), Order("name"))


@pytest.mark.parametrize(
    "given_order",
    [["creation_timestamp"], ["nothing"], [""], ["name ASC DESC"], ["name up"], ["name", "name DESC"],
     ["timestamp", "last_updated_timestamp"], ["name, timestamp"], ["tags.a"]],
)  # fmt: skip
def test_what_is_no_order_of_models_is_refused(given_order: list[str]) -> None:
    with pytest.raises(Invalid):
        order(given_order, MODELS)


@given(st.lists(st.integers(-(2**53), 2**53) | texts, min_size=2, max_size=2))
def test_a_token_gives_back_its_place(after: list[str | int]) -> None:
    there = order(["timestamp"], MODELS)
    assert place(token(after, there), there) == (tuple(after), 0)
    with pytest.raises(Invalid):
        place(token(after, there), order(["timestamp DESC"], MODELS))


@given(st.text(max_size=40) | st.binary(max_size=30).map(lambda b: base64.b64encode(b).decode()))
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        place(text, order([], MODELS))


def test_a_token_of_mlflows_own_server_is_an_offset() -> None:
    theirs = base64.b64encode(json.dumps({"offset": 25}).encode()).decode()
    assert place(theirs, order([], MODELS)) == (None, 25)
    assert filters.MAX_FILTER > 100_000
