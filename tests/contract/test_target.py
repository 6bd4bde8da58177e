"""The process target and the gateway before it: real models, real processes, real requests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from muster.domain.errors import NoRuntime, Unavailable
from muster.service.values import Desired
from tests.serving import (
    FLOWER,
    FLOWER_INFER,
    MAGIKA,
    Load,
    Site,
    iris_onnx,
    iris_skops,
    is_running,
    onnx_with_weights_beside_it,
    wait_for,
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


class TestStarting:
    def test_a_deployed_model_answers(self, site: Site) -> None:
        site.serve(site.instance())
        reply = site.ask("infer", FLOWER_INFER)
        assert reply.status == 200
        assert reply.json["model_name"] == "iris"
        assert reply.json["outputs"][0]["data"] == [0]
        assert reply.headers["Muster-Model-Id"] == "iris_v1"
        assert reply.headers["Muster-Version"] == "1"

    def test_it_is_observed_with_its_process_and_signature(self, site: Site) -> None:
        state = site.serve(site.instance())
        assert state.active
        assert state.process is not None
        assert is_running(state.process)
        assert state.runtime == "onnx"
        assert state.signature is not None
        assert state.signature["inputs"] == [{"name": "X", "dtype": "FP32", "shape": [None, 4]}]
        assert "onnx loaded model.onnx" in state.output
        assert ("production", "iris") in site.transitions

    def test_requests_and_errors_are_counted(self, site: Site) -> None:
        site.serve(site.instance())
        for _ in range(3):
            site.ask("invocations", {"instances": [FLOWER]})
        state = site.state(1)
        assert state is not None
        assert (state.requests, state.errors) == (3, 0)
        assert set(state.latency_ms) == {"p50", "p90", "p99"}

    def test_a_neural_network_answers(self, site: Site) -> None:
        site.serve(site.instance(files={"model.onnx": MAGIKA.read_bytes()}, model="magika"))
        reply = site.ask("invocations", {"inputs": [[32] * 2048]}, model="magika")
        assert reply.status == 200
        assert len(reply.json["predictions"][0]) == 214

    def test_a_skops_model_answers(self, site: Site) -> None:
        state = site.serve(site.instance(files={"iris.skops": iris_skops()}))
        assert state.runtime == "skops"
        reply = site.ask("invocations", {"instances": [FLOWER]})
        assert reply.json["predictions"]["predict"] == [0]

    def test_a_graph_with_its_weights_beside_it_answers(self, site: Site) -> None:
        site.serve(site.instance(files=onnx_with_weights_beside_it()))
        assert site.ask("invocations", {"inputs": [[1, 2, 3, 4]]}).json == {"predictions": [[3, 7]]}

    def test_requests_wait_for_the_first_version_to_start(self, site: Site) -> None:
        site.apply(1, site.instance())
        assert site.ask("infer", FLOWER_INFER).status == 200

    def test_health_does_not_wait(self, site: Site) -> None:
        site.apply(1, site.instance())
        assert site.ask("v2/health/ready").status == 503
        site.when(1, "ready")
        assert site.ask("v2/health/ready").status == 200

    def test_replicas_share_the_requests(self, site: Site) -> None:
        site.serve(site.instance(replicas=2))
        route = site.routes.route("production", "iris")
        assert route is not None
        assert len(route.sockets) == 2
        with Load(site) as load:
            load.more(20)
        assert load.failures == []

    def test_each_replica_is_observed_by_itself(self, site: Site) -> None:
        site.serve(site.instance(replicas=3))
        for _ in range(6):
            site.ask("invocations", {"instances": [FLOWER]})
        site.ask("invocations", {"instances": "no list"})
        state = site.when(1, "ready")
        assert [each.replica for each in state.workers] == [1, 2, 3]
        assert len({each.process for each in state.workers}) == 3
        assert state.process == state.workers[0].process
        assert sum(each.requests for each in state.workers) == state.requests == 7
        assert all(each.requests for each in state.workers)
        for each in state.workers:
            assert (each.health, each.restarts, each.next_start) == ("ready", 0, None)
            assert set(each.latency_ms) == {"p50", "p90", "p99"}
            assert each.output.count("onnx loaded model.onnx") == 1
            assert each.ready_since is not None
            assert state.ready_since is not None
            assert each.ready_since >= state.ready_since
        assert state.output.count("onnx loaded model.onnx") == 3

    def test_a_replica_that_was_replaced_counts_anew(self, site: Site) -> None:
        site.serve(site.instance(replicas=2))
        for _ in range(4):
            site.ask("invocations", {"instances": [FLOWER]})
        before = site.when(1, "ready").workers
        assert before[1].process is not None
        os.kill(before[1].process, signal.SIGKILL)
        after = wait_for(
            lambda: site.when(1, "ready").workers,
            lambda workers: workers[1].health == "ready" and workers[1].process != before[1].process,
        )
        assert (after[1].restarts, after[1].requests) == (1, 0)
        assert after[0].process == before[0].process
        assert (after[0].restarts, after[0].requests) == (0, before[0].requests)
        assert site.when(1, "ready").requests == 4

    def test_a_very_long_folder_is_no_obstacle(self, tmp_path: Path) -> None:
        deep = tmp_path.joinpath(*["a" * 60] * 3)
        site = Site(deep)
        try:
            site.serve(site.instance())
            assert site.ask("v2/health/ready").status == 200
        finally:
            site.close()


class TestFailing:
    def test_a_broken_file_fails_with_the_reason_and_the_output(self, site: Site) -> None:
        site.serve(site.instance(1))
        broken = site.instance(2, {"model.onnx": iris_onnx()[:200]})
        site.apply(1, site.instance(1), broken)
        state = site.when(2, "failed")
        assert "onnxruntime cannot load model.onnx" in state.reason
        assert "onnxruntime cannot load model.onnx" in state.output
        assert state.restarts == 0
        reply = site.ask("infer", FLOWER_INFER)
        assert (reply.status, reply.headers["Muster-Version"]) == (200, "1")

    def test_a_newer_commit_tries_a_failed_version_again(self, site: Site) -> None:
        broken = site.instance(2, {"model.onnx": b"nothing"})
        site.apply(1, None, broken)
        first = site.when(2, "failed")
        site.apply(2, None, broken)
        assert site.state(2) != first
        site.when(2, "failed")

    def test_files_of_no_runtime_are_refused_naming_those_there_are(self, site: Site) -> None:
        site.serve(site.instance(1))
        with pytest.raises(
            NoRuntime, match=r"The runtimes here are: mlflow, onnx, skops, pickle\..*'external'"
        ):
            site.apply(2, site.instance(2, {"weights.bin": b"\1\2\3\4"}))
        assert set(site.states()) == {1}

    def test_a_missing_secret_fails_naming_it(self, tmp_path: Path) -> None:
        site = Site(tmp_path, environ={"PATH": os.environ["PATH"]})
        try:
            site.apply(1, None, site.instance(env={"KEY": {"from": "env:NOT_THERE"}}))
            assert (
                site.when(1, "failed").reason == "env KEY: the server has no environment variable NOT_THERE"
            )
        finally:
            site.close()

    def test_secrets_reach_the_worker_and_stay_out_of_its_output(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("from-a-file\n")
        site = Site(tmp_path, environ={"PATH": os.environ["PATH"], "SERVER_KEY": "from-the-server"})
        try:
            # Python's own start-up prints what PYTHONWARNINGS holds when it makes no sense.
            env = {
                "PYTHONWARNINGS": {"from": "env:SERVER_KEY"},
                "TOKEN": {"from": f"file:{tmp_path / 'token'}"},
                "PLAIN": "as it is",
            }
            state = site.serve(site.instance(env=env))
            given = Path(f"/proc/{state.process}/environ").read_bytes().split(b"\0")
            assert b"PYTHONWARNINGS=from-the-server" in given
            assert b"TOKEN=from-a-file" in given
            assert b"PLAIN=as it is" in given
            assert not [variable for variable in given if variable.startswith(b"SERVER_KEY=")]
            assert "[secret]" in state.output
            assert "from-the-server" not in state.output
        finally:
            site.close()

    def test_nothing_deployed_is_said_so(self, site: Site) -> None:
        reply = site.ask("infer", FLOWER_INFER)
        assert reply.status == 404
        assert reply.json == {"error": "Deployment not found: iris in production"}


class TestObjecting:
    def test_what_can_work_meets_no_objection_and_is_not_started(self, site: Site) -> None:
        one, two = site.instance(1), site.instance(2, {"iris.skops": iris_skops()})
        assert site.target.objections(Desired("production", "iris", 1, one, (two,))) == ()
        assert site.states() == {}

    def test_all_that_is_wrong_with_all_versions_is_told_at_once(self, site: Site, tmp_path: Path) -> None:
        env = {"A": {"from": "env:NOT_THERE"}, "B": {"from": f"file:{tmp_path / 'none'}"}, "C": "plain"}
        one = site.instance(1, {"weights.bin": b"\1\2\3\4"}, env=env)
        two = site.instance(2, {"model.pkl": b"\x80\4."})
        found = site.target.objections(Desired("production", "iris", 1, one, (two,)))
        assert [each.code for each in found] == ["no_runtime", "did_not_start", "did_not_start", "no_runtime"]
        assert "'external'" in found[0].message
        assert "NOT_THERE" in found[1].message
        assert str(tmp_path / "none") in found[2].message
        assert "model.pkl" in found[3].message

    @pytest.mark.parametrize(
        ("path", "codes"), [("model.onnx", []), ("model.skops", []), ("weights", ["no_runtime"])]
    )
    def test_files_that_are_missing_hide_no_format(self, site: Site, path: str, codes: list[str]) -> None:
        instance = site.instance(1, {path: b"gone"})
        site.remove(instance)
        found = site.target.objections(Desired("production", "iris", 1, instance))
        assert [each.code for each in found] == codes

    def test_a_closed_target_objects_to_everything(self, tmp_path: Path) -> None:
        site = Site(tmp_path)
        site.close()
        found = site.target.objections(Desired("production", "iris", 1, site.instance()))
        assert [each.code for each in found] == ["unavailable"]


class TestSwitching:
    def test_a_warm_version_gets_no_traffic_until_it_is_active(self, site: Site) -> None:
        one, two = site.instance(1), site.instance(2, {"model.onnx": iris_onnx(0.1)})
        site.serve(one)
        site.apply(1, one, two)
        site.when(2, "ready")
        assert site.ask("infer", FLOWER_INFER).headers["Muster-Version"] == "1"
        site.apply(2, two, one)
        assert site.ask("infer", FLOWER_INFER).headers["Muster-Version"] == "2"
        assert [state.active for state in site.target.observe("production", "iris")] == [True, False]

    def test_switching_under_load_fails_no_request(self, site: Site) -> None:
        one, two = site.instance(1), site.instance(2, {"model.onnx": iris_onnx(0.1)})
        site.serve(one)
        with Load(site) as load:
            site.apply(1, one, two)
            site.when(2, "ready")
            for position in range(2, 8):
                site.apply(position, *((two, one) if position % 2 == 0 else (one, two)))
                load.more(20)
            site.apply(9, two)  # and the other one is let go
            wait_for(site.states, lambda states: set(states) == {2})
            load.more(20)
        assert load.failures == []
        assert {version for _, version in load.replies} == {"1", "2"}

    def test_an_older_position_changes_nothing(self, site: Site) -> None:
        one, two = site.instance(1), site.instance(2, {"model.onnx": iris_onnx(0.1)})
        site.serve(two, position=5)
        site.apply(4, one)
        assert set(site.states()) == {2}
        assert site.ask("infer", FLOWER_INFER).headers["Muster-Version"] == "2"

    def test_the_version_that_serves_goes_on_until_the_new_one_is_ready(self, site: Site) -> None:
        site.serve(site.instance(1))
        site.apply(2, site.instance(2, {"model.onnx": b"nothing"}))
        site.when(2, "failed")
        assert site.ask("infer", FLOWER_INFER).headers["Muster-Version"] == "1"

    def test_without_an_active_version_there_is_no_traffic_and_no_process(self, site: Site) -> None:
        state = site.serve(site.instance())
        site.apply(2, None)
        assert site.ask("infer", FLOWER_INFER).status == 404
        assert state.process is not None
        wait_for(lambda: is_running(state.process or 0), lambda running: not running)

    def test_a_version_without_files_is_recorded_and_gets_no_traffic(self, site: Site) -> None:
        site.apply(1, site.instance(1, {}))
        assert site.when(1, "recorded").active
        assert site.ask("infer", FLOWER_INFER).status == 404


class TestDying:
    def test_a_killed_worker_fails_no_request(self, site: Site) -> None:
        first = site.serve(site.instance())
        assert first.process is not None
        with Load(site) as load:
            os.kill(first.process, signal.SIGKILL)
            again = wait_for(
                lambda: site.state(1),
                lambda state: state is not None and state.process not in (None, first.process),
            )
            load.more(20)
        assert load.failures == []
        assert again is not None
        assert again.restarts == 1

    def test_a_worker_that_dies_again_and_again_is_given_up(self, site: Site) -> None:
        site.serve(site.instance())
        while (state := site.state(1)) and state.health != "failed":
            if state.process is not None and is_running(state.process):
                os.kill(state.process, signal.SIGKILL)
            time.sleep(0.01)
        assert state is not None
        assert "SIGKILL" in state.reason
        assert state.restarts == 4

    def test_a_closed_target_leaves_no_worker_and_takes_nothing_more(self, tmp_path: Path) -> None:
        site = Site(tmp_path)
        state = site.serve(site.instance(replicas=2))
        site.close()
        assert state.process is not None
        assert not is_running(state.process)
        assert not (tmp_path / "run" / "workers").exists()
        with pytest.raises(Unavailable):
            site.apply(2, None)

    def test_workers_end_when_their_server_is_killed(self, tmp_path: Path) -> None:
        program = """
            import sys, time
            from pathlib import Path
            from tests.serving import Site
            site = Site(Path(sys.argv[1]))
            print(site.serve(site.instance()).process, flush=True)
            time.sleep(600)
        """
        server = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        with server:
            assert server.stdout is not None
            worker = int(server.stdout.readline())
            assert is_running(worker)
            server.kill()
        wait_for(lambda: is_running(worker), lambda running: not running)
        # And the next server begins in the folder that this one left.
        site = Site(tmp_path)
        site.serve(site.instance())
        site.close()

    def test_each_step_of_a_deployment_has_a_crash_point(self, tmp_path: Path) -> None:
        points: list[str] = []
        site = Site(tmp_path, crash=points.append)
        try:
            site.serve(site.instance(1))
            site.apply(2, None)
            wait_for(lambda: points[-1], lambda point: point == "drained")
            assert points == ["switched", "worker-spawned", "worker-ready", "switched", "drained"]
        finally:
            site.close()
