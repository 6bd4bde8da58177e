"""A server with a mirror: it follows, lags during an outage, says so, and catches up."""

from __future__ import annotations

import json
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.repositories import git
from tests.servers import Server
from tests.terminal import Terminal, until


def metric(server: Server, name: str) -> float:
    families = text_string_to_metric_families(server.get("/metrics").text)
    [sample] = [sample for family in families for sample in family.samples if sample.name == name]
    return sample.value


def test_a_mirror_follows_lags_during_an_outage_and_catches_up(tmp_path: Path) -> None:
    there, away = tmp_path / "there.git", tmp_path / "away.git"
    git(tmp_path, "init", "-q", "--bare", "there.git")
    terminal = Terminal(tmp_path)

    def caught_up() -> bool:
        ours = git(tmp_path / "registry/registry.git", "rev-parse", "main")
        return git(there, "for-each-ref", "--format=%(objectname)", "refs/heads/main") == ours

    with Server(tmp_path / "registry", MUSTER_MIRROR_URL=str(there)) as server:
        server.register("m", "v1")
        until(caught_up, "the mirror has it")
        there.rename(away)
        server.register("m", "v2")
        server.register("m", "v3")
        until(lambda: metric(server, "muster_mirror_up") == 0, "the outage shows")
        assert metric(server, "muster_mirror_lag_commits") == 2
        assert metric(server, "muster_mirror_lag_seconds") > 0
        assert metric(server, "muster_mirror_failures_total") >= 1
        said = json.loads(terminal.run("muster", "mirror", "--json"))
        assert said["lag"] == 2
        assert said["failed"]
        server.kill()
    # A server that starts during the outage knows how far the mirror was.
    with Server(tmp_path / "registry", MUSTER_MIRROR_URL=str(there)) as server:
        assert server.get("/api/v1/mirror").json()["lag"] == 2
        until(lambda: metric(server, "muster_mirror_up") == 0, "it is tried")
        away.rename(there)
        until(caught_up, "the mirror has all of it")
        until(lambda: metric(server, "muster_mirror_up") == 1, "that shows")
        assert metric(server, "muster_mirror_lag_commits") == 0
    # The mirror is a clone like any other.
    terminal.run("muster", "restore", "--from-clone", str(there), "--home", "new")
    assert "m_v3" in terminal.run("muster", "show", "m/v3", "--home", "new")


def test_without_a_mirror_the_api_says_that_there_is_none(tmp_path: Path) -> None:
    with Server(tmp_path / "registry") as server:
        answer = server.get("/api/v1/mirror")
    assert answer.status_code == 404
    assert "mirror_url" in answer.json()["detail"]
