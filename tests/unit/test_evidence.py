"""Rules of evidence: their language, whose evaluations count, and what is said of what is lacking."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.domain import changes as c
from muster.domain.errors import Invalid
from muster.domain.evidence import judge, objections
from muster.domain.evidence_rules import Bound, NoWorse, Reported, Rule, rule
from muster.domain.judging import Case
from muster.domain.plan import plan
from muster.domain.rules import EnvironmentRules
from tests.builders import START, a_config, an_artifact, deploy, register
from tests.unit.states import State

DATA = {"name": "holdout", "sha256": "a" * 64}
OTHER = {"name": "spring", "sha256": "b" * 64}
VALIDATION = "team:validation"


class TestLanguage:
    @pytest.mark.parametrize(
        ("text", "means"),
        [
            ("auc >= 0.9", Bound("auc", ">=", 0.9)),
            ("auc>=.9", Bound("auc", ">=", 0.9)),
            ("  loss  <  1e-3  ", Bound("loss", "<", 0.001)),
            ("auc >= 0.9 by team:validation", Bound("auc", ">=", 0.9, VALIDATION)),
            ("auc >= 0.9 by ada on holdout", Bound("auc", ">=", 0.9, "ada", "holdout")),
            (
                f"latency_ms <= 20 on sha256:{'AB' * 32}",
                Bound("latency_ms", "<=", 20, None, f"sha256:{'ab' * 32}"),
            ),
            ('"top 5 acc" > -1 on "the \\"hold\\" out"', Bound("top 5 acc", ">", -1, None, 'the "hold" out')),
            ("val/auc >= 0.9", Bound("val/auc", ">=", 0.9)),
            ("auc no worse than deployed", NoWorse("auc")),
            ("auc no worse than deployed by 0.01", NoWorse("auc", tolerance=0.01)),
            ("auc no worse than deployed by 0.01 by bob", NoWorse("auc", tolerance=0.01, by="bob")),
            ("auc no worse than deployed by team:risk", NoWorse("auc", by="team:risk")),
            ("auc no worse than deployed by 1st", NoWorse("auc", by="1st")),
            ("cost no higher than deployed on d", NoWorse("cost", "higher", on="d")),
            ("report", Reported()),
            ("report by team:risk", Reported("team:risk")),
            ("report > 1", Bound("report", ">", 1)),
        ],
    )
    def test_a_rule_is_read(self, text: str, means: Rule) -> None:
        assert rule(text) == means
        assert rule(str(means)) == means

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("", "METRIC >= NUMBER"),
            ("auc", "METRIC >= NUMBER"),
            ("auc >= much", "METRIC >= NUMBER"),
            ("auc >= 0.9 by", "METRIC >= NUMBER"),
            ("auc >= 0.9 on d by ada", "METRIC >= NUMBER"),
            ("auc >= 0.9 and f1 >= 0.5", "METRIC >= NUMBER"),
            ("two words >= 0.9", "METRIC >= NUMBER"),
            ("auc >= nan", "METRIC >= NUMBER"),
            ("auc >= 1e999", "finite"),
            ("auc >= 0.9 by team:NO", "a-z"),
            ("auc >= 0.9 by a/b", "letters, digits"),
            ("auc >= 0.9 on sha256:12", "64 hex digits"),
            ('"\\x" >= 0.9', "quoted as in JSON"),
            ("auc no worse than deployed by -1", "less than nothing"),
            ("cost no worse than deployed", "no lower than deployed"),
            (0.9, "must be a string"),
        ],
    )
    def test_what_is_no_rule_is_refused_with_why(self, text: object, why: str) -> None:
        with pytest.raises(Invalid, match=why) as refused:
            rule(text, "rules.evidence[0]")
        assert refused.value.problems[0].field == "rules.evidence[0]"

    subjects = st.none() | st.sampled_from(["ada", "team:risk", "x@example.org"])
    words = st.text(min_size=1, max_size=8).filter(lambda t: "\0" not in t and t.isprintable())
    numbers = st.floats(allow_nan=False, allow_infinity=False)

    @given(
        st.one_of(
            st.builds(
                Bound, words, st.sampled_from([">=", "<=", ">", "<"]), numbers, subjects, st.none() | words
            ),
            st.builds(
                NoWorse,
                words,
                st.sampled_from(["lower", "higher"]),
                numbers.map(abs),
                subjects,
                st.none() | words,
            ),
            st.builds(Reported, subjects, st.none() | words),
        )
    )
    def test_a_rule_reads_as_it_is_written(self, said: Rule) -> None:
        assert rule(str(said)) == said

    @given(
        st.text(max_size=40) | st.from_regex(r"(auc|report|no|by|on|>=|0\.9|team:x|\s|\")*", fullmatch=True)
    )
    def test_any_text_is_a_rule_or_refused(self, text: str) -> None:
        try:
            found = rule(text)
        except Invalid:
            return
        assert rule(str(found)) == found


@pytest.fixture
def state() -> State:
    """Access is controlled; carl is of the team validation, bob of none; v1 is in production."""
    state = State.begun()
    state.do(c.BeginAccess("ada"))
    state.do(*(c.SetAccount(name, create=True) for name in ("bob", "carl", "dan")))
    state.do(c.SetTeam("validation", create=True, add=("carl",)), c.SetTeam("empty", create=True))
    state.do(register(), register(label="v2"), deploy(number=1))
    return state


def evaluate(state: State, by: str = "carl", number: int = 2, auth: c.Auth = "token", **fields: Any) -> None:
    fields.setdefault("dataset", DATA)
    state.do(c.Evaluate("digits", number, c.Actor(by, auth), **fields))


def against(state: State, *rules: str, number: int = 2) -> list[str]:
    return [str(each) for each in objections(rules, state, state.there("digits", number), "production")]


CAN_HELP = "carl of team validation can evaluate it: `muster evaluate`"


class TestBounds:
    @pytest.mark.parametrize(
        ("text", "value", "lacking"),
        [
            ("auc >= 0.9", 0.9, None),
            ("auc >= 0.9", 0.87, "0.03 too low"),
            ("auc > 0.9", 0.9, "just that, and not beyond it"),
            ("auc <= 20", 23, "3 too high"),
            ("auc < 20", 19.5, None),
        ],
    )
    def test_a_bound_says_by_how_much_it_is_missed(
        self, state: State, text: str, value: float, lacking: str | None
    ) -> None:
        evaluate(state, metrics={"auc": value})
        found = against(state, text)
        assert bool(found) is (lacking is not None)
        if lacking is not None:
            assert f"production demands `{text}`, and auc of digits/v2 is" in found[0]
            assert f"(evaluation 1 by carl): {lacking}" in found[0]

    def test_what_is_missing_is_named_with_who_can_help(self, state: State) -> None:
        (found,) = against(state, "auc >= 0.9 by team:validation on holdout")
        assert found == (
            "production demands `auc >= 0.9 by team:validation on holdout`, and digits/v2 has no "
            f"evaluation by team:validation on holdout with auc ({CAN_HELP})"
        )
        assert "whoever may write to the model" in against(state, "auc >= 0.9")[0]
        assert "dan can evaluate it" in against(state, "auc >= 0.9 by dan")[0]
        assert "there is no team moon" in against(state, "auc >= 0.9 by team:moon")[0]
        assert "team empty has nobody who could" in against(state, "auc >= 0.9 by team:empty")[0]

    def test_every_rule_objects_for_itself(self, state: State) -> None:
        assert len(against(state, "auc >= 0.9", "f1 >= 0.5", "report")) == 3

    def test_the_newest_that_counts_is_what_counts(self, state: State) -> None:
        evaluate(state, metrics={"auc": 0.95})
        evaluate(state, metrics={"auc": 0.8, "f1": 0.7})
        assert "0.1 too low" in against(state, "auc >= 0.9")[0]
        evaluate(state, by="bob", metrics={"auc": 0.99})
        assert not against(state, "auc >= 0.9", "f1 >= 0.7")
        assert "0.1 too low" in against(state, "auc >= 0.9 by team:validation")[0]

    def test_only_the_data_that_were_asked_for_count(self, state: State) -> None:
        evaluate(state, metrics={"auc": 0.95}, dataset=OTHER)
        assert against(state, "auc >= 0.9 on holdout")
        assert against(state, f"auc >= 0.9 on sha256:{'a' * 64}")
        assert not against(state, "auc >= 0.9 on spring", f"auc >= 0.9 on sha256:{'b' * 64}")


class TestWhose:
    RULE = "auc >= 0.9 by team:validation"

    def test_a_team_member_gives_what_others_cannot(self, state: State) -> None:
        evaluate(state, by="bob", metrics={"auc": 0.95})
        (found,) = against(state, self.RULE)
        assert "(evaluation 1 does not count: bob is not of team validation)" in found
        evaluate(state, by="carl", metrics={"auc": 0.95})
        assert not against(state, self.RULE)

    def test_who_joins_later_has_not_evaluated_for_the_team(self, state: State) -> None:
        evaluate(state, by="bob", metrics={"auc": 0.95})
        state.do(c.SetTeam("validation", add=("bob",)))
        assert "bob was not of team validation then" in against(state, self.RULE)[0]
        evaluate(state, by="bob", metrics={"auc": 0.95})
        assert not against(state, self.RULE)

    def test_who_left_counts_no_more(self, state: State) -> None:
        evaluate(state, metrics={"auc": 0.95})
        state.do(c.SetTeam("validation", remove=("carl",)))
        assert "carl is not of team validation" in against(state, self.RULE)[0]

    def test_a_disabled_account_counts_no_more(self, state: State) -> None:
        evaluate(state, metrics={"auc": 0.95})
        state.do(c.SetAccount("carl", disabled=True))
        assert "the account carl is disabled" in against(state, self.RULE)[0]
        assert not against(state, "auc >= 0.9")

    def test_a_claim_is_no_proof(self, state: State) -> None:
        evaluate(state, auth="none", metrics={"auc": 0.95})
        assert "that it was carl is not verified" in against(state, self.RULE)[0]

    def test_what_was_evaluated_for_another_team_is_that_teams(self, state: State) -> None:
        state.do(c.SetTeam("empty", add=("carl",)))
        evaluate(state, metrics={"auc": 0.95}, evaluator="team:empty")
        assert "carl made it for team:empty" in against(state, self.RULE)[0]
        assert not against(state, "auc >= 0.9 by team:empty")

    def test_one_person_may_be_asked_for(self, state: State) -> None:
        evaluate(state, metrics={"auc": 0.95})
        assert not against(state, "auc >= 0.9 by carl")
        assert "it is by carl" in against(state, "auc >= 0.9 by dan")[0]

    def test_without_access_control_a_team_is_taken_at_its_word(self) -> None:
        state = State.begun()
        state.do(c.SetAccount("carl", create=True), c.SetTeam("validation", create=True, add=("carl",)))
        state.do(register(), register(label="v2"))
        evaluate(state, auth="none", metrics={"auc": 0.95})
        assert not against(state, self.RULE)


class TestNoWorse:
    @pytest.mark.parametrize(
        ("text", "ours", "theirs", "lacking"),
        [
            ("auc no worse than deployed", 0.9, 0.9, None),
            ("auc no worse than deployed", 0.88, 0.9, "0.02 too low, and the higher is better"),
            ("auc no worse than deployed by 0.02", 0.885, 0.9, None),
            ("latency_ms no worse than deployed", 18, 20, None),
            ("latency_ms no worse than deployed", 25, 20, "5 too high, and the lower is better"),
            ("cost no higher than deployed", 3, 2, "1 too high"),
            ("cost no lower than deployed", 3, 2, None),
        ],
    )
    def test_it_compares_with_what_is_deployed_there(
        self, state: State, text: str, ours: float, theirs: float, lacking: str | None
    ) -> None:
        metric = text.partition(" ")[0]
        evaluate(state, number=1, metrics={metric: theirs})
        evaluate(state, number=2, metrics={metric: ours})
        found = against(state, text)
        assert bool(found) is (lacking is not None)
        if lacking is not None:
            assert lacking in found[0]
            assert "that of digits/v1, deployed there, is" in found[0]

    RULE = "auc no worse than deployed"

    def test_only_on_the_same_data(self, state: State) -> None:
        evaluate(state, number=1, metrics={"auc": 0.9}, dataset=OTHER)
        evaluate(state, number=2, metrics={"auc": 0.95}, dataset=DATA)
        assert (
            f"has no auc on the same data (sha256:{'a' * 64}): evaluate it, too"
            in against(state, self.RULE)[0]
        )
        evaluate(state, number=2, metrics={"auc": 0.8}, dataset=OTHER)
        assert "0.1 too low" in against(state, self.RULE)[0]

    def test_data_without_a_digest_cannot_be_compared(self, state: State) -> None:
        evaluate(state, number=1, metrics={"auc": 0.9}, dataset={"name": "holdout"})
        evaluate(state, number=2, metrics={"auc": 0.9}, dataset={"name": "holdout"})
        assert "says the sha256 of its data" in against(state, self.RULE)[0]

    def test_where_nothing_is_deployed_nothing_is_worse(self, state: State) -> None:
        state.do(c.Undeploy("digits", "production"))
        assert not against(state, self.RULE)

    def test_a_version_is_not_worse_than_itself(self, state: State) -> None:
        assert not against(state, self.RULE, number=1)

    def test_nobody_else_lowers_the_bar(self, state: State) -> None:
        whose = f"{self.RULE} by team:validation"
        evaluate(state, number=1, metrics={"auc": 0.9})
        evaluate(state, number=2, metrics={"auc": 0.8})
        evaluate(state, by="bob", number=1, metrics={"auc": 0.1})
        assert not against(state, self.RULE)
        assert "0.1 too low" in against(state, whose)[0]


def test_a_report_is_a_report(state: State) -> None:
    evaluate(state, metrics={"auc": 1}, by="carl")
    assert (
        "digits/v2 has no evaluation by team:validation with a report"
        in against(state, f"report by {VALIDATION}")[0]
    )
    evaluate(state, report=an_artifact("report.html"))
    assert not against(state, f"report by {VALIDATION}", "report")


def test_evidence_about_other_files_says_nothing(state: State) -> None:
    evaluate(state, metrics={"auc": 0.95})
    state.do(c.AttachFile("digits", 2, an_artifact()), c.Finalize("digits", 2))
    assert "the version had other files then" in against(state, "auc >= 0.9")[0]
    evaluate(state, metrics={"auc": 0.95})
    assert not against(state, "auc >= 0.9")


def with_rules(state: State, *rules: str) -> None:
    there = state.environments["production"]
    state.do(c.SetEnvironment(replace(there, rules=EnvironmentRules(evidence=rules, aliases=("champion",)))))


def refused(state: State, change: c.Change, *, internal: bool = False) -> list[str]:
    actor = c.Actor("ada", "token", internal=internal)
    case = Case(change, actor, "", START, plan(change, state))
    return [each.rule for each in judge(case, state).objections]


class TestJudge:
    """It holds for all that says production, and for nothing else."""

    @pytest.mark.parametrize(
        ("change", "against"),
        [
            (deploy(number=2), 1),
            (deploy(number=1, config=a_config(threads=2)), 1),
            (deploy(number=2, environment="staging"), 0),
            (c.SetStage("digits", 2, "production"), 1),
            (c.SetStage("digits", 2, "staging"), 0),
            (c.SetAlias("digits", "champion", 2), 1),
            (c.SetAlias("digits", "other", 2), 0),
            (register(label="v3", stage="production"), 1),
            (register(label="v3"), 0),
            (c.Undeploy("digits", "production"), 0),
            (c.RollBack("digits", 1, "production", to=2), 1),
        ],
    )
    def test_without_evidence(self, state: State, change: c.Change, against: int) -> None:
        with_rules(state, "auc >= 0.9")
        assert refused(state, change) == ["production: evidence"] * against

    def test_a_way_back_is_not_barred(self, state: State) -> None:
        state.do(deploy(number=2))
        with_rules(state, "auc >= 0.9")
        assert refused(state, c.RollBack("digits", 2, "production")) == []

    def test_muster_itself_is_asked_nothing(self, state: State) -> None:
        with_rules(state, "auc >= 0.9")
        assert refused(state, deploy(number=2), internal=True) == []

    def test_with_evidence_it_goes_in(self, state: State) -> None:
        with_rules(state, "auc >= 0.9", "report")
        evaluate(state, metrics={"auc": 0.95}, report=an_artifact("report.html"))
        assert refused(state, deploy(number=2)) == []

    def test_a_rule_that_nobody_can_read_bars_the_way(self, state: State) -> None:
        with_rules(state, "auc is fine")
        assert refused(state, deploy(number=2)) == ["production: evidence"]
