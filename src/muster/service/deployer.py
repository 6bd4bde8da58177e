"""Deploy, roll back, undeploy: a version is observed ready before Git says that it runs.

    check     references, rules; the files are there and intact
    prepare   the target makes ready what the candidate needs, such as an environment of its own
    start     the target keeps the candidate warm beside the active version, until it is ready
    record    the commit, planned against the deployment seen at the start
    switch    traffic moves in one step; what was active stays warm

A release does each step for all of its parts before the next, and is recorded as one.

Until `record` nothing has happened: a failure leaves traffic untouched, and is in
the history. After it, the switch follows from Git: a crash between the two is
made good by `Reconciler` at the next start.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from muster.domain import codec
from muster.domain.changes import Actor, AttemptFailed
from muster.domain.errors import DidNotStart, MusterError, NotFound, UnderWay
from muster.domain.names import deployment_path
from muster.domain.placing import environment_of, way_back
from muster.domain.records import Deployment, Earlier
from muster.domain.releasing import Moving, parts_of, place_of
from muster.service.candidates import Seen, guarded, runnable
from muster.service.effects import effects, state_of
from muster.service.operations import Operation, Operations
from muster.service.ports import ArtifactStore, Target
from muster.service.registry import Preview, Registry
from muster.service.submissions import Recorded, Request
from muster.service.values import Desired, Instance, InstanceState

POLL_S: Final = 0.01

Placing = Moving

log = logging.getLogger(__name__)

CRASH_POINTS: Final = ("deploy-checked", "deploy-ready", "deploy-recorded", "deploy-switched")


class Deployer:
    """Carries out what people ask for, each in a thread of its own, followed by its `Operation`."""

    def __init__(
        self,
        registry: Registry,
        targets: Mapping[str, Target],
        operations: Operations,
        *,
        start_timeout_s: float,
        standby: bool = True,
        crash: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`targets` by name; one that is not among them (`external`) is declared only.

        With `standby` the version that a rollback would return to is kept ready.
        """
        self._registry = registry
        self._targets = targets
        self.operations = operations
        self.unsettled: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._start_timeout_s = start_timeout_s
        self._standby = standby
        self._crash = crash

    def begin(
        self, change: Placing, actor: Actor, reason: str = "", request: Request | None = None
    ) -> Operation:
        """Begin to put a version into service, to go back, or to empty an environment.

        Raises:
            UnderWay: another operation has the model there.
            NotFound, Conflict: refused at once.
        """
        with self._registry.index.snapshot() as now:
            environment, models = place_of(change, now)
        if request is not None and (answered := self._registry.answered(request)) is not None:
            return self.operations.answered(change.kind, environment, models, answered)
        what = self._registry.check(change, actor, reason).subject or f"{change.kind} of {', '.join(models)}"
        operation = self.operations.begin(change.kind, environment, models, what, change, actor, reason)

        def run() -> None:
            try:
                recorded = self._carry_out(operation, change, actor, reason, request)
            except Exception as error:  # noqa: BLE001  whoever waits for the operation must hear of it
                self.operations.end(operation, None, error)
            else:
                self.operations.end(operation, recorded)

        threading.Thread(target=run, name=f"deploy-{operation.id[:8]}", daemon=True).start()
        return operation

    def preview(self, change: Placing, actor: Actor, reason: str = "") -> Preview:
        """What `change` would do now, to the records and where versions run, with every objection.

        Nothing is started. Blocks: the files of what would be are read.
        """
        preview = self._registry.preview(change, actor, reason)
        against = list(preview.objections)
        try:
            parts = self._look(change)
        except MusterError:  # among the objections already
            return preview
        told_of: list[str] = []
        for seen in parts:
            if (other := self.operations.at(seen.environment, seen.model)) is not None:
                against.append(UnderWay(seen.environment, seen.model, other.what, other.id))
            more, told = self._foreseen(seen, preview)
            against += more
            told_of += told
        return replace(preview, objections=tuple(against), effects=tuple(dict.fromkeys(told_of)))

    def _foreseen(self, seen: Seen, preview: Preview) -> tuple[list[MusterError], list[str]]:
        """What its target has against a part, and what would happen there."""
        against: list[MusterError] = []
        target = self._targets.get(seen.target)
        if target is None:
            told = f"nothing is started here: whoever runs {seen.environment} is told to"
            return [], [] if preview.nothing else [told]
        states = target.observe(seen.environment, seen.model)
        if (candidate := seen.candidate) is not None and not _is_ready(candidate, states):
            against += broken(self._registry.artifacts, candidate)
            against += target.objections(self._desired(seen.environment, seen.model, extra=candidate))
        before = self._desired(seen.environment, seen.model)
        path = deployment_path(seen.environment, seen.model)
        written = next((after for at, _, after in preview.edits if at == path), None)
        then = codec.deployment_from_dict(codec.decode(written)) if written else None
        after = before if then is None else self._desired(seen.environment, seen.model, instead=then)
        told_of = [*effects(before, after, states)]
        if then is not None and then.recorded:
            told_of.append("the version has no files: it is declared, and nothing of it runs")
        return against, told_of

    def _look(self, change: Placing) -> list[Seen]:
        """What is there now, and what is to come up, for each part of the change."""
        with self._registry.index.snapshot() as now:
            return [Seen.take(now, part) for part in parts_of(change, now)]

    def refused(self, environment: str, objection: MusterError) -> Preview:
        """The preview of what cannot even be asked for: what it names is not there."""
        against = [objection]
        try:
            self._registry.environment(environment)
        except NotFound as missing:
            against.append(missing)
        return Preview("", objections=tuple(against))

    def _carry_out(
        self,
        operation: Operation,
        change: Placing,
        actor: Actor,
        reason: str,
        request: Request | None,
    ) -> Recorded:
        parts = self._look(change)
        self._crash("deploy-checked")
        try:
            for seen in parts:
                target = self._targets.get(seen.target)
                if target is not None and seen.candidate is not None:
                    self._start(operation, target, seen, seen.candidate, actor, reason)
            self._crash("deploy-ready")
            recorded = self._registry.submit(guarded(change, parts), actor, reason, request).result()
        except MusterError:
            for seen in parts:
                self._withdraw(seen.environment, seen.model)
            raise
        self.operations.step(operation, "recorded", recorded.commit or "")
        self._crash("deploy-recorded")
        switched = [self._switch(operation, seen) for seen in parts if seen.target in self._targets]
        if switched and all(switched):
            self.operations.step(operation, "switched")
        self._crash("deploy-switched")
        return recorded

    def _switch(self, operation: Operation, seen: Seen) -> bool:
        """Move the traffic to what was recorded; if the target cannot just now, `unsettled` holds it."""
        try:
            self.settle(seen.environment, seen.model)
        except MusterError as error:
            # It happened, for Git has it. To call it failed would be wrong; to be made good it has.
            self.operations.step(operation, "recorded", f"not switched yet: {error.message}")
            self.unsettled.put((seen.environment, seen.model))
            return False
        return True

    def _start(
        self,
        operation: Operation,
        target: Target,
        seen: Seen,
        candidate: Instance,
        actor: Actor,
        reason: str,
    ) -> None:
        """Bring the candidate up beside what runs, or leave everything as it was and say why."""
        standing = state_of(candidate, target.observe(seen.environment, seen.model))
        if standing is not None and standing.health == "ready":
            self.operations.step(operation, "ready", "it stood by, warm")
            return
        try:
            if damage := broken(self._registry.artifacts, candidate):
                raise damage[0]
            target.prepare(candidate, lambda detail: self.operations.step(operation, "preparing", detail))
            self.operations.step(operation, "starting")
            desired = self._desired(seen.environment, seen.model, extra=candidate)
            if standing is not None and standing.health in ("failed", "stopped"):
                target.apply(_without(desired, candidate))  # told the same again it would stay so
            target.apply(desired)
            state = self._await_ready(target, seen, candidate)
        except MusterError as error:
            failed = AttemptFailed(seen.model, candidate.number, seen.environment, error.message)
            self._registry.submit(failed, actor, reason).result()
            raise
        self.operations.step(operation, "ready", f"process {state.process}" if state.process else "")

    def _await_ready(self, target: Target, seen: Seen, candidate: Instance) -> InstanceState:
        deadline = time.monotonic() + self._start_timeout_s
        while True:
            state = state_of(candidate, target.observe(seen.environment, seen.model))
            if state is not None and state.health == "ready":
                return state
            if state is not None and state.health in ("failed", "stopped"):
                raise DidNotStart(f"{candidate.model_id} did not start: {state.reason}", state.output)
            if time.monotonic() > deadline:
                output = state.output if state else ""
                raise DidNotStart(
                    f"{candidate.model_id} was not ready within {self._start_timeout_s:g} s", output
                )
            time.sleep(POLL_S)

    def _withdraw(self, environment: str, model: str) -> None:
        """The attempt is over: the target goes back to what Git says, the candidate stops."""
        try:
            self.settle(environment, model)
        except MusterError as error:  # what ended the attempt is the news, not this
            log.warning("a candidate was not stopped", extra={"model": model, "error": error.message})

    def settle(self, environment: str, model: str) -> None:
        """Tell the target what Git says now of the model there."""
        record, _ = self._registry.environment(environment)
        target = self._targets.get(record.target)
        if target is not None:
            target.apply(self._desired(environment, model))

    def _desired(
        self,
        environment: str,
        model: str,
        *,
        extra: Instance | None = None,
        instead: Deployment | None = None,
    ) -> Desired:
        """All that the model is to have there by what Git says, or `instead`, and `extra` warm beside it."""
        # The position first: with an older one than the content a target does nothing
        # wrong, with a newer one it would keep what is outdated.
        newest = self._registry.index.last_placing(environment, model)
        active, standby = None, None
        with self._registry.index.snapshot() as now:
            place = environment_of(now, environment)
            deployment = instead or now.deployment(environment, model)
            if deployment is not None and deployment.version is not None and not deployment.recorded:
                active = runnable(now, place, model, Earlier(deployment.version, deployment.config))
                if self._standby and (back := way_back(now, deployment)) is not None:
                    standby = runnable(now, place, model, back)
        warm = [each for each in (extra, standby) if each is not None and each != active]
        if len(warm) == 2 and warm[0] == warm[1]:
            warm.pop()  # what stands by is what comes up
        position = newest.position if newest else 0
        return Desired(environment, model, position, active, tuple(warm))


def _without(desired: Desired, instance: Instance) -> Desired:
    """All of `desired` but that instance."""
    active = None if desired.active == instance else desired.active
    return replace(desired, active=active, warm=tuple(each for each in desired.warm if each != instance))


def broken(artifacts: ArtifactStore, instance: Instance) -> list[MusterError]:
    """Why the instance cannot start from the store: one error that names each file missing or damaged."""
    files = [file.path for file in instance.files if not artifacts.verify(file.sha256)]
    if not files:
        return []
    return [
        DidNotStart(f"{instance.model_id} cannot start: missing or damaged in the store: {', '.join(files)}")
    ]


def _is_ready(instance: Instance, states: Sequence[InstanceState]) -> bool:
    state = state_of(instance, states)
    return state is not None and state.health == "ready"
