"""kill -9 between each two steps of a deployment: Git decides which version serves afterwards."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from muster.service import deployer
from muster.targets import process
from tests.serving import FLOWER_INFER, iris_onnx, wait_for
from tests.torture.forked import Server
from tests.torture.proof import assert_no_process_stays, assert_sound
from tests.torture.scale import FULL, either, figure

pytestmark = [pytest.mark.torture, pytest.mark.timeout(0)]

TIMES = either(1, 3)


class Step(NamedTuple):
    """A crash point, which pass of it is the deployment's of v2, and what Git declares after it."""

    point: str
    passes: int
    declared: int


# v1 comes up again at the start, which passes the target's own points once.
STEPS = (
    Step("deploy-checked", 1, 1),
    Step("worker-spawned", 2, 1),
    Step("worker-ready", 2, 1),
    Step("deploy-ready", 1, 1),
    Step("deploy-recorded", 1, 2),
    Step("switched", 2, 2),
    Step("deploy-switched", 1, 2),
    Step("drained", 1, 2),
)


def test_the_steps_tried_are_all_there_are() -> None:
    assert {step.point for step in STEPS} == {*deployer.CRASH_POINTS, *process.CRASH_POINTS}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with v1 in production, and v2 ready to be deployed."""
    with Server(tmp_path_factory.mktemp("prepared") / "home") as server:
        for number in (1, 2):
            server.register_with_file("iris", f"v{number}", "model.onnx", iris_onnx(10.0 ** (number - 2)))
        assert server.post("/models/iris_v1/deploy").status_code == 200
        assert server.stop() == 0
    return server.home


@pytest.fixture
def server(prepared: Path, tmp_path: Path) -> Iterator[Server]:
    shutil.copytree(prepared, tmp_path / "home", symlinks=True)
    server = Server(tmp_path / "home", MUSTER_STANDBY="false")
    yield server
    server.close()


@pytest.mark.parametrize("step", STEPS, ids=[step.point for step in STEPS])
def test_a_server_killed_between_two_steps_of_a_deployment_serves_what_git_declares(
    server: Server, step: Step
) -> None:
    for _ in range(TIMES):
        server.start(MUSTER_CRASH_AT=f"{step.point}:{step.passes}")
        assert serving(server) == 1
        # What is recorded before the end of the answer may be answered, or the kill is faster.
        try:
            answer = server.post("/models/iris_v2/deploy", {"reason": "a better fit"})
            assert step.declared == 2, answer.text
        except httpx.TransportError:
            pass
        assert server.wait() == -signal.SIGKILL
        assert_no_process_stays(server.home)
        server.start()
        assert serving(server) == step.declared
        assert declared(server) == step.declared
        assert_sound(server.home)
        if step.declared == 2 and FULL:
            back = server.post("/models/iris_v2/rollback")
            assert back.status_code == 200, back.text
            assert serving(server) == 1
        assert server.stop() == 0
        assert_no_process_stays(server.home)
    figure(f"killed at {step.point} {TIMES} times: v{step.declared} served after each")


def serving(server: Server) -> int:
    """The version that answers a request; it is held while a worker comes up."""
    answer = server.post("/serve/production/iris/infer", FLOWER_INFER)
    assert answer.status_code == 200, answer.text
    return int(answer.headers["muster-version"])


def declared(server: Server) -> int:
    """The version that the registry says is in production, once the target agrees."""

    def shown() -> Any:
        return server.get("/api/v1/deployments/production/iris").json()

    agreed = wait_for(shown, lambda seen: seen["status"]["standing"] == "ready")
    placed = [server.get(f"/models/iris_v{number}").json()["deployed_in"] for number in (1, 2)]
    number: int = agreed["number"]
    assert placed == ([["production"], []] if number == 1 else [[], ["production"]])
    return number
