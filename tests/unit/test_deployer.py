"""Deploy, roll back, undeploy: ready, then recorded, then switched; or nothing at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from muster.domain import changes as c
from muster.domain.errors import (
    DidNotStart,
    KeyReused,
    MusterError,
    NoRuntime,
    NotDeployedThere,
    NotFound,
    NothingToRestore,
    Stale,
    StorageFull,
    Unavailable,
    UnderWay,
)
from muster.domain.records import Artifact, Config
from muster.service.deployer import Deployer, Placing
from muster.service.operations import Operation, Operations
from muster.service.registry import Preview
from muster.service.submissions import Recorded, Request
from tests.builders import ADA, an_environment, deploy, register
from tests.unit.targets import MemoryTarget
from tests.unit.worlds import PATIENCE_S, World

HERE = ("production", "digits")


class Site:
    """A world with a target: three versions with files, none deployed."""

    def __init__(self, folder: Path, start_timeout_s: float = PATIENCE_S) -> None:
        self.world = World(folder).begin()
        self.target = MemoryTarget()
        self.deployer = Deployer(
            self.world.registry,
            {"process": self.target},
            Operations(self.world.clock),
            start_timeout_s=start_timeout_s,
        )
        for number in (1, 2, 3):
            self.world.put("digits", f"v{number}", b"weights %d" % number)

    def begin(self, change: Placing, reason: str = "", request: Request | None = None) -> Operation:
        return self.deployer.begin(change, ADA, reason, request)

    def do(self, *changes: Placing, reason: str = "") -> Recorded:
        """Each change, carried out to its end; what became of the last."""
        for change in changes[:-1]:
            self.begin(change).result()
        operation = self.begin(changes[-1], reason)
        assert operation.wait(PATIENCE_S)
        return operation.result()

    def steps(self, change: Placing) -> list[str]:
        operation = self.begin(change)
        assert operation.wait(PATIENCE_S)
        return [event.step for event in operation.events]

    def running(self) -> list[tuple[int, bool]]:
        return self.target.running(*HERE)

    def declared(self) -> int | None:
        found = self.world.registry.deployment(*HERE)
        return found[0].version if found else None


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.world.close()


def back(number: int, *, empty: bool = False) -> c.RollBack:
    return c.RollBack("digits", number, "production", empty=empty)


class TestForeseeing:
    def test_it_says_what_would_happen_where_versions_run(self, site: Site) -> None:
        assert site.deployer.preview(deploy(number=1), ADA).effects == (
            "digits_v1 is started, and gets the traffic once it is ready",
        )
        site.do(deploy(number=1), deploy(number=2))
        assert site.deployer.preview(deploy(number=3, config=Config(replicas=2)), ADA).effects == (
            "digits_v3 (2 workers) is started, and gets the traffic once it is ready",
            "digits_v2 finishes its requests and stays warm, to roll back to",
            "digits_v1, which stood by, stops",
        )
        assert site.deployer.preview(back(2), ADA).effects == (
            "digits_v1 stands by, warm, and gets the traffic at once",
            "digits_v2 finishes its requests and stops",
        )
        assert site.deployer.preview(c.Undeploy("digits", "production"), ADA).effects == (
            "digits_v2 finishes its requests and stops",
            "digits_v1, which stood by, stops",
            "requests for digits in production are refused (404)",
        )
        site.do(deploy(number=3), back(3))
        assert site.deployer.preview(deploy(number=2), ADA) == Preview("", nothing=True)

    def test_what_a_rollback_would_leave_warm_is_told(self, site: Site) -> None:
        site.do(deploy(number=1), deploy(number=2), deploy(number=3))
        assert site.deployer.preview(back(3), ADA).effects[-1] == (
            "digits_v1 is started and kept warm, to roll back to"
        )

    def test_what_is_only_declared_is_told(self, site: Site) -> None:
        site.world.do(register("digits", "bare"))
        site.world.do(c.SetEnvironment(an_environment("edge", target="external"), create=True))
        bare = site.deployer.preview(deploy(number=4), ADA)
        assert bare.effects == ("the version has no files: it is declared, and nothing of it runs",)
        there = site.deployer.preview(deploy(number=1, environment="edge"), ADA)
        assert there.effects == ("nothing is started here: whoever runs edge is told to",)

    def test_everything_that_stands_against_it_is_told_and_the_diff_all_the_same(self, site: Site) -> None:
        site.world.do(register("digits", "v4", pending=True))
        site.world.do(c.AttachFile("digits", 4, an_absent_file()), c.Finalize("digits", 4))
        site.target.foreign.add(4)
        seen: list[Preview] = []
        change = c.Deploy("digits", 4, "production", expected="0" * 40)
        site.target.on_start = lambda: seen.append(site.deployer.preview(change, ADA))
        site.do(deploy(number=1))
        assert [each.code for each in seen[0].objections] == [
            *("stale", "deployment_under_way", "did_not_start", "no_runtime"),
        ]
        assert seen[0].subject == "Deploy digits v4 to production"
        assert len(seen[0].edits) == 2
        assert site.target.started == [1]

    def test_what_stands_by_ready_is_not_doubted(self, site: Site) -> None:
        site.do(deploy(number=1), deploy(number=2))
        site.target.foreign.add(1)
        assert site.deployer.preview(back(2), ADA).objections == ()

    def test_nothing_is_hidden_by_what_is_not_there(self, site: Site) -> None:
        preview = site.deployer.preview(deploy(number=9, environment="moon"), ADA)
        assert [each.message for each in preview.objections] == [
            "Environment not found: moon",
            "Version not found: digits/9",
        ]
        missing = NotFound("version", "digits/v9")
        assert len(site.deployer.refused("moon", missing).objections) == 2
        assert site.deployer.refused("production", missing).objections == (missing,)


class TestDeploying:
    def test_a_version_is_ready_then_recorded_then_switched(self, site: Site) -> None:
        assert site.steps(deploy(number=1)) == [
            *("checking", "starting", "ready", "recorded", "switched", "done"),
        ]
        assert site.running() == [(1, True)]
        assert site.declared() == 1
        assert site.world.subjects()[-1] == "Deploy digits v1 to production"

    def test_what_it_needs_is_prepared_before_it_is_started(self, site: Site) -> None:
        site.target.preparing = ("an environment", "an environment: built")
        assert site.steps(deploy(number=1)) == [
            *("checking", "preparing", "preparing", "starting", "ready", "recorded", "switched", "done"),
        ]

    def test_before_it_is_recorded_it_has_no_traffic(self, site: Site) -> None:
        seen: list[list[tuple[int, bool]]] = []
        site.do(deploy(number=1))
        site.target.on_start = lambda: seen.append(site.running())
        site.do(deploy(number=2))
        assert seen == [[(1, True), (2, False)]]

    def test_the_replaced_version_stays_warm(self, site: Site) -> None:
        site.do(deploy(number=1), deploy(number=2), deploy(number=3))
        assert site.running() == [(3, True), (2, False)]
        assert site.target.switches == [None, 1, 2, 3]

    def test_who_why_and_what_are_recorded_once(self, site: Site) -> None:
        recorded = site.do(deploy(number=1), reason="first of all")
        entry = site.world.entries()[-1]
        assert (entry.actor, entry.reason, entry.deployed) == ("ada", "first of all", "1")
        assert recorded.commit == site.world.git.head()

    def test_the_same_again_needs_no_commit_and_moves_nothing(self, site: Site) -> None:
        site.do(deploy(number=1))
        assert site.do(deploy(number=1)).commit is None
        assert site.target.started == [1]
        assert site.running() == [(1, True)]

    def test_another_configuration_is_a_new_instance(self, site: Site) -> None:
        site.do(deploy(number=1), deploy(number=1, config=Config(threads=2)))
        (state,) = site.target.observe(*HERE)
        assert state.config == Config(threads=2)

    def test_a_version_without_files_is_only_declared(self, site: Site) -> None:
        site.world.do(register("digits", "bare"))
        assert site.steps(deploy(number=4)) == ["checking", "recorded", "switched", "done"]
        assert site.running() == []
        assert site.declared() == 4

    def test_where_others_run_it_nothing_is_started(self, site: Site) -> None:
        site.world.do(c.SetEnvironment(an_environment("edge", target="external"), create=True))
        assert site.steps(deploy(number=1, environment="edge")) == ["checking", "recorded", "done"]
        assert site.target.started == []

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            (deploy(number=9), NotFound),
            (deploy(environment="moon"), NotFound),
            (back(1), NotDeployedThere),
            (c.Undeploy("digits", "production"), NotDeployedThere),
        ],
    )
    def test_what_is_impossible_is_refused_at_once(
        self, site: Site, change: Placing, error: type[MusterError]
    ) -> None:
        head = site.world.git.head()
        with pytest.raises(error):
            site.begin(change)
        assert list(site.deployer.operations.under_way()) == []
        assert site.world.git.head() == head


class TestFailing:
    def test_what_does_not_start_leaves_everything_as_it_was(self, site: Site) -> None:
        site.do(deploy(number=1))
        site.target.broken[2] = "no such operator"
        with pytest.raises(DidNotStart, match="digits_v2 did not start: no such operator") as failed:
            site.do(deploy(number=2), reason="try it")
        assert failed.value.output == "Traceback: no such operator"
        assert site.running() == [(1, True)]
        assert site.declared() == 1
        assert site.target.switches == [None, 1]

    def test_the_failed_attempt_is_in_the_history(self, site: Site) -> None:
        site.do(deploy(number=1))
        site.target.broken[2] = "no such operator"
        with pytest.raises(DidNotStart):
            site.do(deploy(number=2), reason="try it")
        entry = site.world.entries()[-1]
        assert (entry.kind, entry.number, entry.deployed) == ("deploy-failed", 2, None)
        assert entry.reason == "try it\n\ndigits_v2 did not start: no such operator"
        history = site.world.registry.version_history("digits", 2)
        assert history[0].entry == entry

    def test_a_format_without_a_runtime_is_one(self, site: Site) -> None:
        site.do(deploy(number=1))
        site.target.foreign = {2}
        with pytest.raises(NoRuntime):
            site.do(deploy(number=2))
        assert site.world.entries()[-1].kind == "deploy-failed"
        assert site.running() == [(1, True)]

    def test_files_that_are_gone_are_named(self, site: Site, tmp_path: Path) -> None:
        site.world.do(register("digits", "v4", pending=True))
        site.world.do(c.AttachFile("digits", 4, an_absent_file()), c.Finalize("digits", 4))
        with pytest.raises(DidNotStart, match=r"missing or damaged in the store: gone\.onnx"):
            site.do(deploy(number=4))
        assert site.target.started == []

    def test_one_that_is_never_ready_is_given_up(self, tmp_path: Path) -> None:
        site = Site(tmp_path, start_timeout_s=0.05)
        site.target.slow = {1}
        with pytest.raises(DidNotStart, match=r"was not ready within 0\.05 s"):
            site.do(deploy(number=1))
        assert site.running() == []
        site.world.close()

    def test_a_target_that_does_not_answer_is_in_the_history_too(self, site: Site) -> None:
        site.do(deploy(number=1))
        site.target.down = True
        with pytest.raises(Unavailable, match="does not answer"):
            site.do(deploy(number=2))
        assert site.world.entries()[-1].kind == "deploy-failed"
        assert site.declared() == 1

    def test_it_may_be_tried_again(self, site: Site) -> None:
        site.target.broken[1] = "not now"
        with pytest.raises(DidNotStart):
            site.do(deploy(number=1))
        site.target.broken.clear()
        site.do(deploy(number=1))
        assert site.running() == [(1, True)]

    def test_on_a_full_disk_the_candidate_stops_again(self, site: Site) -> None:
        site.do(deploy(number=1))
        site.world.git.disk.room = 0
        with pytest.raises(StorageFull):
            site.do(deploy(number=2))
        assert site.running() == [(1, True)]
        assert site.declared() == 1


def an_absent_file() -> Artifact:
    return Artifact("gone.onnx", 7, "0" * 64)


class TestConflicts:
    def test_a_deployment_that_changed_meanwhile_wins(self, site: Site) -> None:
        site.do(deploy(number=1))
        # Another process deploys v3 while v2 starts here.
        site.target.on_start = lambda: void(site.world.do(deploy(number=3)))
        with pytest.raises(Stale, match="changed meanwhile"):
            site.do(deploy(number=2))
        assert site.declared() == 3
        assert site.running() == [(3, True), (1, False)]

    def test_another_configuration_meanwhile_is_a_change_too(self, site: Site) -> None:
        site.do(deploy(number=1))
        changed = deploy(number=1, config=Config(threads=2))
        site.target.on_start = lambda: void(site.world.do(changed))
        with pytest.raises(Stale):
            site.do(deploy(number=2))

    def test_a_change_elsewhere_is_none(self, site: Site) -> None:
        site.target.on_start = lambda: void(site.world.do(deploy(number=3, environment="staging")))
        site.do(deploy(number=1))
        assert site.declared() == 1

    def test_one_under_way_is_named(self, site: Site) -> None:
        site.target.slow = {1}
        first = site.begin(deploy(number=1))
        with pytest.raises(UnderWay, match="Deploy digits v1 to production is under way") as refused:
            site.begin(deploy(number=2))
        assert refused.value.operation == first.id
        while site.running() != [(1, False)]:
            assert not first.wait(0.01)
        site.target.finish(*HERE, 1)
        first.result()
        site.do(deploy(number=2))
        assert site.running()[0] == (2, True)


def void(_: object) -> None:
    """For a callback that gives nothing."""


class TestGoingBack:
    def test_the_warm_one_takes_over_without_a_start(self, site: Site) -> None:
        site.do(deploy(number=1), deploy(number=2))
        operation = site.begin(back(2))
        operation.result()
        assert [event.detail for event in operation.events if event.step == "ready"] == ["it stood by, warm"]
        assert site.target.started == [1, 2]
        assert site.running() == [(1, True)]
        assert site.declared() == 1

    def test_from_v3_to_v1_in_two(self, site: Site) -> None:
        site.do(deploy(number=1), deploy(number=2), deploy(number=3), back(3), back(2))
        assert site.running() == [(1, True)]
        assert site.world.subjects()[-2:] == [
            "Roll back digits v3 to v2 in production",
            "Roll back digits v2 to v1 in production",
        ]

    def test_a_standby_that_failed_is_tried_again(self, site: Site) -> None:
        site.do(deploy(number=1), deploy(number=2))
        site.target.become(*HERE, 1, "failed", "out of memory")
        site.do(back(2))
        assert site.target.started == [1, 2, 1]
        assert site.running() == [(1, True)]

    def test_one_that_does_not_come_back_leaves_traffic_where_it_is(self, site: Site) -> None:
        site.do(deploy(number=1), deploy(number=2))
        site.target.become(*HERE, 1, "failed")
        site.target.broken[1] = "file damaged"
        with pytest.raises(DidNotStart):
            site.do(back(2))
        assert site.running()[0] == (2, True)
        assert site.declared() == 2

    def test_leaving_it_empty_must_be_said(self, site: Site) -> None:
        site.do(deploy(number=1))
        with pytest.raises(NothingToRestore):
            site.begin(back(1))
        site.do(back(1, empty=True))
        assert site.running() == []
        assert site.declared() is None

    def test_undeploying_stops_all_of_it(self, site: Site) -> None:
        site.do(deploy(number=1), deploy(number=2), c.Undeploy("digits", "production"))
        assert site.running() == []
        assert site.target.switches[-1] is None

    def test_it_goes_on_when_the_disk_is_full(self, site: Site) -> None:
        site.do(deploy(number=1), deploy(number=2))
        site.world.git.disk.room = 0
        site.do(back(2))
        assert site.running() == [(1, True)]


class TestIdempotency:
    def test_a_repeated_request_gets_the_first_answer(self, site: Site) -> None:
        request = Request("key", "d" * 64)
        first = site.begin(deploy(number=1), request=request).result()
        site.do(deploy(number=2))
        again = site.begin(deploy(number=1), request=request)
        assert again.result() == Recorded(first.logged, "digits", 1, repeated=True)
        assert site.declared() == 2
        with pytest.raises(KeyReused):
            site.begin(deploy(number=3), request=Request("key", "e" * 64))


class TestSettling:
    def test_told_again_a_target_arrives_at_the_same_place(self, site: Site) -> None:
        site.do(deploy(number=1), deploy(number=2))
        before = site.running()
        for _ in range(3):
            site.deployer.settle(*HERE)
        assert site.running() == before
        assert site.target.started == [1, 2]

    def test_a_target_that_lost_everything_gets_it_back(self, site: Site) -> None:
        site.do(deploy(number=1), deploy(number=2))
        fresh = MemoryTarget()
        deployer = Deployer(
            site.world.registry, {"process": fresh}, Operations(site.world.clock), start_timeout_s=1
        )
        deployer.settle(*HERE)
        assert fresh.running(*HERE) == [(2, True), (1, False)]

    def test_without_standby_nothing_is_kept_warm(self, site: Site) -> None:
        site.do(deploy(number=1), deploy(number=2))
        fresh = MemoryTarget()
        operations = Operations(site.world.clock)
        deployer = Deployer(
            site.world.registry, {"process": fresh}, operations, start_timeout_s=1, standby=False
        )
        deployer.settle(*HERE)
        assert fresh.running(*HERE) == [(2, True)]
