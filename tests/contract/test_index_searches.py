"""What a search finds is what a plain reading of its conditions says, in order, page by page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.domain import changes as c
from muster.index.store import SqlIndex
from muster.service.searching import Compared, Condition, Order, Page, Tagged, Untagged
from tests.builders import Story, register

NAMES = ("Ant", "ant", "Bär", "bär_1", "b%r", "b*r", "c?[x]", "zoo")
VALUES = ("x", "X", "", "ä", "Ä", "a_b", "a%b", "*", "?")
RUNS = ("", "run-1", "run-2")
BY_NAME = (Order("name"),)
BY_UPDATE = (Order("last_updated", True), Order("name"), Order("number", True))


@pytest.fixture(scope="module")
def index() -> Iterator[SqlIndex]:
    index = SqlIndex(None)
    story = Story(index).begin()
    for at, name in enumerate(NAMES):
        tags = {"key": VALUES[at % len(VALUES)], "other": VALUES[-at]} if at else {}
        story.do(c.CreateModel(name, tags=tags))
        for number in range(at % 3):
            run_id = RUNS[(at + number) % 3]
            source = {"uri": f"s3://b/{name}", **({"run_id": run_id} if run_id else {})}
            tags = {"key": VALUES[(at + number) % len(VALUES)]}
            story.do(register(name, None, tags=tags, source=source))
    story.do(c.CreateModel("gone"), c.DeleteModel("gone"), c.DeleteVersion("zoo", 1))
    yield index
    index.close()


def like(pattern: str, *, fold: bool) -> Callable[[str], bool]:
    expression = "".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in pattern)
    compiled = re.compile(expression, re.DOTALL | (re.IGNORECASE if fold else 0))
    return lambda text: compiled.fullmatch(text) is not None


def holds(operator: str, operand: object, value: str) -> bool:
    match operator:
        case "=":
            return value == operand
        case "!=":
            return value != operand
        case "in":
            return value in operand  # type: ignore[operator]
        case "not in":
            return value not in operand  # type: ignore[operator]
    return like(str(operand), fold=operator == "ilike")(value)


patterns = st.text("abrANT_%*?[]äÄx1", max_size=5)
compared = st.one_of(
    st.builds(Compared, st.just("name"), st.sampled_from(["=", "!="]), st.sampled_from(NAMES)),
    st.builds(Compared, st.just("name"), st.sampled_from(["like", "ilike"]), patterns),
    st.builds(
        Compared,
        st.just("name"),
        st.sampled_from(["in", "not in"]),
        st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(tuple),
    ),
)
keys = st.sampled_from(["key", "other", "none"])
tagged = st.one_of(
    st.builds(Tagged, keys, st.sampled_from(["=", "!="]), st.sampled_from(VALUES)),
    st.builds(Tagged, keys, st.sampled_from(["like", "ilike"]), patterns),
    st.builds(Untagged, st.sampled_from(["key", "none"]), st.sampled_from(["x", "ä"])),
)  # fmt: skip
of_models = st.lists(compared | tagged, max_size=3)
of_versions = st.lists(
    compared
    | tagged
    | st.builds(Compared, st.just("run_id"), st.sampled_from(["=", "!=", "like"]), st.sampled_from(RUNS))
    | st.builds(Compared, st.just("uri"), st.sampled_from(["=", "!="]), st.sampled_from(["s3://b/ant", ""])),
    max_size=3,
)


def meets(conditions: list[Condition], fields: dict[str, str], tags: dict[str, str]) -> bool:
    for each in conditions:
        match each:
            case Compared(field, operator, operand):
                met = holds(operator, operand, fields[field])
            case Tagged(key, operator, operand):
                met = key in tags and holds(operator, operand, tags[key])
            case _:
                key, value = each.key, each.value
                met = tags.get(key, "").lower() != value
        if not met:
            return False
    return True


@given(of_models, st.booleans(), st.integers(1, 3))
@settings(deadline=None, max_examples=150)
def test_models(index: SqlIndex, conditions: list[Condition], down: bool, size: int) -> None:
    everything = index.search_models([], BY_NAME, Page(100))
    wanted = [
        each.model.name
        for each in everything
        if meets(conditions, {"name": each.model.name}, dict(each.model.tags))
    ]
    order = (Order("name", down),)
    found: list[str] = []
    after: tuple[str | int, ...] | None = None
    while page := index.search_models(conditions, order, Page(size, after)):
        found += [each.model.name for each in page]
        after = page[-1].place
    assert found == (wanted[::-1] if down else wanted)


@given(of_versions, st.integers(1, 3), st.sampled_from([BY_UPDATE, (Order("number"), Order("name"))]))
@settings(deadline=None, max_examples=150)
def test_versions(index: SqlIndex, conditions: list[Condition], size: int, order: tuple[Order, ...]) -> None:
    def shown(document: bytes) -> tuple[dict[str, str], dict[str, str]]:
        record = json.loads(document)
        source = record["source"] or {}
        fields = {"name": record["name"], "run_id": source.get("run_id", ""), "uri": source.get("uri", "")}
        return fields, record["tags"]

    everything = index.search_versions([], order, Page(100))
    wanted = [each.document for each in everything if meets(conditions, *shown(each.document))]
    found: list[bytes] = []
    after: tuple[str | int, ...] | None = None
    while page := index.search_versions(conditions, order, Page(size, after)):
        found += [each.document for each in page]
        after = page[-1].place
    assert found == wanted


def test_names_are_in_the_order_of_their_code_points(index: SqlIndex) -> None:
    found = [each.model.name for each in index.search_models([], BY_NAME, Page(100))]
    assert found == sorted(NAMES)


def test_a_model_comes_with_its_newest_version_of_each_stage() -> None:
    index = SqlIndex(None)
    story = Story(index).begin()
    story.do(*(register("m", None) for _ in range(5)), register("n", None))
    story.do(
        c.SetStage("m", 1, "production"), c.SetStage("m", 3, "production"), c.SetStage("m", 4, "archived")
    )
    story.do(c.DeleteVersion("m", 5))
    listed = index.listed("m")
    assert listed is not None
    assert [re.search(rb'"number":(\d+)', each)[1] for each in listed.newest] == [b"2", b"3", b"4"]  # type: ignore[index]
    assert index.listed("nobody") is None
    assert index.hit("m", 5) is None
    index.close()
