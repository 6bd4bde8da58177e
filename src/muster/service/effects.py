"""What a deployment, rollback or undeployment would do where versions run, in sentences for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from muster.service.values import Desired, Instance, InstanceState


def effects(before: Desired, after: Desired, states: Sequence[InstanceState]) -> Iterator[str]:
    """What a target would do that has `before`, where it observes `states`, once it is told `after`."""
    if after.active is not None and after.active != before.active:
        yield f"{_called(after.active)} {_gets_traffic(after.active, states)}"
    if before.active is not None and before.active != after.active:
        left = "stays warm, to roll back to" if before.active in after.warm else "stops"
        yield f"{_called(before.active)} finishes its requests and {left}"
    for instance in before.warm:
        if instance != after.active and instance not in after.warm:
            yield f"{_called(instance)}, which stood by, stops"
    for instance in after.warm:
        if instance != before.active and instance not in before.warm:
            yield f"{_called(instance)} is started and kept warm, to roll back to"
    if before.active is not None and after.active is None:
        yield f"requests for {before.model} in {before.environment} are refused (404)"


def state_of(instance: Instance, states: Sequence[InstanceState]) -> InstanceState | None:
    """What is observed of `instance`; None if it is not there, or not to stay."""
    kept = (state for state in states if not state.leaving)
    return next((s for s in kept if s.number == instance.number and s.config == instance.config), None)


def _gets_traffic(instance: Instance, states: Sequence[InstanceState]) -> str:
    state = state_of(instance, states)
    if state is not None and state.health == "ready":
        return "stands by, warm, and gets the traffic at once"
    return "is started, and gets the traffic once it is ready"


def _called(instance: Instance) -> str:
    replicas = instance.config.replicas
    return f"{instance.model_id} ({replicas} workers)" if replicas > 1 else instance.model_id
