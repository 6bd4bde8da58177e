"""What the process target does with workers that hang, and with versions wanted again as they leave."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from muster.service.values import Instance, InstanceState
from muster.targets.pool import Timing
from tests.serving import FLOWER_INFER, QUICK, Reply, Site, patient_pickle, wait_for

WATCHFUL = replace(QUICK, probe_s=0.1, silent_s=0.5)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, timing=WATCHFUL)
    yield site
    site.close()


def patient(site: Site, number: int = 1, **config: Any) -> Instance:
    return site.instance(number, {"model.pkl": patient_pickle()}, allow_pickle=True, **config)


def restarted(site: Site, first: InstanceState) -> InstanceState:
    state = wait_for(
        lambda: site.state(1), lambda now: now is not None and now.process not in (None, first.process)
    )
    assert state is not None
    return state


class Asking:
    """A request that takes `seconds`, under way in a thread of its own."""

    def __init__(self, site: Site, seconds: float) -> None:
        self._replies: list[Reply] = []
        self._site, self._seconds = site, seconds
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        wait_for(lambda: any(at.in_flight for at in self._usages()), bool)

    def _usages(self) -> list[Any]:
        return [self._site.routes.usage(str(key)) for key in range(1, 5)]

    def _ask(self) -> None:
        self._replies.append(self._site.ask("invocations", {"inputs": [[self._seconds]]}))

    def reply(self) -> Reply:
        self._thread.join()
        return self._replies[0]


class TestHanging:
    def test_a_worker_that_gives_no_sign_of_life_is_replaced(self, site: Site) -> None:
        first = site.serve(site.instance(timeout_s=0.5))
        assert first.process is not None
        os.kill(first.process, signal.SIGSTOP)
        again = restarted(site, first)
        assert again.restarts == 1
        assert site.ask("infer", FLOWER_INFER).status == 200

    def test_it_is_said_why_it_was_killed(self, site: Site) -> None:
        first = site.serve(site.instance(timeout_s=0.5))
        assert first.process is not None
        seen: list[str] = []
        os.kill(first.process, signal.SIGSTOP)
        wait_for(
            lambda: seen.append(state.reason) if (state := site.state(1)) else None,
            lambda _: bool(seen and seen[-1]),
        )
        assert seen[-1] == "The worker hung: no sign of life for 0.5 s, so it was killed"

    def test_a_computation_without_end_is_ended(self, site: Site) -> None:
        first = site.serve(patient(site, timeout_s=0.3))
        assert site.ask("invocations", {"inputs": [[3600]]}).status == 504
        restarted(site, first)
        assert site.ask("invocations", {"inputs": [[0]]}).status == 200

    def test_a_worker_may_compute_as_long_as_a_request_may_take(self, site: Site) -> None:
        first = site.serve(patient(site, timeout_s=30))
        assert site.ask("invocations", {"inputs": [[2]]}).status == 200
        state = site.state(1)
        assert state is not None
        assert (state.process, state.restarts) == (first.process, 0)


class TestGivingUp:
    def test_what_gets_the_traffic_is_tried_again_after_it_was_given_up(self, tmp_path: Path) -> None:
        site = Site(tmp_path, timing=replace(QUICK, last_backoff_s=0.2))
        secret = tmp_path / "token"
        try:
            site.apply(1, site.instance(env={"TOKEN": {"from": f"file:{secret}"}}))
            assert f"cannot read {secret}" in site.when(1, "failed").reason
            secret.write_text("it is mounted now")
            assert site.when(1, "ready").reason == ""
            assert site.ask("infer", FLOWER_INFER).status == 200
        finally:
            site.close()

    def test_it_is_said_when_it_is_tried_again(self, tmp_path: Path) -> None:
        site = Site(tmp_path, timing=replace(QUICK, attempts=2, first_backoff_s=3600, last_backoff_s=3600))
        try:
            began = datetime.now(UTC)
            site.apply(1, site.instance(env={"TOKEN": {"from": "env:NOT_THERE"}}))
            state = wait_for(lambda: site.when(1, "failed"), lambda state: bool(state.workers[0].next_start))
            assert state.next_start == state.workers[0].next_start
            assert state.next_start is not None
            assert state.next_start - began >= timedelta(hours=1)
            assert state.workers[0].health == "failed"
            assert "NOT_THERE" in state.workers[0].reason
        finally:
            site.close()

    def test_what_stands_by_is_given_up_and_no_further_try_is_promised(self, site: Site) -> None:
        site.apply(1, None, site.instance(files={"model.onnx": b"nothing"}))
        state = site.when(1, "failed")
        assert (state.next_start, state.workers[0].next_start) == (None, None)

    def test_a_replica_that_was_given_up_is_tried_again_once_it_gets_the_traffic(
        self, tmp_path: Path
    ) -> None:
        site = Site(tmp_path, timing=replace(QUICK, attempts=1))
        try:
            two = site.instance(replicas=2)
            site.apply(1, None, two)
            warm = site.when(1, "ready")
            assert warm.process is not None
            os.kill(warm.process, signal.SIGKILL)
            half = wait_for(lambda: site.when(1, "ready"), lambda now: now.workers[0].health == "failed")
            assert half.workers[1].health == "ready"
            site.apply(2, two)
            wait_for(lambda: site.when(1, "ready"), lambda now: now.workers[0].health == "ready")
        finally:
            site.close()


@pytest.mark.parametrize(
    ("failures", "pause_s"),
    [(1, 0), (2, 0.2), (3, 0.4), (5, 1.6), (8, 12.8), (9, 25.6), (10, 30), (100_000, 30)],
)
def test_the_more_often_a_worker_failed_in_a_row_the_longer_is_the_pause(
    failures: int, pause_s: float
) -> None:
    assert Timing().pause_s(failures) == pytest.approx(pause_s)


class TestComingBack:
    def test_a_version_wanted_again_as_it_leaves_goes_on_as_it_was(self, site: Site) -> None:
        one = patient(site)
        first = site.serve(one)
        asking = Asking(site, 1)
        site.apply(2, None)
        gone = site.state(1)
        assert gone is not None
        assert gone.leaving
        site.apply(3, one)
        state = site.state(1)
        assert state is not None
        assert (state.health, state.process, state.leaving) == ("ready", first.process, False)
        assert asking.reply().status == 200
        assert site.ask("invocations", {"inputs": [[0]]}).status == 200

    def test_closing_ends_what_is_leaving(self, tmp_path: Path) -> None:
        site = Site(tmp_path, timing=replace(QUICK, stop_timeout_s=0.2))
        site.serve(patient(site))
        asking = Asking(site, 3600)
        site.apply(2, None)
        site.target.close()
        assert not (tmp_path / "run" / "workers").exists()
        assert asking.reply().status in (404, 503)
        site.gateway.close()
