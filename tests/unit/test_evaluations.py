"""Evaluations as records: appended, never changed, and in nobody else's name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from muster.domain import changes as c
from muster.domain.errors import Conflict, Invalid, NotFound
from muster.domain.evaluations import Evaluation, evaluation, evaluations, from_bytes, judge, to_bytes
from muster.domain.judging import Case
from muster.domain.lfs import pointer
from muster.domain.names import evaluation_path, report_path
from muster.domain.plan import plan
from tests.builders import an_artifact, register
from tests.unit.states import State

CARL = c.Actor("carl", "token")
REPORT = an_artifact("report.html")
DATA = {"name": "holdout", "sha256": "a" * 64}


@pytest.fixture
def state() -> State:
    state = State.begun()
    state.do(register(), c.SetAccount("carl", create=True), c.SetTeam("risk", create=True, add=("carl",)))
    return state


def evaluate(by: c.Actor = CARL, **fields: Any) -> c.Evaluate:
    return c.Evaluate("digits", 1, by, **fields)


def numbers(state: State) -> list[int]:
    return [each.number for each in evaluations(state, "digits", 1)]


def test_evaluations_are_numbered_as_they_come_and_the_newest_is_first(state: State) -> None:
    for auc in range(11):
        state.do(evaluate(metrics={"auc": auc}))
    assert numbers(state) == list(range(11, 0, -1))
    assert evaluation(state, "digits", 1, 1).metrics == {"auc": 0}
    with pytest.raises(NotFound, match="12 of digits/1"):
        evaluation(state, "digits", 1, 12)


def test_an_evaluation_leaves_version_and_earlier_ones_as_they_are(state: State) -> None:
    state.do(evaluate(metrics={"auc": 1}))
    planned = plan(evaluate(metrics={"auc": 2}), state)
    assert list(planned.edits) == [evaluation_path("digits", 1, 2)]
    assert planned.subject == "Evaluate digits v1 (auc=2)"


def test_it_says_who_recorded_it_for_which_teams_and_of_which_files(state: State) -> None:
    state.do(
        evaluate(metrics={"auc": 0.9, "f1": 0.8}, dataset=DATA, notes="n", tool="bench 1.2", report=REPORT)
    )
    found = evaluation(state, "digits", 1, 1)
    assert (found.by, found.auth, found.teams, found.evaluator) == ("carl", "token", ("risk",), "carl")
    assert (found.dataset, found.notes, found.tool, found.report) == (DATA, "n", "bench 1.2", REPORT)
    path = report_path("digits", 1, 1, "report.html")
    assert state.tree[path] == pointer(REPORT.sha256, REPORT.size)


def test_the_same_again_is_the_same(state: State) -> None:
    state.do(evaluate(metrics={"auc": 1}, dataset=DATA))
    state.do(evaluate(metrics={"auc": 5}))
    assert plan(evaluate(metrics={"auc": 1}, dataset=DATA), state).nothing
    assert numbers(state) == [2, 1]


@pytest.mark.parametrize(
    "other",
    [
        evaluate(metrics={"auc": 1}, dataset=DATA, notes="again"),
        evaluate(metrics={"auc": 1}, dataset=DATA, report=REPORT),
        evaluate(metrics={"auc": 1}, dataset=DATA, evaluator="team:risk"),
        evaluate(c.Actor("dan", "token"), metrics={"auc": 1}, dataset=DATA),
        evaluate(c.Actor("carl"), metrics={"auc": 1}, dataset=DATA),
    ],
)
def test_anything_else_is_another(state: State, other: c.Evaluate) -> None:
    state.do(evaluate(metrics={"auc": 1}, dataset=DATA), other)
    assert numbers(state) == [2, 1]


def test_what_was_measured_before_counts_anew_after_something_else_on_the_same_data(state: State) -> None:
    for auc in (1, 2, 1):
        state.do(evaluate(metrics={"auc": auc}, dataset=DATA))
    assert numbers(state) == [3, 2, 1]


def test_only_what_is_final_can_be_evaluated(state: State) -> None:
    state.do(register(label="v2", pending=True))
    with pytest.raises(Conflict, match="pending"):
        state.do(c.Evaluate("digits", 2, CARL, metrics={"auc": 1}))
    with pytest.raises(NotFound):
        state.do(c.Evaluate("digits", 3, CARL, metrics={"auc": 1}))


def test_a_renamed_model_takes_its_evaluations_along_with_their_reports(state: State) -> None:
    state.do(evaluate(metrics={"auc": 1}, report=REPORT))
    before = dict(state.tree)
    state.do(c.RenameModel("digits", "numbers"))
    old = evaluation_path("digits", 1, 1), report_path("digits", 1, 1, "report.html")
    new = evaluation_path("numbers", 1, 1), report_path("numbers", 1, 1, "report.html")
    assert [state.tree[path] for path in new] == [before[path] for path in old]
    assert not state.tree.keys() & set(old)
    state.do(c.Evaluate("numbers", 1, CARL, metrics={"auc": 2}))
    assert evaluation(state, "numbers", 1, 2).metrics == {"auc": 2}


def test_evaluations_of_a_deleted_version_stay(state: State) -> None:
    state.do(evaluate(metrics={"auc": 1}, report=REPORT))
    state.do(c.DeleteVersion("digits", 1))
    assert numbers(state) == [1]
    assert report_path("digits", 1, 1, "report.html") in state.tree


@pytest.mark.parametrize(
    ("by", "evaluator", "refused"),
    [
        (CARL, None, None),
        (CARL, "carl", None),
        (CARL, "team:risk", None),
        (CARL, "team:moon", "carl cannot evaluate as team:moon"),
        (CARL, "dan", "carl cannot evaluate as dan"),
        (c.Actor("dan", "token"), None, "carl cannot record what dan evaluated"),
        (c.Actor("carl", "none"), None, "carl cannot record what carl evaluated"),
    ],
)
def test_nobody_evaluates_in_another_name(
    state: State, by: c.Actor, evaluator: str | None, refused: str | None
) -> None:
    change = evaluate(by, metrics={"auc": 1}, evaluator=evaluator)
    case = Case(change, CARL, "", datetime(2026, 1, 1, tzinfo=UTC), plan(change, state))
    assert [each.message for each in judge(case, state).objections] == ([refused] if refused else [])


class TestFiles:
    WHOLE = Evaluation(
        "carl", "token", ("risk",), "team:risk", "b" * 64, {"auc": 0.5}, DATA, REPORT, "n", "t", number=7
    )

    @pytest.mark.parametrize("found", [WHOLE, Evaluation("carl", evaluator="carl", files="c" * 64, number=2)])
    def test_a_record_is_read_as_it_was_written(self, found: Evaluation) -> None:
        there = from_bytes(f"evaluations/{found.number}.json", to_bytes(found))
        assert (there, there.number) == (found, found.number)

    @pytest.mark.parametrize(
        ("path", "data", "why"),
        [
            ("evaluations/x.json", b"{}", "must end in the number"),
            ("evaluations/1.json", b"[", "must be JSON"),
            ("evaluations/1.json", b"[]", "must be a JSON object"),
            ("evaluations/1.json", b"{}", "by: is required"),
            (
                "evaluations/1.json",
                to_bytes(WHOLE).replace(b"0.5", b'"much"'),
                "metrics.auc: must be a finite number",
            ),
            ("evaluations/1.json", to_bytes(WHOLE).replace(b"bbb", b"xyz"), "files: must be a sha256"),
            ("evaluations/1.json", to_bytes(WHOLE).replace(b"report.html", b"a/b"), "without a folder"),
        ],
    )
    def test_what_is_no_record_is_named(self, path: str, data: bytes, why: str) -> None:
        with pytest.raises(Invalid, match=why):
            from_bytes(path, data)
