"""Two versions side by side, for who is to answer for the second: what differs, part by part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from muster.domain import codec
from muster.domain.evaluations import Evaluation
from muster.domain.records import Config, Json, Version

PARTS: Final = (
    "metrics",
    "evidence",
    "data",
    "files",
    "parameters",
    "configuration",
    "origin",
    "description",
)


@dataclass(frozen=True, slots=True)
class Side:
    """A version as it runs, or is to run."""

    version: Version
    config: Config | None = None
    evaluations: tuple[Evaluation, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same: None is not there. `part` is one of `PARTS`."""

    part: str
    field: str
    before: Json
    after: Json

    def view(self) -> dict[str, Json]:
        """It as the API shows it."""
        return {"part": self.part, "field": self.field, "before": self.before, "after": self.after}


def compare(before: Side | None, after: Side | None) -> list[Difference]:
    """What differs, in the order of `PARTS`, by field; all of `after` if there is nothing before it."""
    old = _parts(before) if before is not None else {}
    new = _parts(after) if after is not None else {}
    return [
        Difference(part, field, old.get(part, {}).get(field), new.get(part, {}).get(field))
        for part in PARTS
        for field in sorted(old.get(part, {}).keys() | new.get(part, {}).keys())
        if old.get(part, {}).get(field) != new.get(part, {}).get(field)
    ]


def _parts(side: Side) -> dict[str, Mapping[str, Json]]:
    version = side.version
    return {
        "metrics": version.metrics,
        "evidence": _measured(side.evaluations),
        "data": _named("training_data", version.training_data),
        "files": {file.path: {"sha256": file.sha256, "size": file.size} for file in version.files},
        "parameters": version.params,
        "configuration": codec.config_to_dict(side.config) if side.config is not None else {},
        "origin": {
            "source": version.source and dict(version.source),
            "bases": [dict(base) for base in version.bases] or None,
            "kind": version.kind,
        },
        "description": {
            "description": version.description or None,
            "owner": version.owner,
            **{f"tag {key}": value for key, value in version.tags.items()},
        },
    }


def _named(name: str, value: Json) -> dict[str, Json]:
    """A text by its name; an object field by field."""
    if value is None:
        return {}
    return dict(value) if isinstance(value, Mapping) else {name: value}


def _measured(evaluations: Iterable[Evaluation]) -> dict[str, Json]:
    """Each metric that somebody measured, by who: the newest."""
    return {
        f"{metric} by {each.evaluator}": value
        for each in sorted(evaluations, key=lambda each: each.number)
        for metric, value in each.metrics.items()
    }
