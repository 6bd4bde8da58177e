"""Whether a change that can be made may be made: rules over who, what, where, when and why.

`plan` says what a change comes to, whoever asks; then each judge looks at the case
and says everything that it has against it. What is refused is refused once, with
every objection of every judge. Judges are pure, as plans are: the same case upon the
same state gets the same verdict, in a dry run, when it is approved and when it takes
effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol

from muster.domain.acts import Act, acts
from muster.domain.changes import Actor, Change
from muster.domain.errors import Denied, Objection
from muster.domain.plan import plan
from muster.domain.snapshot import Plan, Snapshot


@dataclass(frozen=True, slots=True)
class Case:
    """A change about to be recorded: by whom, why, when (UTC), and what it comes to."""

    change: Change
    actor: Actor
    reason: str
    time: datetime
    planned: Plan
    _acts: list[tuple[Act, ...]] = field(default_factory=list, init=False, compare=False, repr=False)

    def acts(self, before: Snapshot) -> tuple[Act, ...]:
        """What it does to protected environments: looked at once, for all the judges of one state."""
        if not self._acts:
            self._acts.append(acts(self.change, self.planned, before))
        return self._acts[0]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one judge says: all that it has against it, and what its commit is to hold besides.

    `kept` are records (`domain.documents`) by path: what was looked at, for later;
    `mark` sets the change apart for ever, `proposal` is the one that it carries out.
    `alone` is what is raised for the objections if nobody else has any: a refusal from
    which there is a way on, as asking for approval is one.
    """

    objections: tuple[Objection, ...] = ()
    kept: Mapping[str, bytes] = field(default_factory=dict)
    mark: str | None = None
    proposal: str | None = None
    alone: Denied | None = None


class Judge(Protocol):
    """One set of rules."""

    def __call__(self, case: Case, before: Snapshot) -> Verdict: ...


class Admission(Protocol):
    """Whether an actor may ask for a change at all; said before anything else is looked at."""

    def __call__(self, change: Change, actor: Actor, before: Snapshot) -> None:
        """Return if so.

        Raises:
            Denied: the actor has not the right.
            NotFound: they cannot even see what it is about; as if it were not there.
        """
        ...


def everyone(change: Change, actor: Actor, before: Snapshot) -> None:
    """Admit every change of everybody."""


@dataclass(frozen=True, slots=True)
class Rules:
    """All that a change has to pass: who may ask, what it comes to, what the judges say."""

    admit: Admission = everyone
    judges: tuple[Judge, ...] = ()

    def objections(self, case: Case, before: Snapshot) -> tuple[Objection, ...]:
        """Everything that any of the judges has against it."""
        return tuple(each for judge in self.judges for each in judge(case, before).objections)

    def planned(self, change: Change, actor: Actor, reason: str, time: datetime, before: Snapshot) -> Plan:
        """The plan of `change`, with what its judges keep.

        Raises:
            NotFound, Conflict, Invalid: as `plan`.
            Denied: with every objection of every judge, or as the one that has any says it.
        """
        self.admit(change, actor, before)
        planned = plan(change, before)
        if planned.nothing:
            return planned
        case = Case(change, actor, reason, time, planned)
        verdicts = [judge(case, before) for judge in self.judges]
        if against := [verdict for verdict in verdicts if verdict.objections]:
            if len(against) == 1 and against[0].alone is not None:
                raise against[0].alone
            raise Denied(each for verdict in against for each in verdict.objections)
        kept = {path: record for verdict in verdicts for path, record in verdict.kept.items()}
        mark = next((verdict.mark for verdict in verdicts if verdict.mark), None)
        proposal = next((verdict.proposal for verdict in verdicts if verdict.proposal), None)
        if not kept and mark is None and proposal is None:
            return planned
        return replace(planned, edits={**planned.edits, **kept}, mark=mark, proposal=proposal)


NO_RULES: Final = Rules()
