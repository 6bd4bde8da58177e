"""kill -9 under 16 writing clients: at random moments, and between each two steps of a write."""

from __future__ import annotations

import random
import signal
import time
from itertools import pairwise
from pathlib import Path

import pytest

from muster.gitstore import store
from muster.service import committer
from tests.torture.forked import Server
from tests.torture.proof import assert_no_process_stays, assert_nothing_is_lost
from tests.torture.scale import either, figure
from tests.torture.writers import Noted, Writers

pytestmark = [pytest.mark.torture, pytest.mark.timeout(0)]

STEPS = [*committer.CRASH_POINTS, *store.CRASH_POINTS]


def test_a_server_killed_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    times, rounds = [], either(2, 200)
    chance = random.Random(7)
    noted = Noted()
    with Server(tmp_path / "home") as server:
        for at in range(rounds):
            with Writers(server.url, noted) as writers:
                writers.more(1)
                time.sleep(chance.uniform(0, 0.5))
                server.kill()
            assert_no_process_stays(server.home)
            server.start()
            times.append(server.started_in_s)
            if at % either(2, 50) == 1:
                assert_nothing_is_lost(server, noted)
        assert_nothing_is_lost(server, noted)
    assert noted.refused == []
    figure(
        f"{rounds} kills at random, {len(noted.registered):,} registrations acknowledged, 0 lost; "
        f"next start: median {sorted(times)[len(times) // 2]:.2f} s, longest {max(times):.2f} s"
    )


def test_a_server_killed_between_any_two_steps_of_a_write_loses_nothing(tmp_path: Path) -> None:
    noted = Noted()
    server = Server(tmp_path / "home", MUSTER_CRASH_AT=f"{STEPS[0]}:3")
    with server:
        for step, next_step in pairwise([*STEPS, ""]):
            with Writers(server.url, noted) as writers:
                writers.until_the_server_is_gone()
            assert server.wait() == -signal.SIGKILL, step
            server.start(MUSTER_CRASH_AT=next_step and f"{next_step}:3")
            assert_nothing_is_lost(server, noted)
    assert noted.refused == []
    figure(f"killed at each of {', '.join(STEPS)}: {len(noted.registered):,} acknowledged, 0 lost")
