"""What really runs: each transition recorded once, and held against what is declared."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from muster.domain import changes as c
from muster.domain.errors import Invalid, NotFound
from muster.domain.messages import Entry
from muster.service.deployer import Deployer
from muster.service.observing import MUSTER, Observer, Status, report_view
from muster.service.operations import Operations
from muster.service.values import WorkerState
from tests.builders import ADA, an_artifact, an_environment, deploy, register
from tests.unit.targets import MemoryTarget
from tests.unit.worlds import PATIENCE_S, World

TTL_S = 60.0
HERE = ("production", "digits")
EDGE = ("edge", "digits")


class Site:
    """A world with a target and an observer; an environment `edge` that others run."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder).begin()
        self.world.do(c.SetEnvironment(an_environment("edge", target="external"), create=True))
        for number in (1, 2, 3):
            self.world.put("digits", f"v{number}", b"weights %d" % number)
        self.target = MemoryTarget()
        self.deployer = Deployer(
            self.world.registry,
            {"process": self.target},
            Operations(self.world.clock),
            start_timeout_s=PATIENCE_S,
        )
        self.observer = self.observing()

    def observing(self) -> Observer:
        """An observer as after a start of the server."""
        observer = Observer(
            self.world.registry,
            {"process": self.target},
            clock=self.world.clock,
            report_ttl_s=TTL_S,
            sweep_s=0.01,
        )
        self.target.listener = observer.transition
        observer.start()
        return observer

    def restart(self) -> None:
        self.observer.close()
        self.observer = self.observing()

    def close(self) -> None:
        self.observer.close()
        self.world.close()

    def deploy(self, *numbers: int) -> None:
        for number in numbers:
            self.deployer.begin(deploy(number=number), ADA).result()

    def report(self, number: int | None = None, instance: str = "pod-1", digest: str | None = None) -> Status:
        return self.observer.report(*EDGE, instance=instance, number=number, digest=digest, actor=ADA)

    def seen(self) -> list[tuple[str | None, int | None]]:
        """(state, number) of every recorded observation."""
        return [(entry.observed, entry.number) for entry in self.observations()]

    def observations(self) -> list[Entry]:
        return [entry for entry in self.world.entries() if entry.kind == "observe"]

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for what another thread does."""
        ends = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < ends
            time.sleep(0.005)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


class TestWhatMusterRuns:
    def test_each_transition_is_recorded_once(self, site: Site) -> None:
        site.deploy(1)
        site.until(lambda: site.seen() == [("ready", 1)])
        for _ in range(5):
            site.observer.transition(*HERE)
        site.target.become(*HERE, 1, "failed", "killed by signal 9")
        site.until(lambda: len(site.seen()) == 2)
        site.target.become(*HERE, 1, "ready")
        site.until(lambda: len(site.seen()) == 3)
        assert site.seen() == [("ready", 1), ("failed", 1), ("ready", 1)]
        failed = site.observations()[1]
        assert (failed.actor, failed.reason) == (MUSTER.name, "killed by signal 9")

    def test_a_switch_is_one_and_the_standby_is_none(self, site: Site) -> None:
        site.deploy(1)
        site.until(lambda: site.seen() == [("ready", 1)])
        site.deploy(2)
        site.until(lambda: site.seen() == [("ready", 1), ("ready", 2)])
        site.target.become(*HERE, 1, "failed")
        site.deployer.begin(c.Undeploy("digits", "production"), ADA).result()
        site.until(lambda: len(site.seen()) == 3)
        assert site.seen()[-1] == ("stopped", 2)

    def test_what_was_seen_before_a_restart_is_not_seen_anew(self, site: Site) -> None:
        site.deploy(1)
        site.until(lambda: site.seen() == [("ready", 1)])
        site.restart()
        assert site.seen() == [("ready", 1), ("stopped", 1)]
        site.observer.transition(*HERE)
        site.until(lambda: len(site.seen()) == 3)
        assert site.seen()[-1] == ("ready", 1)

    def test_a_clean_shutdown_is_the_last_that_was_seen(self, site: Site) -> None:
        site.deploy(1)
        site.until(lambda: site.seen() == [("ready", 1)])
        site.observer.close()
        last = site.observations()[-1]
        assert (last.observed, last.number, last.reason) == ("stopped", 1, "the server was shut down")

    def test_what_cannot_be_recorded_stops_nothing(self, site: Site) -> None:
        site.observer.transition("moon", "digits")
        site.observer.transition("production", "none of ours")
        site.deploy(1)
        site.until(lambda: site.seen() != [])
        assert site.seen() == [("ready", 1)]

    def test_the_standing_says_how_it_is(self, site: Site) -> None:
        assert site.observer.status(*HERE) == Status("none", "nothing is deployed here")
        site.deploy(1)
        assert site.observer.status(*HERE).standing == "ready"
        site.target.become(*HERE, 1, "starting")
        assert site.observer.status(*HERE).standing == "starting"
        site.target.become(*HERE, 1, "failed", "killed by signal 9")
        assert site.observer.status(*HERE) == Status("failed", "killed by signal 9")

    def test_what_failed_says_when_it_is_tried_again(self, site: Site) -> None:
        site.deploy(1)
        at, worker = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC), WorkerState(1, "failed")
        site.target.become(*HERE, 1, "failed", "no memory", workers=(worker,), next_start=at)
        assert site.observer.status(*HERE).sentence == "no memory; next try at 2026-01-02T03:04:05Z"
        site.target.become(*HERE, 1, "failed", "no memory", next_start=None)
        assert site.observer.status(*HERE).sentence == "no memory; the next try is under way"

    def test_declared_and_not_running_is_stopped(self, site: Site) -> None:
        site.world.do(deploy(number=1))
        assert site.observer.status(*HERE) == Status("stopped", "version 1 is declared and does not run")

    def test_recorded_is_never_called_running(self, site: Site) -> None:
        site.world.do(register("bare", "v1"), deploy("bare"))
        status = site.observer.status("production", "bare")
        assert status.standing == "recorded"
        assert "nothing runs" in status.sentence


class TestWhatOthersRun:
    def test_as_declared_is_in_sync(self, site: Site) -> None:
        site.world.do(deploy(number=2, environment="edge"))
        assert site.observer.status(*EDGE).standing == "unknown"
        assert site.report(2).standing == "in sync"
        assert site.seen() == [("running", 2)]
        entry = site.observations()[0]
        assert (entry.instance, entry.actor, entry.environment) == ("pod-1", "ada", "edge")

    def test_only_news_is_recorded(self, site: Site) -> None:
        site.world.do(deploy(number=2, environment="edge"))
        for _ in range(3):
            site.world.clock.forward(seconds=5)
            site.report(2)
        assert site.seen() == [("running", 2)]
        site.report(3)
        site.report(2, instance="pod-2")
        assert site.seen() == [("running", 2), ("running", 3), ("running", 2)]

    def test_another_version_has_drifted(self, site: Site) -> None:
        site.world.do(deploy(number=3, environment="edge"))
        status = site.report(2)
        assert status.standing == "drifted"
        assert status.sentence == "pod-1 reports v2; v3 is declared"

    def test_one_instance_that_drifted_is_enough(self, site: Site) -> None:
        site.world.do(deploy(number=3, environment="edge"))
        site.report(3, instance="pod-1")
        assert site.report(2, instance="pod-2").sentence.startswith("pod-2 reports v2;")

    def test_what_nobody_declared_is_undeclared(self, site: Site) -> None:
        status = site.report(1)
        assert status.standing == "undeclared"
        assert status.sentence == "runs, but nobody declared it: pod-1 reports v1"
        assert site.observer.undeclared() == [EDGE]

    def test_a_file_says_the_version_too(self, site: Site) -> None:
        site.world.do(deploy(number=2, environment="edge"))
        assert site.report(digest=an_artifact(content=b"weights 2").sha256).standing == "in sync"
        assert site.seen() == [("running", 2)]

    def test_a_file_of_nobody_has_drifted(self, site: Site) -> None:
        site.world.do(deploy(number=2, environment="edge"))
        status = site.report(digest="f" * 64)
        assert (status.standing, site.seen()) == ("drifted", [("running", None)])
        assert f"sha256:{'f' * 64}" in status.sentence

    def test_a_report_says_what_runs_of_what_is_there(self, site: Site) -> None:
        with pytest.raises(Invalid, match="must be given"):
            site.report()
        with pytest.raises(NotFound):
            site.report(9)
        with pytest.raises(NotFound):
            site.observer.report("moon", "digits", instance="x", number=1, digest=None, actor=ADA)
        with pytest.raises(NotFound):
            site.observer.report("edge", "none", instance="x", number=None, digest="f" * 64, actor=ADA)
        assert site.seen() == []
        assert site.observer.reports(*EDGE) == []

    def test_who_falls_silent_is_unknown_and_never_in_sync(self, site: Site) -> None:
        site.world.do(deploy(number=2, environment="edge"))
        site.report(2, instance="pod-1")
        site.report(2, instance="pod-2")
        site.world.clock.forward(seconds=TTL_S / 2)
        site.report(2, instance="pod-2")
        site.world.clock.forward(seconds=TTL_S / 2 + 1)
        site.until(lambda: ("unknown", 2) in site.seen())
        status = site.observer.status(*EDGE)
        assert (status.standing, status.sentence) == ("unknown", "pod-1 has not reported")
        assert site.observations()[-1].instance == "pod-1"

    def test_an_instance_that_is_gone_is_expected_no_more(self, site: Site) -> None:
        site.world.do(deploy(number=2, environment="edge"))
        site.report(1, instance="pod-1")
        site.report(2, instance="pod-2")
        status = site.observer.stopped(*EDGE, instance="pod-1", actor=ADA)
        assert (status.standing, status.sentence) == ("in sync", "v2 runs as declared")
        assert site.seen()[-1] == ("stopped", 1)
        site.restart()
        assert [report.instance for report in site.observer.reports(*EDGE)] == ["pod-2"]
        with pytest.raises(NotFound):
            site.observer.stopped(*EDGE, instance="pod-1", actor=ADA)

    def test_it_stands_so_since_the_later_of_declaration_and_report(self, site: Site) -> None:
        began = site.report(2).since
        site.world.clock.forward(seconds=5)
        site.world.do(deploy(number=3, environment="edge"))
        status = site.observer.status(*EDGE)
        assert status.standing == "drifted"
        assert status.since is not None
        assert began is not None
        assert status.since > began

    def test_a_report_of_what_muster_runs_itself_does_not_hide_it(self, site: Site) -> None:
        site.deploy(1)
        site.observer.report(*HERE, instance="a script", number=2, digest=None, actor=ADA)
        assert site.observer.status(*HERE).standing == "ready"

    def test_it_is_recorded_once_and_so_is_the_return(self, site: Site) -> None:
        site.world.do(deploy(number=2, environment="edge"))
        site.report(2)
        site.world.clock.forward(seconds=TTL_S + 1)
        site.until(lambda: ("unknown", 2) in site.seen())
        site.world.clock.forward(seconds=TTL_S * 10)
        assert site.report(2).standing == "in sync"
        assert site.seen() == [("running", 2), ("unknown", 2), ("running", 2)]
        (report,) = site.observer.reports(*EDGE)
        assert report.since == site.world.clock.now
        assert report_view(report)["known"] is True

    def test_after_a_restart_a_fresh_report_is_still_believed(self, site: Site) -> None:
        site.world.do(deploy(number=2, environment="edge"))
        site.report(2)
        site.restart()
        assert site.observer.status(*EDGE).standing == "in sync"
        site.world.clock.forward(seconds=TTL_S + 1)
        site.until(lambda: site.seen() == [("running", 2), ("unknown", 2)])

    def test_after_a_restart_an_older_one_is_unknown_until_it_is_said_again(self, site: Site) -> None:
        site.world.do(deploy(number=2, environment="edge"))
        site.report(2)
        for _ in range(2):
            site.world.clock.forward(seconds=TTL_S * 0.7)
            site.report(2)
        site.restart()
        assert site.observer.status(*EDGE).standing == "unknown"
        assert site.report(2).standing == "in sync"
        assert site.seen() == [("running", 2)]

    def test_who_stays_silent_after_a_restart_is_recorded_as_unknown_once(self, site: Site) -> None:
        site.report(2)
        site.restart()
        site.world.clock.forward(seconds=TTL_S + 1)
        site.until(lambda: site.seen() == [("running", 2), ("unknown", 2)])
        for _ in range(2):
            site.restart()
            site.world.clock.forward(seconds=TTL_S + 1)
            site.report(1, instance="pod-2")
            site.world.clock.forward(seconds=TTL_S + 1)
            site.until(lambda: site.seen()[-1] == ("unknown", 1))
        assert site.seen().count(("unknown", 2)) == 1
