"""What served at a moment: which version, of which bytes, by whom and why, approved, seen running."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from muster.domain.messages import rfc3339
from muster.domain.records import Deployment, Json, Version
from muster.service.past import Past
from muster.service.ports import History, IndexReads
from muster.service.registry import change_view
from muster.service.values import ChangeFilter, Logged

_OBSERVATIONS = 100  # that are looked through for what a process here was last seen doing


@dataclass(frozen=True, slots=True)
class Served:
    """What was declared for a model in an environment at a moment.

    `approvals` are those of the proposal that it carried out. `observed` is what was
    last seen there up to the moment, one an instance; empty: nothing was seen.
    """

    version: Version
    deployment: Deployment
    by: Logged
    approvals: Sequence[Json]
    observed: Sequence[Logged]

    def view(self) -> dict[str, Json]:
        """It as the API shows it."""
        version = self.version
        return {
            "environment": self.deployment.environment,
            "model": version.model,
            "model_id": version.model_id,
            "version": version.label or str(version.number),
            "number": version.number,
            "recorded": self.deployment.recorded,
            "files": [
                {"path": each.path, "sha256": each.sha256, "size": each.size} for each in version.files
            ],
            "by": change_view(self.by),
            "approvals": list(self.approvals),
            "observed": [_seen(each) for each in self.observed],
        }


def served_at(
    index: IndexReads, history: History, past: Past, at: Logged, model: str, environment: str | None = None
) -> list[Served]:
    """What served the model at that change, in every environment or one, by environment."""
    found = []
    for placed in index.placed_at(at.position, environment, model):
        deployment = past.deployment(at, placed.environment, model)
        if deployment is None or placed.number is None:
            continue
        found.append(
            Served(
                past.version(at, model, placed.number),
                deployment,
                placed.by,
                approvals(history, placed.by),
                _observed(index, at, placed.environment, model, placed.by),
            )
        )
    return found


def approvals(history: History, by: Logged) -> list[Json]:
    """Who approved what the change carried out, as its proposal said then."""
    if by.entry.proposal is None:
        return []
    data = history.read(by.commit, f"proposals/{by.entry.proposal}.json")
    decisions = json.loads(data).get("decisions", []) if data else []
    return [each for each in decisions if each.get("verdict") == "approve"]


def _observed(index: IndexReads, at: Logged, environment: str, model: str, by: Logged) -> list[Logged]:
    """The newest observation of each instance; of a process here those since it was declared."""
    reported = index.reported_at(at.position, environment, model)
    if reported:
        return [each for each in reported if each.entry.observed not in ("stopped", None)]
    wanted = ChangeFilter(model=model, environment=environment, kinds=("observe",))
    seen = index.changes(wanted, before=at.position + 1, limit=_OBSERVATIONS)
    return [each for each in seen if each.position > by.position or each.entry.number == by.entry.number][:1]


def _seen(logged: Logged) -> dict[str, Json]:
    entry = logged.entry
    return {
        "state": entry.observed,
        "number": entry.number,
        "instance": entry.instance,
        "digest": entry.digest,
        "time": rfc3339(entry.time),
        "commit": logged.commit,
    }
