"""One policy stops a deployment at every door alike: the API, the command line, MLflow's client."""

from __future__ import annotations

from pathlib import Path

import pytest

from muster.client import Client
from muster.domain.changes import Actor, Evaluate
from muster.domain.errors import Denied
from tests.live import live
from tests.mlflow_clients import connected
from tests.terminal import Terminal

SAYS = "Nobody has shown an AUC of 0.9"
POLICY = {
    "expression": "evidence.exists(e, e.metrics.auc >= 0.9)",
    "message": SAYS,
    "on": ["deploy"],
    "environments": ["production"],
}


@pytest.mark.filterwarnings("ignore::Warning")  # MLflow's own
def test_a_policy_stops_a_deployment_at_every_door_alike(tmp_path: Path) -> None:
    from mlflow.exceptions import MlflowException

    terminal = Terminal(tmp_path)
    (tmp_path / "tracking").mkdir()
    with (
        live(tmp_path / "home") as server,
        Client(server.url, "ada") as client,
        connected(server.url, tmp_path / "tracking") as mlflow,
    ):
        server.register("digits")
        client.deploy("digits_v1", "staging", reason="Before there was a policy")
        [page] = client.test_policy({**POLICY, "environments": ["staging"]})
        assert [each["reason"] for each in page["items"]] == ["Before there was a policy"]
        client.set_policy("shown", POLICY, reason="Agreed")

        with pytest.raises(Denied) as denied:
            client.deploy("digits_v1")
        assert [(each.rule, each.message) for each in denied.value.objections] == [("policy shown", SAYS)]
        deploy = ("muster", "deploy", "digits/v1", "--server", server.url)
        assert SAYS in terminal.run(*deploy, exit_code=5)
        with pytest.raises(MlflowException, match=SAYS) as refused:
            mlflow.transition_model_version_stage("digits", "1", "Production")
        assert refused.value.error_code == "PERMISSION_DENIED"
        assert client.version("digits_v1")["deployed_in"] == ["staging"]

        bob = Actor("bob")
        server.home.registry.submit(Evaluate("digits", 1, by=bob, metrics={"auc": 0.95}), bob).result()
        mlflow.transition_model_version_stage("digits", "1", "Production")
        assert "deployed to production" in terminal.run(*deploy)
