"""What a policy would have stopped: every change of the history, judged by it as things were then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from muster.domain.errors import Objection
from muster.domain.policies import Evaluator
from muster.domain.records import Json, Policy
from muster.domain.situation import FACTS, situations_then
from muster.domain.upholding import asked, objections
from muster.service.past import Past
from muster.service.ports import History, IndexReads
from muster.service.registry import change_view
from muster.service.then import Then
from muster.service.values import ChangeFilter, Logged

AT_ONCE: Final = 1_000  # changes that are looked at for one page, if nothing ends it before
_RENAMES: Final = 100_000


@dataclass(frozen=True, slots=True)
class Stopped:
    """A change that was made, and what the policy has against it."""

    logged: Logged
    objections: tuple[Objection, ...]

    def view(self) -> dict[str, Json]:
        """It as the API shows it."""
        against = [{"rule": o.rule, "message": o.message, "help": o.help} for o in self.objections]
        return change_view(self.logged) | {"objections": against}


@dataclass(frozen=True, slots=True)
class Page:
    """What some of the history comes to: `asked` of the `seen` changes the policy had a say in.

    `next` is the position to go on after; None at the end of the history.
    """

    stopped: tuple[Stopped, ...]
    seen: int
    asked: int
    next: int | None


class Replay:
    """Asks policies about the past."""

    def __init__(self, index: IndexReads, history: History, past: Past, evaluator: Evaluator) -> None:
        self._index = index
        self._history = history
        self._past = past
        self._evaluator = evaluator

    def page(self, policy: Policy, *, after: int, limit: int, at_once: int = AT_ONCE) -> Page:
        """What the policy would have stopped of the changes after that position, oldest first.

        It ends with `limit` of them, or when `at_once` changes have been looked at.
        """
        stopped: list[Stopped] = []
        seen = had_a_say = 0
        for before, logged in self._changes(after, at_once):
            seen += 1
            found = self._judged(policy, before, logged)
            if found is not None:
                had_a_say += 1
                if found:
                    stopped.append(Stopped(logged, found))
            after = logged.position
            if len(stopped) == limit:
                break
        newest = self._index.newest()
        more = newest is not None and after < newest.position
        return Page(tuple(stopped), seen, had_a_say, after if more else None)

    def first_after(self, since: datetime | None) -> int:
        """The position after which the changes from `since` on begin."""
        before = self._index.at(since) if since is not None else None
        return before.position if before is not None else 0

    def _changes(self, after: int, count: int) -> Iterator[tuple[Logged | None, Logged]]:
        """At most `count` changes after that position, each with the one before it."""
        before = next(iter(self._index.changes(ChangeFilter(), before=after + 1, limit=1)), None)
        for logged in self._index.changes_after(after, count):
            yield before, logged
            before = logged

    def _judged(self, policy: Policy, before: Logged | None, logged: Logged) -> tuple[Objection, ...] | None:
        """What it has against the change; None if it had no say in it."""
        entry = logged.entry
        if before is None or entry.kind in FACTS:
            return None
        then = Then(before, self._past, self._index, self._history, self._called(logged))
        edits = {path: after for path, _, after in self._history.diff(logged.commit)}
        found = tuple(asked(self._evaluator, situations_then(entry, edits, then), [policy]))
        return objections(found, {policy.name: policy}) if found else None

    def _called(self, at: Logged) -> Mapping[str, str]:
        """How the model of that change is called now, if it was renamed since."""
        if not at.entry.models:
            return {}
        renames = self._index.changes(ChangeFilter(kinds=("rename",)), limit=_RENAMES)
        called = {}
        for name in at.entry.models:
            called[name] = name
            for each in (logged for logged in reversed(renames) if logged.position >= at.position):
                if each.entry.renamed == called[name] and each.entry.model is not None:
                    called[name] = each.entry.model
        return called
