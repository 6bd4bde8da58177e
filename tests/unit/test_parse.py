"""What comes from outside: recorded exactly, or refused naming every problem at once."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.domain import parse, registering
from muster.domain.codec import encode
from muster.domain.errors import Invalid, Problem
from muster.domain.records import Config

GOOD: dict[str, Any] = {
    "name": "sentiment_classifier",
    "version": "v1.0",
    "description": "Reads reviews",
    "training_data": "reviews-2026",
}
DIGEST = "0123456789abcdef" * 4


def problems(run: Callable[[], object]) -> list[Problem]:
    """What `run` is refused for."""
    with pytest.raises(Invalid) as refused:
        run()
    json.dumps(refused.value.facts(), ensure_ascii=False).encode()  # an answer must be able to say it
    return list(refused.value.problems)


def wrong(body: object, *, strict: bool = True) -> dict[str, str]:
    """The rule that each field of a registration breaks."""
    return {p.field: p.rule for p in problems(lambda: registering.registration(body, strict=strict))}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


class TestTrainingData:
    def test_several_data_sets_are_one_with_others(self) -> None:
        said = {
            "name": "iris",
            "digest": "4c2a",
            "context": "training",
            "others": [{"uri": "s3://b/test.csv", "rows": 30}],
        }
        change, _ = registering.registration(GOOD | {"training_data": said}, strict=True)
        assert change.training_data == said
        wrongly = {"others": [{"rows": -1}, "x", {"others": [{"name": "deeper"}]}]}
        assert set(wrong(GOOD | {"training_data": wrongly})) == {"training_data.others[0].rows"}


class TestRegistrations:
    def test_the_four_fields_are_enough(self) -> None:
        change, why = registering.registration(GOOD, strict=True)
        assert (change.model, change.label) == ("sentiment_classifier", "v1.0")
        assert (change.description, change.training_data) == ("Reads reviews", "reviews-2026")
        assert (change.stage, change.pending, why) == ("development", False, "")

    def test_everything_that_may_be_said_is_kept_exactly(self) -> None:
        said = GOOD | {
            "deployment_status": "staging",
            "owner": "team vision",
            "tags": {"a b": "", "größe": "XL\n"},
            "metrics": {"auc": 0.93, "n": 2**63 - 1, "loss": -1e-300},
            "params": {"layers": [1, [2, {"x": None}]], "bias": True},
            "source": {"repository": "https://example.org/r", "commit": "abc", "dirty": False},
            "kind": "adapter",
            "bases": [{"ref": "llm/v1", "digest": f"sha256:{DIGEST}", "relation": "finetuned"}],
            "training_data": {"name": "reviews", "sha256": DIGEST.upper(), "rows": 0},
            "reason": "  better\r\nrecall  ",
        }
        change, why = registering.registration(said, strict=True)
        assert change.tags == said["tags"]
        assert change.metrics == said["metrics"]
        assert change.params == said["params"]
        assert change.source == said["source"]
        assert change.training_data == {"name": "reviews", "sha256": DIGEST, "rows": 0}
        assert change.bases == ({"ref": "llm/v1", "digest": DIGEST, "relation": "finetuned"},)
        assert (change.stage, change.owner, change.model_kind) == ("staging", "team vision", "adapter")
        assert why == "better\nrecall"

    def test_every_missing_field_is_named(self) -> None:
        assert wrong({}) == dict.fromkeys(GOOD, "is required")

    def test_every_bad_field_is_named_at_once(self) -> None:
        found = wrong(
            {
                "name": "a/b",
                "version": 1,
                "training_data": 7,
                "deployment_status": "live",
                "owner": "",
                "tags": {"a": 1, "b": None, "": "x"},
                "metrics": {"auc": "high", "loss": math.nan},
                "params": [],
                "source": {"branch": "main"},
                "kind": "dataset",
                "bases": [{"ref": "x", "uri": "y"}, {"digest": "z"}],
                "reason": 5,
                "pending": True,
                "extra": 1,
            }
        )
        assert set(found) == {
            *("name", "version", "description", "training_data", "deployment_status", "owner"),
            *("tags.a", "tags.b", "tags key", "metrics.auc", "metrics.loss", "params", "source.branch"),
            *("kind", "bases[0]", "bases[1]", "bases[1].digest", "reason", "pending", "extra"),
        }
        assert "there are bases, deployment_status, description" in found["extra"]

    @pytest.mark.parametrize("body", [None, [], "text", 7, True, [GOOD]])
    def test_a_body_is_an_object(self, body: object) -> None:
        assert wrong(body)["body"] == "must be a JSON object"

    @pytest.mark.parametrize("field", sorted(GOOD))
    @pytest.mark.parametrize("value", [None, 1, True, [], 1.5])
    def test_the_required_ones_are_texts(self, field: str, value: object) -> None:
        assert set(wrong(GOOD | {field: value})) == {field}

    def test_an_optional_one_may_be_null(self) -> None:
        optional = ("owner", "tags", "metrics", "params", "source", "bases", "reason", "deployment_status")
        assert registering.registration(
            GOOD | dict.fromkeys(optional), strict=True
        ) == registering.registration(GOOD, strict=True)

    def test_the_full_api_asks_for_a_name_only(self) -> None:
        change, _ = registering.registration({"name": "iris", "pending": True}, strict=False)
        assert (change.label, change.pending, change.training_data) == (None, True, None)
        assert wrong({}, strict=False) == {"name": "is required"}

    def test_an_external_model_says_what_it_is_and_only_it_does(self) -> None:
        outside = {"provider": "a cloud", "model": "large", "snapshot": "2026-01-31"}
        change, _ = registering.registration(GOOD | {"kind": "external", "external": outside}, strict=True)
        assert change.external == outside
        assert set(wrong(GOOD | {"kind": "external"})) == {"external"}
        assert set(wrong(GOOD | {"external": outside})) == {"external"}
        assert set(wrong(GOOD | {"kind": "external", "external": {}})) >= {
            "external.provider",
            "external.model",
        }

    @pytest.mark.parametrize("field", ["training_data", "source"])
    def test_an_object_says_something(self, field: str) -> None:
        assert wrong(GOOD | {field: {}}) == {field: "must not be empty"}

    def test_a_thousand_tags_are_the_limit(self) -> None:
        many = {f"t{at}": "" for at in range(1001)}
        assert wrong(GOOD | {"tags": many}) == {"tags": "must have at most 1,000"}
        del many["t0"]
        assert len(registering.registration(GOOD | {"tags": many}, strict=True)[0].tags) == 1000

    @pytest.mark.parametrize("value", ["a\0b", "\ud800", "a\udfffb"])
    @pytest.mark.parametrize("field", ["description", "training_data", "owner", "reason", "name"])
    def test_no_text_holds_nul_or_half_a_character(self, field: str, value: str) -> None:
        assert set(wrong(GOOD | {field: value})) == {field}

    @pytest.mark.parametrize(
        "value",
        [10**400, -(10**400), 2**63, -(2**63) - 1, math.nan, math.inf, -math.inf, True, "1", None, [1]],
    )
    def test_a_metric_is_a_finite_number_of_64_bits(self, value: object) -> None:
        assert set(wrong(GOOD | {"metrics": {"auc": value}})) == {"metrics.auc"}

    def test_a_number_too_long_to_show_is_refused_too(self) -> None:
        assert set(wrong(GOOD | {"params": {"n": 10**10_000}, "x": 10**10_000})) == {"params.n", "x"}

    def test_params_are_at_most_eight_levels_deep(self) -> None:
        assert registering.registration(GOOD | {"params": {"x": nested(8)}}, strict=True)[0].params == {
            "x": nested(8)
        }
        (rule,) = wrong(GOOD | {"params": {"x": nested(9)}}).values()
        assert rule == "must be at most 8 levels deep"

    def test_bottomless_nesting_is_refused_wherever_it_stands(self) -> None:
        deep = nested(100_000)
        for field in ("params", "tags", "name", "description", "metrics", "bases", "unknown"):
            assert set(wrong(GOOD | {field: {"x": deep}})) or field
            assert any(name.startswith(field) for name in wrong(GOOD | {field: deep}))

    @pytest.mark.parametrize("key", ["\ud800", "a\0b", "x" * 10_000, "\u202e"])
    def test_a_field_with_an_impossible_name_can_be_told_of(self, key: str) -> None:
        for body in (GOOD | {key: 1}, GOOD | {"tags": {key: 1}}, GOOD | {"params": {"a": {key: object()}}}):
            for problem in problems(partial(registering.registration, body, strict=True)):
                assert len(str(problem)) < 800

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=9),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from([*GOOD, "tags", "params", "bases"]) | st.text(), inner)
            ),
            max_leaves=12,
        )
    )
    @settings(deadline=None)
    def test_any_body_is_taken_or_refused(self, body: Any) -> None:
        body = GOOD | body if isinstance(body, dict) else body
        try:
            change, _ = registering.registration(body, strict=True)
            answer: Any = {"params": change.params, "metrics": change.metrics, "tags": change.tags}
        except Invalid as refused:
            answer = refused.facts()
        assert json.loads(encode(answer)) == json.loads(json.dumps(answer))


class TestReasons:
    @pytest.mark.parametrize("value", ["x" * 4001, "a\x07b", "a\rb", "a\x1b[31m", "\0", "\udc80", 1, None])
    def test_one_is_a_short_text_without_control_characters(self, value: object) -> None:
        assert [p.field for p in problems(lambda: parse.reason(value))] == ["reason"]

    def test_lines_and_tabs_are_fine(self) -> None:
        assert parse.reason("one\n\n\ttwo — drei\r\n") == "one\n\n\ttwo — drei"


class TestConfig:
    def test_nothing_said_is_the_default(self) -> None:
        assert parse.config({}) == Config()

    def test_everything_is_validated_at_once(self) -> None:
        found = problems(
            lambda: parse.config(
                {"replicas": 0, "threads": 1.5, "timeout_s": 0, "env": [], "runtime": "", "gpu": 1}
            )
        )
        assert {p.field for p in found} == {
            *("config.replicas", "config.threads", "config.timeout_s", "config.env", "config.runtime"),
            "config.gpu",
        }

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *(("replicas", bad) for bad in (0, 65, True, "2", 1.0, 10**400)),
            *(("threads", bad) for bad in (0, 257, False)),
            *(("timeout_s", bad) for bad in (0.01, 3601, math.nan, math.inf, True, "30", 10**400)),
        ],
    )
    def test_numbers_have_their_range(self, field: str, value: object) -> None:
        assert [p.field for p in problems(lambda: parse.config({field: value}))] == [f"config.{field}"]

    @pytest.mark.parametrize(
        "value",
        [
            "AKIAIOSFODNN7EXAMPLE",
            "ghp_" + "a1" * 18,
            "github_pat_11ABC",
            "glpat-xyz",
            "hf_" + "aB" * 17,
            "sk-proj-" + "x" * 40,
            "xoxb-123",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc",
            "-----BEGIN RSA PRIVATE KEY-----\nMII",
            "AIza" + "x" * 35,
            "postgres://ada:geheim@db.example.org/registry",
            "https://hooks.slack.com/services/T00/B00/xyz",
            "Bearer abcdefgh12345",
        ],
    )
    def test_a_value_that_looks_like_a_credential_is_refused_with_advice(self, value: str) -> None:
        (problem,) = problems(lambda: parse.config({"env": {"SETTING": value}}))
        assert problem.field == "config.env.SETTING"
        assert '{"from": "env:NAME"}' in problem.rule
        assert value not in str(problem)

    @pytest.mark.parametrize("value", [{"from": "tr0ub4dor"}, {"value": "tr0ub4dor"}, {"from": "vault:x"}])
    def test_what_is_no_reference_is_refused_and_not_repeated(self, value: object) -> None:
        (problem,) = problems(lambda: parse.config({"env": {"SETTING": value}}))
        assert problem.rule == 'must be {"from": "env:NAME"} or {"from": "file:/ABSOLUTE/PATH"}'
        assert "tr0ub4dor" not in str(problem)

    @pytest.mark.parametrize(
        "name",
        [
            *("API_KEY", "apikey", "HF_TOKEN", "DB_PASSWORD", "client_secret", "AWS_ACCESS_KEY_ID"),
            *("dbPasswd", "DB_PWD", "PGPASS", "SMTP_PASS", "HTTP_AUTH", "Authorization", "SLACK_WEBHOOK"),
        ],
    )
    def test_a_value_whose_name_says_credential_is_refused(self, name: str) -> None:
        (problem,) = problems(lambda: parse.config({"env": {name: "tr0ub4dor"}}))
        assert "looks like a credential" in problem.rule
        assert "tr0ub4dor" not in str(problem)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("TOKENIZERS_PARALLELISM", "false"),
            ("MAX_TOKENS", "512"),
            ("BYPASS", "1"),
            ("AUTHOR", "ada"),
            ("KIND", "basic model"),
            ("MODEL_URL", "https://example.org:8080/a@b"),
            ("KEYBOARD", "de"),
            ("OMP_NUM_THREADS", "4"),
            ("EMPTY", ""),
        ],
    )
    def test_what_only_sounds_like_one_is_taken(self, name: str, value: str) -> None:
        assert parse.config({"env": {name: value}}).env == {name: value}

    @pytest.mark.parametrize("where", ["env:HF_TOKEN", "file:/run/secrets/key"])
    def test_a_secret_is_a_reference(self, where: str) -> None:
        assert parse.config({"env": {"HF_TOKEN": {"from": where}}}).env == {"HF_TOKEN": {"from": where}}

    @pytest.mark.parametrize(
        "value",
        [
            *({}, {"from": "HF_TOKEN"}, {"from": "env:"}, {"from": "file:relative"}, {"from": "env:A B"}),
            *(
                {"from": 1},
                {"from": "env:A", "default": "x"},
                {"value": "x"},
                {"from": "env:A\n"},
                None,
                1,
                ["x"],
            ),
        ],
    )
    def test_another_shape_is_no_reference(self, value: object) -> None:
        assert [p.field for p in problems(lambda: parse.config({"env": {"KEY": value}}))] == [
            "config.env.KEY"
        ]

    def test_every_bad_variable_is_named_at_once(self) -> None:
        found = problems(lambda: parse.config({"env": {"1A": "x", "A=B": "x", "OK": "x", "C": 1}}))
        assert len(found) == 3
        assert {p.field for p in found} >= {"config.env.C"}
