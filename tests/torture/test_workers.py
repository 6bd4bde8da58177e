"""Deployed versions outlive their server's end as declarations, and their workers do not."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import processes_of
from tests.serving import FLOWER_INFER, iris_onnx, wait_for
from tests.torture.forked import Server
from tests.torture.proof import assert_no_process_stays, assert_sound
from tests.torture.scale import either, figure

pytestmark = [pytest.mark.torture, pytest.mark.timeout(0)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """With v2 in production and v1 standing by."""
    with Server(tmp_path / "home") as server:
        for number in (1, 2):
            server.register_with_file("iris", f"v{number}", "model.onnx", iris_onnx(10.0**number))
            assert server.post(f"/models/iris_v{number}/deploy").status_code == 200
        yield server


def workers(home: Path) -> dict[int, str]:
    return {pid: line for pid, line in processes_of(home).items() if "muster.serving.worker" in line}


def kill_the_active_one(server: Server) -> None:
    """And wait for the worker in its place."""
    shown = server.get("/api/v1/deployments/production/iris").json()
    active = next(each["process"] for each in shown["instances"] if each["active"])
    os.kill(active, signal.SIGKILL)
    wait_for(lambda: workers(server.home).keys(), lambda seen: len(seen) == 2 and active not in seen)


def test_workers_end_with_their_server_and_come_back_with_it(server: Server) -> None:
    for end in ("stop", "kill") * either(1, 10):
        wait_for(lambda: workers(server.home), lambda seen: len(seen) == 2)
        if end == "stop":
            assert server.stop() == 0
            assert processes_of(server.home) == {}  # at once: it has waited for them
        else:
            server.kill()
            assert_no_process_stays(server.home)
        server.start()
        # The gateway holds it while the worker comes up.
        answer = server.post("/serve/production/iris/infer", FLOWER_INFER)
        assert (answer.status_code, answer.headers["muster-version"]) == (200, "2"), answer.text
    assert_sound(server.home)


def test_a_worker_that_hangs_does_not_outlive_its_killed_server(server: Server) -> None:
    for pid in wait_for(lambda: workers(server.home), lambda seen: len(seen) == 2):
        os.kill(pid, signal.SIGSTOP)
    server.kill()
    assert_no_process_stays(server.home)


def test_no_request_fails_while_workers_are_killed(server: Server) -> None:
    statuses: list[int] = []
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            statuses.append(server.post("/serve/production/iris/infer", FLOWER_INFER).status_code)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        for _ in range(either(2, 4)):  # five in half a minute, and it is given up
            kill_the_active_one(server)
            after = len(statuses) + 3
            wait_for(lambda: len(statuses), after.__le__)
    finally:
        stop.set()
        sender.join()
    assert set(statuses) == {200}
    figure(f"{len(statuses):,} requests while workers were killed, none failed")
