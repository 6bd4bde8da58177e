"""How far a deployment, rollback or undeployment has come, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from muster.service.operations import Event

State = Literal["done", "now", "fail", "todo"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step, with a figure or reason below."""

    word: str
    state: State
    detail: str


def steps(
    events: Sequence[Event],
    error: Exception | None,
    number: int | None,
    was: str,
    *,
    draining: int,
    leaves: bool,
    ended: bool,
) -> list[Step]:
    """Starting, ready, switched, drained; without a version that comes up only what leaves."""
    at: dict[str, Event] = {event.step: event for event in events}
    began, last = events[0], events[-1]
    if error is not None:
        return _failed(at, began, last, number)
    told = []
    if number is not None:
        told += _coming(at, began, ended=ended)
    recorded, switched = at.get("recorded"), at.get("switched")
    if switched is not None:
        commit = f"commit {recorded.detail[:10]}" if recorded and recorded.detail else "the traffic has moved"
        told.append(Step("Switched", "done", commit))
    elif ended:
        said = (
            recorded.detail if recorded and recorded.detail.startswith("not") else "recorded; others run it"
        )
        told.append(Step("Switched", "done", said))
    elif "ready" in at or number is None:
        told.append(Step("Switched", "now", "writing the commit"))
    else:
        told.append(Step("Switched", "todo", "once it is ready"))
    if not ended:
        told.append(Step("Drained", "todo", f"{was} finishes its requests" if was else "nothing to drain"))
    elif draining or leaves:
        told.append(
            Step("Drained", "now", f"{draining} {'request' if draining == 1 else 'requests'} on {was}")
        )
    else:
        told.append(
            Step("Drained", "done", f"{was} has no request left" if was else "there was nothing to drain")
        )
    return told


def _coming(at: Mapping[str, Event], began: Event, *, ended: bool) -> list[Step]:
    """The two steps until the version that comes up is ready."""
    ready, starting = at.get("ready"), at.get("starting")
    if ready is not None:
        warm = starting is None and bool(ready.detail)
        first = "it stood by, warm" if warm else f"done in {_seconds(began, ready)}"
        return [
            Step("Starting", "done", first),
            Step("Ready", "done", "already" if warm else ready.detail or "answers"),
        ]
    if ended or "recorded" in at:
        return [Step("Starting", "done", "nothing is started here"), Step("Ready", "done", "declared only")]
    if starting is not None:
        return [Step("Starting", "now", "loading its files"), Step("Ready", "todo", "not yet")]
    preparing = at.get("preparing")
    detail = preparing.detail if preparing and preparing.detail else "checking its files"
    return [Step("Starting", "now", detail), Step("Ready", "todo", "not yet")]


def _failed(at: Mapping[str, Event], began: Event, last: Event, number: int | None) -> list[Step]:
    after = f"after {_seconds(began, last)}"
    words = ["Switched", "Drained"] if number is None else ["Starting", "Ready", "Switched", "Drained"]
    broke = "Switched" if number is None or "ready" in at else "Starting"
    told: list[Step] = []
    for word in words:
        if word == broke:
            told.append(Step(word, "fail", after))
        elif word == "Drained":
            told.append(Step(word, "todo", "nothing to drain"))
        elif broke == "Switched":
            told.append(Step(word, "done", "it was ready"))
        else:
            told.append(Step(word, "todo", "not reached"))
    return told


def _seconds(one: Event, other: Event) -> str:
    seconds = max(0.0, (other.time - one.time).total_seconds())
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
