"""The rules of an environment: who may change what runs there, and on which conditions.

In `environments/<name>.json`, under `rules`; what is not ruled is left out:

    {
      "deploy": ["team:ops"],                           who may deploy; none: whoever is deployer
      "rollback": ["ada", "team:oncall"],               who may roll back, apart from that
      "approvals": [{"from": "risk", "count": 2}],
      "evidence": ["auc >= 0.9 by team:validation"],
      "reason": true,
      "soak": {"environment": "staging", "hours": 24},
      "freeze": [{"name": "year end", "dtstart": "2026-12-20T00:00:00", "duration": "P14D",
                  "rrule": "FREQ=YEARLY", "timezone": "Europe/Berlin"}],
      "stages": ["production"],                         none: the environment's own
      "aliases": ["champion"],
      "public": true                                    predicting there takes no right
    }

They hold for everything that says that a version is in the environment:
`domain.protecting` judges by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol

Json = Any
Fields = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Approvals:
    """So many members of a team have to approve."""

    team: str
    count: int


@dataclass(frozen=True, slots=True)
class Soak:
    """A version must have run so many hours in another environment first."""

    environment: str
    hours: float


@dataclass(frozen=True, slots=True)
class Freeze:
    """A time during which nothing changes, once or again and again (RFC 5545, sections 3.3.5 to 3.3.10).

    `start` and `end` are local times in `timezone` (IANA), without an offset; one of
    `duration` (`P14D`, `PT62H`) and `end` is given. `rule` is a recurrence rule, or "".
    """

    name: str
    start: str
    duration: str = ""
    end: str = ""
    rule: str = ""
    timezone: str = "UTC"


class Calendar(Protocol):
    """What knows of time zones and recurrence."""

    def check(self, freeze: Freeze, field: str) -> None:
        """Return if `freeze` can be reckoned with.

        Raises:
            Invalid: with everything that is wrong, named below `field`.
        """
        ...

    def frozen_until(self, freeze: Freeze, time: datetime) -> datetime | None:
        """When the occurrence of `freeze` that `time` (with its zone) falls in ends; None if in none.

        It begins with its first moment and is over at its end. In the zone of the freeze.

        Raises:
            Invalid: it cannot be reckoned with.
        """
        ...


@dataclass(frozen=True, slots=True)
class EnvironmentRules:
    """All that is ruled of an environment; without anything said, nothing is."""

    deploy: tuple[str, ...] = ()
    rollback: tuple[str, ...] = ()
    approvals: tuple[Approvals, ...] = ()
    evidence: tuple[str, ...] = ()
    reason: bool = False
    soak: Soak | None = None
    freeze: tuple[Freeze, ...] = ()
    stages: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    public: bool = False

    @property
    def protects(self) -> bool:
        """Whether anything is demanded of who changes what runs there."""
        return replace(self, public=False) != NO_RULES


NO_RULES: Final = EnvironmentRules()


# ------------------------------------------------------------ files


def rules_to_dict(rules: EnvironmentRules) -> dict[str, Json]:
    """The rules as plain values; what is not ruled is left out."""
    record: dict[str, Json] = {
        "deploy": list(rules.deploy),
        "rollback": list(rules.rollback),
        "approvals": [{"from": each.team, "count": each.count} for each in rules.approvals],
        "evidence": list(rules.evidence),
        "reason": rules.reason,
        "soak": rules.soak and {"environment": rules.soak.environment, "hours": rules.soak.hours},
        "freeze": [_freeze_to_dict(each) for each in rules.freeze],
        "stages": list(rules.stages),
        "aliases": list(rules.aliases),
        "public": rules.public,
    }
    return {key: value for key, value in record.items() if value}


def rules_from_dict(record: Fields) -> EnvironmentRules:
    """The reverse of `rules_to_dict`."""
    soak = record.get("soak")
    return EnvironmentRules(
        deploy=tuple(record.get("deploy", ())),
        rollback=tuple(record.get("rollback", ())),
        approvals=tuple(Approvals(each["from"], each["count"]) for each in record.get("approvals", ())),
        evidence=tuple(record.get("evidence", ())),
        reason=record.get("reason", False),
        soak=Soak(soak["environment"], soak["hours"]) if soak else None,
        freeze=tuple(_freeze_from_dict(each) for each in record.get("freeze", ())),
        stages=tuple(record.get("stages", ())),
        aliases=tuple(record.get("aliases", ())),
        public=record.get("public", False),
    )


def _freeze_to_dict(freeze: Freeze) -> dict[str, Json]:
    record = {
        "name": freeze.name,
        "dtstart": freeze.start,
        "duration": freeze.duration,
        "dtend": freeze.end,
        "rrule": freeze.rule,
        "timezone": freeze.timezone,
    }
    return {key: value for key, value in record.items() if value}


def _freeze_from_dict(record: Fields) -> Freeze:
    return Freeze(
        record["name"],
        record["dtstart"],
        record.get("duration", ""),
        record.get("dtend", ""),
        record.get("rrule", ""),
        record["timezone"],
    )
