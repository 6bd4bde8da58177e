"""Commits written anew without a text, and the signed map from the old ids to the new ones.

    build the commits      in memory: their ids are known
    sign the map           and put it where a crash leaves it
    publish                durable in Git, the branch moved: the moment of truth
    keep the map           beside the checkpoints

Whoever was killed between two of these leaves a map that the notary finds before it
signs again: it is kept if the branch has moved, and thrown away if not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from muster.domain.errors import Invalid, NotFound, Unavailable
from muster.domain.redacting import Commit, Redacting, check_free
from muster.service.follow import Follower, entry_of
from muster.service.notary import Notary
from muster.service.ports import Built, History, Index, Lock, Publisher
from muster.service.values import HeadMoved, Logged, LoggedCommit, NewCommit


@dataclass(frozen=True, slots=True)
class Redacted:
    """What a redaction came to: the change, how many commits have another id, which lost the text."""

    change: Logged
    commits: int
    redacted: tuple[int, ...]


class Redactor:
    """Takes texts out of the history. No server may run on it meanwhile."""

    def __init__(
        self,
        *,
        publisher: Publisher,
        index: Index,
        history: History,
        follower: Follower,
        notary: Notary,
        lock: Lock,
        crash: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._publisher = publisher
        self._index = index
        self._history = history
        self._follower = follower
        self._notary = notary
        self._lock = lock
        self._crash = crash

    def redact(self, commit: str, field: str, actor: str, reason: str, *, dry_run: bool = False) -> Redacted:
        """Take the text in `field` of a change out of it, and out of every later commit that has it.

        Raises:
            NotFound: there is no such change, or it put no text there.
            Invalid, Conflict: it is no free text, or is redacted already.
        """
        check_free(field)
        if not reason:
            raise Invalid.one("--reason", reason, "must say why: it is signed, and stays for ever")
        with self._lock():
            self._follower.catch_up()
            self._notary.settle()
            change, head = self._index.change(commit), self._index.head()
            if change is None or head is None:
                raise NotFound("change", commit)
            before = self._before(change)
            old = list(self._history.log(before, head))
            built, redacted = self._rebuilt(change, field, before, old)
            if not dry_run:
                made = self._notary.redaction(
                    actor=actor,
                    reason=reason,
                    field=field,
                    first=change.position,
                    redacted=redacted,
                    old=[each.commit for each in old],
                    new=built.ids,
                )
                self._notary.begin(made)
                self._crash("redaction-signed")
                self._publish(head, built)
                self._crash("redaction-published")
                self._follower.catch_up()
                self._notary.settle()
        return Redacted(change, len(old), redacted)

    def _before(self, change: Logged) -> str:
        """The commit before. Raises NotFound for the first one, which holds no text."""
        earlier = self._index.changes_after(change.position - 2, 1) if change.position > 1 else []
        if not earlier:
            raise NotFound("text", f"the first commit, {change.commit}, holds none")
        return earlier[0].commit

    def _rebuilt(
        self, change: Logged, field: str, before: str, old: Sequence[LoggedCommit]
    ) -> tuple[Built, tuple[int, ...]]:
        """The commits without the text, upon `before`, and the positions of those that had it."""
        files = {path: data for path, data, _ in self._history.diff(change.commit)}
        redacting = Redacting.of(change.position, field, self._commit(old[0]), files)
        building = self._publisher.begin(before)
        redacted = []
        for position, logged in enumerate(old, change.position):
            made = self._commit(logged)
            clean = redacting.without(position, made)
            if clean != made:
                redacted.append(position)
            entry = entry_of(logged)
            building.add(NewCommit(clean.edits, clean.message, entry.actor, entry.time))
        return building.finish(), tuple(redacted)

    def _commit(self, logged: LoggedCommit) -> Commit:
        edits = {path: after for path, _, after in self._history.diff(logged.commit)}
        return Commit(logged.message, edits)

    def _publish(self, head: str, built: Built) -> None:
        try:
            self._publisher.publish(head, built)
        except HeadMoved as moved:
            raise Unavailable("somebody else moved the branch; try again") from moved
