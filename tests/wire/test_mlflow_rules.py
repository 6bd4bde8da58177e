"""An unmodified MLflow client where production has rules: refused in its words, and nothing happened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.live import Live, fresh, live
from tests.mlflow_clients import connected

pytestmark = pytest.mark.filterwarnings("ignore::Warning")  # MLflow's own


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Production takes versions that have run in staging, from bob, and owns the alias champion."""
    with live(tmp_path_factory.mktemp("mlflow-rules") / "home") as running:
        rules = {
            "deploy": ["bob"],
            "rollback": ["bob"],
            "soak": {"environment": "staging", "hours": 24},
            "aliases": ["champion"],
        }
        running.send("PATCH", "/api/v1/environments/production", json={"rules": rules})
        yield running


@pytest.fixture(scope="module")
def client(server: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("tracking")
    with connected(server.url.replace("://", "://ada:secret-token@"), folder) as client:
        yield client


@pytest.fixture
def name(client: Any) -> str:
    """A model with two versions."""
    name = fresh("model ")
    client.create_registered_model(name)
    for number in (1, 2):
        client.create_model_version(name, f"s3://bucket/{number}")
    return name


def answered(raised: pytest.ExceptionInfo[Any]) -> tuple[str, int]:
    """MLflow's word for it, and the status."""
    return raised.value.error_code, raised.value.get_http_status_code()


def test_a_transition_to_production_is_refused_naming_each_rule(server: Live, client: Any, name: str) -> None:
    head = server.home.storage.store.head()
    for alone in (False, True):
        with pytest.raises(Exception, match="production") as raised:
            client.transition_model_version_stage(name, 2, "Production", archive_existing_versions=alone)
        assert answered(raised) == ("PERMISSION_DENIED", 403)
        told = str(raised.value)
        assert "which counts as production, takes the right to deploy in production, which ada does" in told
        assert "bob can do it" in told
        assert "24 hours are missing" in told
    assert server.home.storage.store.head() == head
    assert client.get_model_version(name, 2).current_stage == "None"


def test_stages_that_nobody_protects_are_free(client: Any, name: str) -> None:
    assert client.transition_model_version_stage(name, 1, "Staging").current_stage == "Staging"
    assert client.transition_model_version_stage(name, 1, "Archived").current_stage == "Archived"


def test_a_protected_alias_is_refused_and_any_other_is_not(client: Any, name: str) -> None:
    with pytest.raises(Exception, match="an alias of production") as raised:
        client.set_registered_model_alias(name, "champion", 2)
    assert answered(raised) == ("PERMISSION_DENIED", 403)
    client.set_registered_model_alias(name, "challenger", 2)
    assert client.get_registered_model(name).aliases == {"challenger": "2"}
