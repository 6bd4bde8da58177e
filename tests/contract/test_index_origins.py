"""What was made from what, as an index knows it: against every way to say it, and against itself rebuilt."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.domain import changes as c
from muster.domain.names import evaluations_folder
from muster.index.store import SqlIndex
from muster.service.tracing import Flags, reached
from muster.service.uses import Uses
from tests.builders import Story, an_artifact, deploy, register

SHA = "ab" * 32


@pytest.fixture
def index() -> Iterator[SqlIndex]:
    index = SqlIndex(None)
    yield index
    index.close()


@pytest.fixture
def story(index: SqlIndex) -> Story:
    return Story(index).begin()


def sequence(index: SqlIndex, model: str, number: int = 1) -> int:
    found = index.sequence_of(model, number)
    assert found is not None
    return found


def made_of(index: SqlIndex, model: str) -> dict[str, int]:
    """The models of which a version was made of the first one of `model`, and at which remove."""
    found = reached(index, {sequence(index, model): 0})
    traced = index.traced(found)
    return {traced[each].model: remove for each, (remove, _) in found.items() if remove}


def ways(model: str, label: str) -> list[str]:
    return [f"{model}/{label}", f"{model}/1", f"{model}_{label}", f"{model}@champion", f"{model}:staging"]


@pytest.mark.parametrize("ref", ways("base", "v1"))
def test_a_base_is_found_however_it_was_said(story: Story, index: SqlIndex, ref: str) -> None:
    story.do(register("base"), c.SetAlias("base", "champion", 1), deploy("base", 1, "staging"))
    story.do(register("child", bases=({"ref": ref},)), register("other", bases=({"ref": "nothing"},)))
    assert made_of(index, "base") == {"child": 1}
    assert index.made_from([sequence(index, "child")]) == [
        (sequence(index, "child"), sequence(index, "base"))
    ]


@pytest.mark.parametrize("ref", ways("base", "v1")[:3])
def test_a_base_that_comes_later_is_found_by_what_stays(story: Story, index: SqlIndex, ref: str) -> None:
    story.do(register("child", bases=({"ref": ref},)), register("base"))
    assert made_of(index, "base") == {"child": 1}
    assert index.made_from([sequence(index, "child")]) == [
        (sequence(index, "child"), sequence(index, "base"))
    ]


def test_a_rename_and_a_new_model_of_the_old_name_change_nothing(story: Story, index: SqlIndex) -> None:
    story.do(register("base"), register("child", bases=({"ref": "base/v1"},)))
    story.do(c.RenameModel("base", "renamed"), register("base"))
    assert made_of(index, "renamed") == {"child": 1}
    assert made_of(index, "base") == {}
    again = SqlIndex(None)
    story.retell(again)
    assert made_of(again, "renamed") == {"child": 1}
    assert index.differences(again) == []
    again.close()


def test_what_was_deleted_still_leads_on(story: Story, index: SqlIndex) -> None:
    story.do(register("base"), register("child", bases=({"ref": "base/v1"},)))
    story.do(register("grandchild", bases=({"ref": "child/v1"},)), c.DeleteVersion("child", 1))
    assert made_of(index, "base") == {"child": 1, "grandchild": 2}


def test_words_are_found_wherever_they_were_said(story: Story, index: SqlIndex) -> None:
    data = {"name": "forms", "uri": "s3://a", "digest": "d1", "others": [{"sha256": SHA}]}
    story.do(register("m", training_data=data, files=(an_artifact(),)))
    story.do(register("n", training_data=None, pending=True), c.AttachFile("n", 1, an_artifact()))
    story.do(c.Finalize("n", 1, facts=c.Facts(training_data="forms")))
    m, n = sequence(index, "m"), sequence(index, "n")
    assert index.saying("data-name", "forms") == [m, n]
    assert index.saying("data-uri", "s3://a") == index.saying("data-sha256", SHA) == [m]
    assert index.saying("data-digest", "d1") == [m]
    assert index.saying("file", an_artifact().sha256) == [m, n]
    assert [each.version.model for each in Uses(index).of("forms", limit=9)[0]] == ["m", "n"]


def test_whoever_sees_some_models_sees_no_other_in_a_trace_but_that_there_is_a_flag(
    story: Story, index: SqlIndex
) -> None:
    story.do(register("base"), register("child", bases=({"ref": "base/v1"},)), c.Ban("base", 1))
    seen = index.seen_by(frozenset({"child"}))
    child = sequence(index, "child")
    assert seen.made_from([child]) == []
    assert Uses(seen).of("base/v1", limit=9) == ([], 0)
    ((flag,),) = Flags(index, seen).of([child]).values()
    assert (flag.of, flag.by.entry.reason) == ("a version that you cannot see", "")
    ((flag,),) = Flags(index).of([child]).values()
    assert flag.of == "base/v1"


def test_bans_of_files_and_retractions_are_rules_for_all_to_read(story: Story, index: SqlIndex) -> None:
    story.do(register("m"), c.Ban(sha256=SHA), c.RetractData(name="forms"), c.Ban("m", 1))
    seen = index.seen_by(frozenset())
    assert [each.path for each in seen.documents("bans")] == [f"bans/files/{SHA}.json"]
    assert len(seen.documents("retractions")) == 1


def test_who_holds_a_file_is_who_is_there_and_was_not_purged(story: Story, index: SqlIndex) -> None:
    file = an_artifact()
    story.do(*(register(model, files=(file,)) for model in "abc"))
    story.do(c.Purge("a", 1), c.DeleteVersion("b", 1))
    assert index.holders(file.sha256) == [("c", 1)]
    assert index.purged() == [("a", 1)]


def test_an_evaluation_that_names_a_file_uses_it(story: Story, index: SqlIndex) -> None:
    story.do(register("m"))
    report = an_artifact("report.html", b"a report")
    assert not index.reported_in(report.sha256)
    story.do(c.Evaluate("m", 1, c.Actor("ada"), metrics={"auc": 0.9}, report=report))
    assert index.documents(evaluations_folder("m", 1))
    assert index.reported_in(report.sha256)


# ------------------------------------------------------------ any graph

N = 6
edges = st.sets(st.tuples(st.integers(0, N - 1), st.integers(0, N - 1)), max_size=14)


def removes(graph: set[tuple[int, int]], begin: int) -> dict[int, int]:
    """By (version, base): at which remove each was made of `begin`, counted by hand."""
    found, level, remove = {begin: 0}, {begin}, 0
    while level:
        remove += 1
        level = {version for version, base in graph if base in level} - found.keys()
        found |= dict.fromkeys(level, remove)
    return found


@given(edges, st.permutations(range(N)), st.integers(0, N - 1))
@settings(deadline=None, max_examples=40)
def test_bases_are_followed_through_any_graph_round_in_circles_too(
    graph: set[tuple[int, int]], order: list[int], banned: int
) -> None:
    index = SqlIndex(None)
    story = Story(index).begin()
    for each in order:  # what comes before its base names it all the same
        bases = tuple({"ref": f"m{base}/v1"} for version, base in sorted(graph) if version == each)
        story.do(register(f"m{each}", bases=bases))
    story.do(c.Ban(f"m{banned}", 1))
    sequences = {sequence(index, f"m{each}"): each for each in range(N)}
    at = {each: where for where, each in sequences.items()}
    expected = removes(graph, banned)
    found = reached(index, {at[banned]: 0})
    assert {sequences[where]: remove for where, (remove, _) in found.items()} == expected
    flags = Flags(index).of(list(sequences))
    assert {sequences[where] for where in flags} == expected.keys()
    assert flags == Flags(index).flagged()
    for where, (flag, *more) in flags.items():
        assert not more
        chain = [f"m{sequences[where]}/v1", *flag.through, flag.of]
        steps = {(f"m{version}/v1", f"m{base}/v1") for version, base in graph}
        if sequences[where] != banned:
            assert set(pairwise(chain)) <= steps
            assert len(flag.through) == expected[sequences[where]] - 1
    uses, count = Uses(index).of(f"m{banned}/v1", limit=99)
    assert count == len(uses) == len(expected) - 1
    assert {each.version.model: each.remove for each in uses} == {
        f"m{each}": remove for each, remove in expected.items() if remove
    }
    index.close()
