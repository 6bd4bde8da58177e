"""MLflow's own client where others have to approve first: refused, and told which proposal waits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.exceptions import RestException

from tests.approving import People
from tests.live import Live, fresh, live
from tests.mlflow_clients import connected


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("approving") / "registry") as running:
        yield running


@pytest.fixture(scope="module")
def people(server: Live) -> People:
    found = People(server)
    found.protect(aliases=("champion",))
    return found


def test_a_stage_and_an_alias_wait_for_approval_and_then_are_so(people: People, tmp_path: Path) -> None:
    name = fresh()
    token = people.headers("ada")["Authorization"].removeprefix("Bearer ")
    with connected(people.server.url, tmp_path, MLFLOW_TRACKING_TOKEN=token) as client:
        client.create_registered_model(name)
        client.create_model_version(name, "s3://bucket/model")
        for change in (
            lambda: client.transition_model_version_stage(name, "1", "Production"),
            lambda: client.set_registered_model_alias(name, "champion", "1"),
        ):
            with pytest.raises(RestException) as refused:
                change()
            assert refused.value.error_code == "PERMISSION_DENIED"
            (of,) = people.ids("ada", model=name, state="open")
            assert f"{of} is open for it" in refused.value.message
            with pytest.raises(RestException, match=of):
                change()
            assert people.ids("ada", model=name, state="open") == [of]
            for who in ("rita", "rob"):
                people.approve(who, of)
        version = client.get_model_version(name, "1")
        assert version.current_stage == "Production"
        assert version.aliases == ["champion"]
