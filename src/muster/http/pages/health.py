"""How something stands, as people see it: a shape, a word, a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from muster.domain.records import Environment
from muster.service.observing import Standing, Status

# Shape (`data-h` in the stylesheet) and word.
_SHOWN: Final[dict[Standing, tuple[str, str]]] = {
    "ready": ("ready", "ready"),
    "in sync": ("ready", "as declared"),
    "starting": ("starting", "starting"),
    "failed": ("failed", "failed"),
    "stopped": ("failed", "stopped"),
    "recorded": ("recorded", "not running"),
    "drifted": ("drifted", "drifted"),
    "undeclared": ("drifted", "undeclared"),
    "unknown": ("unknown", "unknown"),
    "none": ("none", "none"),
}
# What a past change observed, in the same shapes.
_OBSERVED: Final = {"ready": "ready", "running": "ready", "starting": "starting", "failed": "failed"}


@dataclass(frozen=True, slots=True)
class Health:
    """`shape` is one of the stylesheet's; never alone, the word goes with it."""

    shape: str
    word: str
    sentence: str = ""


NONE: Final = Health("none", "none", "nothing is deployed here")
DECLARED: Final = Health("recorded", "declared", "nothing had said what ran")
RECORDED: Final = Health("recorded", "not running", "declared only: the version has no files")


def health(status: Status | None) -> Health:
    """How a place stands now."""
    if status is None:
        return NONE
    shape, word = _SHOWN[status.standing]
    return Health(shape, word, status.sentence)


def did_not_start(why: str) -> Health:
    """Of a version that was to be put somewhere and failed."""
    return Health("failed", "did not start", why)


def health_then(observed: str | None, number: int | None, declared: int | None) -> Health:
    """How a place stood, by what was observed there last; `number` is what was seen to run."""
    if observed is None:
        return Health("unknown", "not observed", "nothing had reported what ran")
    if number is not None and number != declared and observed in ("running", "ready"):
        return Health("drifted", "drifted", f"version {number} ran")
    return Health(_OBSERVED.get(observed, "unknown"), observed)


def rungs(environment: Environment) -> int:
    """How near it is to customers, from 1 to 3; one's own environment goes by its rank."""
    return 3 if environment.rank >= 30 else 2 if environment.rank >= 20 else 1
