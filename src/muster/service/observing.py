"""What really runs where: told by targets, reported by others, and held against what is declared.

Each transition becomes one recorded change; that all is as it was is not one.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from muster.domain.changes import Actor, Observe
from muster.domain.errors import Invalid, MusterError, NotFound
from muster.domain.messages import Entry, rfc3339
from muster.domain.records import Deployment, Environment, Json
from muster.service.ports import Clock, Target
from muster.service.registry import Registry
from muster.service.values import ChangeFilter, InstanceState, Logged

MUSTER: Final = Actor("muster", internal=True)
SWEEP_S: Final = 2.0
_CLOSED: Final = "the server was shut down"

Standing = Literal[
    "ready",
    "starting",
    "failed",
    "stopped",
    "recorded",
    "in sync",
    "drifted",
    "undeclared",
    "unknown",
    "none",
]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """What an instance outside last said that it runs: a version's number, or files that are none of ours."""

    instance: str
    number: int | None
    digest: str | None
    since: datetime
    seen: datetime
    known: bool = True  # False: it has not said so for too long, or not since the restart
    restored: bool = False  # from before the restart, and within its time to be repeated


@dataclass(frozen=True, slots=True)
class Status:
    """Declared against observed, in a word and a sentence."""

    standing: Standing
    sentence: str
    since: str | None = None


class Observer:
    """Keeps what was observed last, and has each transition recorded. Safe from any thread."""

    def __init__(
        self,
        registry: Registry,
        targets: Mapping[str, Target],
        *,
        clock: Clock,
        report_ttl_s: float,
        sweep_s: float = SWEEP_S,
    ) -> None:
        """A report that is not repeated within `report_ttl_s` seconds is no longer believed."""
        self._registry = registry
        self._targets = targets
        self._clock = clock
        self._ttl = timedelta(seconds=report_ttl_s)
        self._sweep_s = sweep_s
        self._began = clock()
        self._lock = threading.Lock()
        self._recalled = False
        self._reports: dict[tuple[str, str], dict[str, Report]] = {}
        self._recorded: dict[tuple[str, str], tuple[str, int | None]] = {}
        self._queue: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)

    def start(self) -> None:
        """Remember what was observed before the restart, and begin."""
        self._recall()
        self._thread.start()

    def _recall(self) -> None:
        """Read back, once, what the history says was observed last."""
        with self._lock:
            if self._recalled:
                return
            self._recalled = True
        for environment, _ in self._registry.index.environments():
            seen = self._registry.index.changes(
                ChangeFilter(environment=environment.name, kinds=("observe",)), limit=10_000
            )
            for logged in reversed(seen):
                entry = logged.entry
                if entry.model is None or entry.observed is None:
                    continue
                place = (environment.name, entry.model)
                if entry.instance is None:
                    self._recorded[place] = (entry.observed, entry.number)
                elif entry.observed == "stopped":
                    self._reports.get(place, {}).pop(entry.instance, None)
                else:
                    self._reports.setdefault(place, {})[entry.instance] = self._restored(entry)

    def _restored(self, entry: Entry) -> Report:
        """What the history says of an instance. It is believed as long as it would have been then."""
        told = entry.observed != "unknown"
        fresh = told and self._began - entry.time <= self._ttl
        seen = entry.time if fresh else self._began
        name = entry.instance or ""
        return Report(name, entry.number, entry.digest, entry.time, seen, known=fresh, restored=told)

    def close(self) -> None:
        """Record that what ran here stops, then end."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
            stops = [
                self._registry.submit(Observe(model, environment, "stopped", number, detail=_CLOSED), MUSTER)
                for (environment, model), (state, number) in self._recorded.items()
                if state in ("ready", "starting")
            ]
            for error in filter(None, (stop.exception() for stop in stops)):
                log.warning("an observation was not recorded", extra={"error": str(error)})

    def transition(self, environment: str, model: str) -> None:
        """A target's listener: something changed there. Returns at once."""
        self._queue.put((environment, model))

    # ------------------------------------------------------------ reports from outside

    def report(
        self,
        environment: str,
        model: str,
        *,
        instance: str,
        number: int | None,
        digest: str | None,
        actor: Actor,
        reason: str = "",
    ) -> Status:
        """Take what an instance outside says it runs; a commit only if that is news. Blocks.

        `digest` is the sha256 of a file that it runs, where it knows no version;
        the version that holds the file is looked up.

        Raises:
            NotFound: no such environment, model or version.
            Invalid: neither `number` nor `digest` is given.
        """
        self._registry.environment(environment)
        self._recall()
        if number is None and digest is None:
            raise Invalid.one("version", None, "must be given, or else the sha256 of a file that runs")
        if number is None and digest is not None:
            number = self._registry.index.version_with_file(model, digest)
        place, now = (environment, model), self._clock()
        with self._lock:
            old = self._reports.get(place, {}).get(instance)
        same = old is not None and (old.number, old.digest) == (number, digest)
        news = old is None or not same or not (old.known or old.restored)
        if news:
            change = Observe(model, environment, "running", number, instance, digest)
            self._registry.submit(change, actor, reason).result()
        since = now if old is None or news else old.since
        with self._lock:
            self._reports.setdefault(place, {})[instance] = Report(instance, number, digest, since, now)
        return self.status(environment, model)

    def stopped(
        self, environment: str, model: str, *, instance: str, actor: Actor, reason: str = ""
    ) -> Status:
        """Take that an instance outside runs nothing any more: nothing is expected of it. Blocks.

        Raises:
            NotFound: it never said that it runs anything.
        """
        place = (environment, model)
        self._recall()
        with self._lock:
            old = self._reports.get(place, {}).get(instance)
        if old is None:
            raise NotFound("instance", f"{instance} of {model} in {environment}")
        change = Observe(model, environment, "stopped", old.number, instance, old.digest)
        self._registry.submit(change, actor, reason).result()
        with self._lock:
            self._reports.get(place, {}).pop(instance, None)
        return self.status(environment, model)

    def undeclared(self) -> list[tuple[str, str]]:
        """Where something outside runs that nobody declared: environment and model."""
        self._recall()
        with self._lock:
            places = sorted(place for place, reports in self._reports.items() if reports)
        index = self._registry.index
        there = {environment.name for environment, _ in index.environments()}
        # Of what was deleted meanwhile there is nothing left to say, whoever still reports it.
        known = [(where, model) for where, model in places if where in there and index.model_record(model)]
        return [place for place in known if self.status(*place).standing == "undeclared"]

    def reports(self, environment: str, model: str) -> list[Report]:
        """What instances outside said last."""
        self._recall()
        with self._lock:
            return sorted(self._reports.get((environment, model), {}).values(), key=lambda r: r.instance)

    # ------------------------------------------------------------ answers

    def states(self, environment: str, model: str) -> tuple[InstanceState, ...]:
        """What the environment's target observes now; () where Muster runs nothing."""
        record, _ = self._registry.environment(environment)
        target = self._targets.get(record.target)
        return () if target is None else target.observe(environment, model)

    def status(self, environment: str, model: str) -> Status:
        """How what runs stands to what is declared."""
        found = self._registry.deployment(environment, model)
        record, _ = self._registry.environment(environment)
        return self.judged(record, model, found)

    def judged(self, place: Environment, model: str, found: tuple[Deployment, Logged] | None) -> Status:
        """How what runs of the model in `place` stands to `found`: what is declared there, and by whom."""
        deployment = found[0] if found else None
        reports = self.reports(place.name, model)
        if place.target in self._targets:
            runs_here = deployment is not None and not deployment.recorded
            if runs_here or not reports:
                return self._here(deployment, self._targets[place.target].observe(place.name, model))
        if deployment is None or found is None:
            return self._undeclared(model, reports)
        return self._outside(deployment, found[1].entry.time, reports)

    def _here(self, deployment: Deployment | None, states: tuple[InstanceState, ...]) -> Status:
        if deployment is None:
            return Status("none", "nothing is deployed here")
        if deployment.recorded:
            return Status("recorded", "declared only: the version has no files, so nothing runs")
        active = next((s for s in states if s.active), None)
        if active is None or active.number != deployment.version:
            return Status("stopped", f"version {deployment.version} is declared and does not run")
        since = rfc3339(active.ready_since) if active.ready_since else None
        match active.health:
            case "ready":
                return Status("ready", f"version {active.number} is ready", since)
            case "starting":
                return Status("starting", active.reason or f"version {active.number} is starting")
            case _:
                reason = active.reason or f"version {active.number} does not run"
                return Status("failed", reason + _next_try(active))

    def _undeclared(self, model: str, reports: Sequence[Report]) -> Status:
        known = [report for report in reports if report.known]
        if not known:
            return Status("none", "nothing is deployed here")
        names = ", ".join(f"{r.instance} reports {self._what(model, r)}" for r in known)
        return Status("undeclared", f"runs, but nobody declared it: {names}", rfc3339(known[0].since))

    def _outside(self, declared: Deployment, at: datetime, reports: Sequence[Report]) -> Status:
        """The word for what instances outside report; one that is not known is never in sync."""
        known = [report for report in reports if report.known]
        wrong = [report for report in known if report.number != declared.version]
        if wrong:
            names = ", ".join(f"{r.instance} reports {self._what(declared.model, r)}" for r in wrong)
            sentence = f"{names}; {self._called(declared.model, declared.version)} is declared"
            return Status("drifted", sentence, rfc3339(max(at, min(r.since for r in wrong))))
        if silent := [report for report in reports if not report.known]:
            names = ", ".join(report.instance for report in silent)
            verb = "has" if len(silent) == 1 else "have"
            return Status("unknown", f"{names} {verb} not reported", rfc3339(min(r.since for r in silent)))
        if not known:
            return Status("unknown", "nothing has reported what runs", rfc3339(max(at, self._began)))
        sentence = f"{self._called(declared.model, declared.version)} runs as declared"
        return Status("in sync", sentence, rfc3339(max(at, *(r.since for r in known))))

    def _what(self, model: str, report: Report) -> str:
        return f"sha256:{report.digest}" if report.number is None else self._called(model, report.number)

    def _called(self, model: str, number: int | None) -> str:
        """The version's label; its number if it has none."""
        try:
            label = self._registry.version(model, number).label if number is not None else None
        except NotFound:  # deleted since
            label = None
        return label or f"version {number}"

    # ------------------------------------------------------------ recording

    def _run(self) -> None:
        swept = time.monotonic()
        while True:
            try:
                place = self._queue.get(timeout=max(0.0, swept + self._sweep_s - time.monotonic()))
            except queue.Empty:
                self._expire()
                swept = time.monotonic()
                continue
            if place is None:
                return
            try:
                self._note(*place)
            except MusterError as error:
                log.warning("an observation was not recorded", extra={"place": place, "error": error.message})

    def _note(self, environment: str, model: str) -> None:
        """Have the active version's state recorded, if it is news."""
        active = next((s for s in self.states(environment, model) if s.active), None)
        last = self._recorded.get((environment, model))
        if active is None:
            if last is None or last[0] == "stopped":
                return
            seen, detail = ("stopped", last[1]), ""
        else:
            seen, detail = (active.health, active.number), active.reason
        if seen != last:
            change = Observe(model, environment, seen[0], seen[1], detail=detail)
            self._registry.submit(change, MUSTER).result()
            self._recorded[environment, model] = seen

    def _expire(self) -> None:
        """Stop believing reports that were not repeated."""
        now = self._clock()
        with self._lock:
            late = [
                (place, report)
                for place, reports in self._reports.items()
                for report in reports.values()
                if now - report.seen > self._ttl and (report.known or report.restored)
            ]
            # Before it is recorded: a report that comes meanwhile is news again.
            for place, report in late:
                gone = replace(report, since=now, known=False, restored=False)
                self._reports[place][report.instance] = gone
        for (environment, model), report in late:
            change = Observe(model, environment, "unknown", report.number, report.instance, report.digest)
            try:
                self._registry.submit(change, MUSTER).result()
            except MusterError as error:
                log.warning("an observation was not recorded", extra={"error": error.message})


def _next_try(state: InstanceState) -> str:
    """The end of a sentence: that it is not given up, if that is known."""
    if state.next_start is not None:
        return f"; next try at {state.next_start.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return "; the next try is under way" if state.workers else ""


def report_view(report: Report) -> dict[str, Json]:
    """A report as the API shows it."""
    return {
        "instance": report.instance,
        "number": report.number,
        "digest": report.digest,
        "since": rfc3339(report.since),
        "seen": rfc3339(report.seen),
        "known": report.known,
    }
