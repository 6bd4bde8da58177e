"""Records in the repository: what is written is read back, and reads well in a diff."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.domain import codec
from muster.domain.records import (
    FIRST_ENVIRONMENTS,
    KINDS,
    STAGES,
    Config,
    Deployment,
    Earlier,
    Environment,
    Model,
    Version,
)

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
some = words.filter(bool)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
fields = st.dictionaries(some, json_values, min_size=1, max_size=3)
tags = st.dictionaries(some, words, max_size=3)
models = st.builds(
    Model,
    name=some,
    next_number=st.integers(1, 10**9),
    owner=st.none() | some,
    description=words,
    tags=tags,
    aliases=st.dictionaries(some, st.integers(1, 99), max_size=3),
    deleted=st.booleans(),
)
versions = st.builds(
    Version,
    model=some,
    number=st.integers(1, 10**9),
    label=st.none() | some,
    model_id=some,
    state=st.sampled_from(["pending", "final", "deleted"]),
    kind=st.sampled_from(KINDS),
    description=words,
    stage=st.sampled_from(STAGES),
    owner=st.none() | some,
    tags=tags,
    metrics=st.dictionaries(some, numbers, max_size=3),
    params=st.dictionaries(some, json_values, max_size=3),
    training_data=st.none() | words | fields,
    source=st.none() | fields,
    bases=st.lists(fields, max_size=2).map(tuple),
    external=st.none() | fields,
    signature=st.none() | fields,
    files_attached=st.booleans(),
    imported=st.none() | fields,
    registered=st.just("") | st.just("0" * 64),
)
configs = st.builds(
    Config,
    replicas=st.integers(1, 64),
    threads=st.integers(1, 256),
    timeout_s=st.floats(0.1, 3600),
    env=st.dictionaries(some, words | st.just({"from": "env:KEY"}), max_size=3),
    runtime=st.none() | some,
)
deployments = st.builds(
    Deployment,
    environment=some,
    model=some,
    version=st.none() | st.integers(1, 99),
    config=configs,
    recorded=st.booleans(),
    earlier=st.lists(st.builds(Earlier, st.integers(1, 99), configs), max_size=3).map(tuple),
)
environments = st.builds(
    Environment,
    name=some,
    target=some,
    rank=st.integers(-5, 100),
    stage=st.none() | st.sampled_from(STAGES),
    description=words,
    allow_pickle=st.booleans(),
)


def through_a_file(record: dict[str, Any]) -> dict[str, Any]:
    """The record as it comes back out of its file."""
    return codec.decode(codec.encode(record))


class TestRecords:
    @given(models)
    @settings(deadline=None)
    def test_a_model_comes_back(self, model: Model) -> None:
        assert codec.model_from_dict(through_a_file(codec.model_to_dict(model))) == model

    @given(versions)
    @settings(deadline=None)
    def test_a_version_comes_back(self, version: Version) -> None:
        assert codec.version_from_dict(through_a_file(codec.version_to_dict(version))) == version

    @given(deployments)
    @settings(deadline=None)
    def test_a_deployment_comes_back(self, deployment: Deployment) -> None:
        back = codec.deployment_from_dict(through_a_file(codec.deployment_to_dict(deployment)))
        assert back == deployment

    @given(environments)
    @settings(deadline=None)
    def test_an_environment_comes_back(self, environment: Environment) -> None:
        back = codec.environment_from_dict(through_a_file(codec.environment_to_dict(environment)))
        assert back == environment

    @pytest.mark.parametrize("environment", FIRST_ENVIRONMENTS, ids=lambda e: e.name)
    def test_the_first_environments_come_back(self, environment: Environment) -> None:
        back = codec.environment_from_dict(through_a_file(codec.environment_to_dict(environment)))
        assert back == environment

    def test_an_empty_text_of_training_data_is_not_nothing(self) -> None:
        version = Version("iris", 1, "v1", "iris_v1", training_data="")
        assert codec.version_from_dict(through_a_file(codec.version_to_dict(version))).training_data == ""


class TestFiles:
    def test_one_is_sorted_indented_json_one_value_a_line(self) -> None:
        version = Version(
            "größe", 1, "v1", "größe_v1", metrics={"f1": 0.5, "auc": 1}, tags={"team": "vision"}
        )
        assert codec.encode(codec.version_to_dict(version)).decode() == (
            '{\n  "id": "größe_v1",\n  "kind": "model",\n  "label": "v1",\n  "metrics": {\n    "auc": 1,\n'
            '    "f1": 0.5\n  },\n  "model": "größe",\n  "number": 1,\n  "stage": "development",\n'
            '  "state": "final",\n  "tags": {\n    "team": "vision"\n  }\n}\n'
        )

    @given(json_values)
    @settings(deadline=None)
    def test_equal_values_have_one_canonical_line(self, value: object) -> None:
        line = codec.canonical({"b": value, "a": 1})
        assert line == codec.canonical({"a": 1, "b": value})
        assert b"\n" not in line
        assert codec.decode(line) == {"a": 1, "b": value}

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
    def test_what_json_cannot_say_is_never_written(self, value: float) -> None:
        with pytest.raises(ValueError, match="not JSON compliant"):
            codec.encode({"value": value})
        with pytest.raises(ValueError, match="not JSON compliant"):
            codec.canonical(value)

    @pytest.mark.parametrize(
        ("value", "is_one"),
        [(1, True), (0.5, True), (True, False), ("1", False), (float("nan"), False), (None, False)],
    )
    def test_a_number_is_finite_and_no_boolean(self, value: object, is_one: bool) -> None:
        assert codec.is_number(value) is is_one
