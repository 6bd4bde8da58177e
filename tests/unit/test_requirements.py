"""Required fields: what they are held against, what is refused without them, and overdue reviews."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from muster.domain import changes as c
from muster.domain.errors import Denied, Invalid, NotFound, Stale
from muster.domain.judging import Rules
from muster.domain.names import card_path
from muster.domain.requirements import (
    Lack,
    Requirement,
    Review,
    from_bytes,
    path_of,
    review_of,
    to_bytes,
)
from muster.domain.requiring import Requiring
from muster.domain.rules import EnvironmentRules
from muster.domain.snapshot import Plan
from muster.required.cards import MarkdownCards, sections
from muster.required.schemas import JsonSchemas
from tests.builders import a_config, an_artifact, deploy, register
from tests.unit.states import State

SCHEMAS = JsonSchemas()
DAY = datetime(2026, 11, 24, 12, tzinfo=UTC)
RISK: dict[str, Any] = {
    "properties": {
        "tags": {
            "required": ["intended_use", "risk_tier"],
            "properties": {"risk_tier": {"enum": ["low", "high"]}},
        }
    }
}
GOOD = {"intended_use": "sorting post", "risk_tier": "low"}


@pytest.fixture
def state() -> State:
    state = State.begun()
    state.do(c.SetAccount("ada", create=True), c.SetTeam("nlp", create=True))
    state.do(register(), register("words", owner="team:nlp"))
    return state


def require(state: State, schema: Any = RISK, *block: str, team: str | None = None, on: Any = ()) -> None:
    state.do(c.SetRequirement(team, schema, block, on))


def do(state: State, change: c.Change, *, internal: bool = False) -> Plan:
    cards = MarkdownCards(state.tree.get)
    rules = Rules(judges=(Requiring(SCHEMAS, cards),))
    return rules.planned(change, c.Actor("ada", internal=internal), "", DAY, state)


def refused(state: State, change: c.Change) -> list[str]:
    """What is said against it."""
    try:
        do(state, change)
    except Denied as denied:
        return [each.message for each in denied.objections]
    return []


class TestRegistering:
    def test_each_missing_field_is_named_with_its_rule(self, state: State) -> None:
        require(state, RISK, "register")
        found = refused(state, register(label="v2", tags={"risk_tier": "none"}))
        assert [each.removeprefix("digits v2 lacks what the registry requires: ") for each in found] == [
            "tags.intended_use is required",
            'tags.risk_tier must be otherwise: "none" is not one of "low" or "high"',
        ]
        assert refused(state, register(label="v2", tags=GOOD)) == []
        assert refused(state, register("new", tags={})) != []

    def test_what_a_model_says_its_versions_need_not_repeat(self, state: State) -> None:
        require(state, RISK, "register")
        state.do(c.UpdateModel("digits", tags=GOOD))
        assert refused(state, register(label="v2")) == []
        assert refused(state, register(label="v2", tags={"risk_tier": "?"})) != []

    def test_what_is_pending_has_until_it_is_finalized(self, state: State) -> None:
        require(
            state,
            {"required": ["training_data"], "properties": {"training_data": {"type": "object"}}},
            "register",
        )
        pending = register(label="v2", training_data=None, pending=True)
        assert refused(state, pending) == []
        state.do(pending, c.AttachFile("digits", 2, an_artifact()))
        assert len(refused(state, c.Finalize("digits", 2))) == 1
        facts = c.Facts(training_data={"name": "d", "sha256": "a" * 64})
        assert refused(state, c.Finalize("digits", 2, facts=facts)) == []

    def test_a_team_requires_it_of_its_models_alone(self, state: State) -> None:
        require(state, RISK, "register", team="nlp")
        assert refused(state, register(label="v2")) == []
        (first, _) = refused(state, register("words", "v2"))
        assert first == "words v2 lacks what team nlp requires: tags.intended_use is required"
        assert refused(state, register("fresh", owner="team:nlp")) != []

    def test_what_does_not_block_is_let_through(self, state: State) -> None:
        require(state)
        assert refused(state, register(label="v2")) == []

    def test_nothing_else_is_held_up(self, state: State) -> None:
        require(state, RISK, "register", "deploy", "review")
        assert refused(state, c.UpdateVersion("digits", 1, tags={"review_due": "2026-01-01"})) == []
        assert refused(state, c.SetStage("digits", 1, "archived")) == []


class TestDeploying:
    def test_what_lacks_a_field_does_not_come_in(self, state: State) -> None:
        require(state, RISK, "deploy")
        assert len(refused(state, deploy())) == 2
        assert refused(state, deploy(environment="staging")) != []
        state.do(c.UpdateVersion("digits", 1, tags=GOOD))
        assert refused(state, deploy()) == []

    def test_only_the_environments_that_are_named_are_closed(self, state: State) -> None:
        require(state, RISK, "deploy", on=("production",))
        assert refused(state, deploy(environment="staging")) == []
        assert refused(state, deploy()) != []

    def test_what_says_production_by_the_environments_rules_counts(self, state: State) -> None:
        require(state, RISK, "deploy")
        there = state.environments["production"]
        rules = EnvironmentRules(reason=True, aliases=("champion",))
        assert refused(state, c.SetStage("digits", 1, "production")) == []
        state.do(c.SetEnvironment(replace(there, rules=rules)))
        assert refused(state, c.SetStage("digits", 1, "production")) != []
        assert refused(state, c.SetAlias("digits", "champion", 1)) != []
        assert refused(state, c.SetAlias("digits", "other", 1)) == []

    def test_what_is_there_may_be_configured_and_returned_to(self, state: State) -> None:
        state.do(deploy(), register(label="v2"), deploy(number=2))
        require(state, RISK, "deploy", "review")
        assert refused(state, deploy(number=2, config=a_config(threads=2))) == []
        assert refused(state, c.RollBack("digits", 2, "production")) == []

    def test_files_and_model_are_seen(self, state: State) -> None:
        schema = {
            "properties": {"files": {"minItems": 1}, "model": {"properties": {"owner": {"type": "string"}}}}
        }
        require(state, schema, "deploy")
        found = refused(state, deploy())
        assert [each.partition("requires: ")[2].split(" must")[0] for each in found] == [
            "files",
            "model.owner",
        ]

    def test_muster_itself_is_asked_nothing(self, state: State) -> None:
        require(state, RISK, "deploy")
        assert do(state, deploy(), internal=True).deployed == "1"


class TestReviews:
    @pytest.mark.parametrize(
        ("due", "why"),
        [
            (None, None),
            ("2026-11-24", None),
            ("2026-11-23", "its review was due on 2026-11-23"),
            ("2027-01-01", None),
            ("soon", "review_due is 'soon', which is no day as in 2026-12-31"),
        ],
    )
    def test_an_overdue_review_bars_new_deployments(
        self, state: State, due: str | None, why: str | None
    ) -> None:
        require(state, {}, "review")
        state.do(c.UpdateModel("digits", tags={"review_due": due}))
        found = refused(state, deploy())
        assert found == ([f"digits v1 is not to be deployed before it was reviewed: {why}"] if why else [])

    def test_the_versions_own_day_counts_before_the_models(self, state: State) -> None:
        require(state, {}, "review")
        state.do(c.UpdateModel("digits", tags={"review_due": "2026-01-01"}))
        state.do(c.UpdateVersion("digits", 1, tags={"review_due": "2027-01-01"}))
        assert refused(state, deploy()) == []

    def test_without_the_rule_it_is_only_shown(self, state: State) -> None:
        require(state, {}, "deploy")
        state.do(c.UpdateModel("digits", tags={"review_due": "2026-01-01"}))
        assert refused(state, deploy()) == []

    def test_the_day_itself_is_in_time(self) -> None:
        review = review_of({"review_due": "2026-11-24"})
        assert review == Review("2026-11-24")
        assert review.overdue(date(2026, 11, 24)) is None
        assert review.overdue(date(2026, 11, 25))
        assert review_of({}) is None


CARD = """# Intended use

Sorting *post*.

```
# no heading
```

Limits
------

## Where **not**

# Empty
"""


class TestCards:
    def test_a_card_is_a_map_from_heading_to_text(self) -> None:
        assert sections(CARD) == {
            "Intended use": "Sorting *post*.\n\n```\n# no heading\n```\n\nLimits\n------\n\n## Where **not**",
            "Limits": "",
            "Where not": "",
            "Empty": "",
        }
        assert sections("") == {}
        assert sections("a\r\n# B\r\nc\r\n# B\r\nd\r\n> # quoted") == {"B": "c"}

    def test_its_sections_may_be_required(self, state: State) -> None:
        schema = {
            "required": ["card"],
            "properties": {
                "card": {"required": ["Intended use"], "properties": {"Intended use": {"minLength": 10}}}
            },
        }
        require(state, schema, "deploy")
        assert [each.partition("requires: ")[2] for each in refused(state, deploy())] == [
            "card.Intended use is required"
        ]
        state.do(c.UpdateModel("digits", card="# Intended use\nnone\n"))
        assert "is shorter than 10 characters" in refused(state, deploy())[0]
        state.do(c.UpdateModel("digits", card=CARD))
        assert refused(state, deploy()) == []

    def test_a_card_that_changes_at_this_moment_is_asked_for_again(self, state: State) -> None:
        require(state, {}, "deploy")
        state.do(c.UpdateModel("digits", card=CARD))
        state.tree[card_path("digits")] = b"another"
        with pytest.raises(Stale, match="try again"):
            do(state, deploy())
        state.tree[card_path("digits")] = CARD.encode()
        assert hashlib.sha256(CARD.encode()).hexdigest() == state.models["digits"].card
        assert refused(state, deploy()) == []


class TestSchemas:
    @pytest.mark.parametrize(
        "schema",
        [
            {"type": "nope"},
            {"required": "a"},
            {"properties": {"a": {"pattern": "("}}},
            {"$ref": "#/nowhere"},
            {"$ref": "http://127.0.0.1:9/schema.json"},
            {"$ref": "file:///etc/hostname"},
            {"$schema": "http://127.0.0.1:9/meta"},
        ],
    )
    def test_what_is_no_schema_or_would_be_fetched_is_refused(self, state: State, schema: Any) -> None:
        with pytest.raises(Invalid, match="must be a JSON Schema that can be used here") as error:
            do(state, c.SetRequirement(None, schema))
        assert error.value.problems[0].field.startswith("schema")

    def test_formats_are_checked(self) -> None:
        schema = {"properties": {"day": {"format": "date"}}}
        assert SCHEMAS.lacks(schema, {"day": "2026-02-30"}) == (
            Lack("day", 'must be otherwise: "2026-02-30" is not a "date"'),
        )
        assert SCHEMAS.lacks(schema, {"day": "2026-02-28"}) == ()

    def test_a_long_value_is_not_repeated(self) -> None:
        (found,) = SCHEMAS.lacks({"properties": {"a": {"enum": [1, 2]}}}, {"a": "x" * 1000})
        assert found == Lack("a", "must be otherwise: breaks the rule 'enum'")

    def test_no_pattern_takes_for_ever(self) -> None:
        schema = {"properties": {"a": {"pattern": "^(a+)+$"}}}
        assert len(SCHEMAS.lacks(schema, {"a": "a" * 50_000 + "!"})) == 1

    def test_a_schema_that_later_proves_to_be_none_bars_the_way(self, state: State) -> None:
        require(state, {"type": "nope"}, "deploy")
        (found,) = refused(state, deploy())
        assert "schema cannot be used" in found


class TestRecords:
    @pytest.mark.parametrize(
        "found",
        [
            Requirement(None, RISK, ("register", "deploy"), ("production",), "for the audit"),
            Requirement("nlp", {}),
        ],
    )
    def test_a_record_is_read_as_it_was_written(self, found: Requirement) -> None:
        assert from_bytes(path_of(found.team), to_bytes(found)) == found

    @pytest.mark.parametrize(
        ("data", "why"),
        [
            (b"{", "must be JSON"),
            (b"[]", "must be a JSON object"),
            (b"{}", "schema: is required"),
            (b'{"schema": 1}', "schema: must be a JSON object"),
            (b'{"schema": {}, "block": ["all"]}', "must be one of register, deploy, review"),
            (b'{"schema": {}, "more": 1}', "is not a field here"),
        ],
    )
    def test_what_is_no_record_is_named(self, data: bytes, why: str) -> None:
        with pytest.raises(Invalid, match=why):
            from_bytes(path_of(None), data)

    def test_plans_say_what_they_do(self, state: State) -> None:
        said = c.SetRequirement(None, RISK)
        assert state.do(said).subject == "Set what the registry requires"
        assert state.do(said).nothing
        assert state.do(replace(said, block=("deploy",))).subject == "Change what the registry requires"
        assert state.do(c.SetRequirement("nlp", {})).subject == "Set what team nlp requires"
        assert state.do(c.DeleteRequirement("nlp")).subject == "Require nothing more for team nlp"

    @pytest.mark.parametrize(
        "change",
        [
            c.SetRequirement("moon", {}),
            c.SetRequirement(None, {}, environments=("moon",)),
            c.DeleteRequirement(None),
        ],
    )
    def test_what_is_not_there_is_not_found(self, state: State, change: c.Change) -> None:
        with pytest.raises(NotFound):
            state.do(change)
