"""Repacks come by themselves while writes go on: few packs, right reads, no long pause for readers."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.serving import wait_for
from tests.torture.forked import Server
from tests.torture.proof import assert_nothing_is_lost, assert_sound
from tests.torture.scale import either, figure
from tests.torture.writers import Noted, Writers

pytestmark = [pytest.mark.torture, pytest.mark.timeout(0)]

CHANGES = either(160, 100_000)
REPACK_EVERY = either("16", "256")
FEW = either(30, 300)


class Reader:
    """Reads one record after the other inside the block, and keeps the times and the wrong ones."""

    def __init__(self, server: Server, noted: Noted) -> None:
        self.times: list[float] = []
        self.wrong: list[str] = []
        self.most_packs = 0
        self._server = server
        self._noted = noted
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._read), threading.Thread(target=self._count)]

    def _read(self) -> None:
        at = 0
        while not self._stop.wait(0.002):
            known = self._noted.in_order
            if not known:
                continue
            at = (at + 7919) % len(known)
            model_id = known[at]
            began = time.perf_counter()
            answer = self._server.get(f"/models/{model_id}")
            self.times.append(time.perf_counter() - began)
            if answer.status_code != 200 or answer.json()["model_id"] != model_id:
                self.wrong.append(f"{model_id}: {answer.status_code} {answer.text}")

    def _count(self) -> None:
        while not self._stop.wait(0.2):
            self.most_packs = max(self.most_packs, packs(self._server.home))

    def __enter__(self) -> Reader:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def said(self) -> str:
        ordered = sorted(self.times)
        quantile = [1000 * ordered[int(len(ordered) * q)] for q in (0.5, 0.99)]
        return (
            f"{len(ordered):,} reads: p50 {quantile[0]:.1f} ms, p99 {quantile[1]:.1f} ms, "
            f"longest {1000 * ordered[-1]:.0f} ms; at most {self.most_packs} packs"
        )


def packs(home: Path) -> int:
    return sum(1 for _ in (home / "registry.git/objects/pack").glob("*.pack"))


@pytest.mark.parametrize("clients", [1, 16], ids=["one by one", "in bursts"])
def test_many_changes_leave_few_packs_and_no_wrong_answer(tmp_path: Path, clients: int) -> None:
    noted = Noted()
    with Server(tmp_path / "home", MUSTER_REPACK_EVERY=REPACK_EVERY) as server:
        began = time.monotonic()
        with Reader(server, noted) as reader:
            while len(noted.registered) < CHANGES:
                # A burst, a breath, the next burst.
                with Writers(server.url, noted, clients) as writers:
                    writers.more(min(CHANGES // 4, CHANGES - len(noted.registered)))
        seconds = time.monotonic() - began
        assert reader.wrong == []
        assert noted.refused == []
        # More come while a repack runs; the next one takes them up.
        left = wait_for(lambda: packs(server.home), lambda count: count < FEW)
        figure(
            f"{CHANGES:,} registrations by {clients} clients in {seconds:.0f} s; {reader.said()}, {left} left"
        )
        assert server.stop() == 0
        server.start()
        figure(f"started in {server.started_in_s:.2f} s with {len(noted.registered):,} versions")
        if CHANGES > 10_000:
            assert_sound(server.home)
        else:
            assert_nothing_is_lost(server, noted)
