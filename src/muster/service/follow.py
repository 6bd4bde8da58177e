"""Making the index say what Git says: step by step where it can, from nothing where it must."""

from __future__ import annotations

from muster.domain.errors import Unavailable
from muster.domain.messages import Entry, parse
from muster.service.ports import History, Index, Publisher
from muster.service.values import LoggedCommit


class Follower:
    """Brings `index` to the branch's commit."""

    def __init__(self, publisher: Publisher, history: History, index: Index) -> None:
        self._publisher = publisher
        self._history = history
        self._index = index

    def catch_up(self) -> None:
        """Follow the log from the index's commit; rebuild if that is no ancestor of the branch's.

        Safe in several processes at once: each step is one transaction that
        begins by looking where the index is.

        Raises:
            Unavailable: the history holds a commit that Muster did not write, or is gone.
        """
        while (head := self._publisher.head()) != (at := self._index.head()):
            if head is None:
                raise Unavailable(
                    f"the repository has no commit, but the index is at {at}: the history is gone; restore "
                    "registry.git from a clone or a backup, or delete index.db to begin an empty registry"
                )
            if at is None or not self._history.is_ancestor(at, head):
                self.rebuild()
            else:
                self._step(at, head)

    def rebuild(self) -> None:
        """Throw the index away and make it anew from the branch."""
        head = self._publisher.head()
        if head is not None:
            log = ((logged.commit, entry_of(logged)) for logged in self._history.log(None, head))
            self._index.rebuild(head, log, self._history.walk(head))

    def _step(self, at: str, head: str) -> None:
        with self._index.transaction() as index:
            if index.head() != at:
                return  # another process was faster
            commits = []
            for logged in self._history.log(at, head):
                edits = {path: after for path, _, after in self._history.diff(logged.commit)}
                index.project(entry_of(logged), edits)
                commits.append(logged.commit)
            index.seal(commits)


def entry_of(logged: LoggedCommit) -> Entry:
    """What the commit says of its change.

    Raises:
        Unavailable: Muster did not write it.
    """
    try:
        return parse(logged.message)
    except ValueError as error:
        raise Unavailable(
            f"commit {logged.commit} in the registry's history was not written by Muster ({error}); "
            "move the branch back to its parent with git update-ref, then start again"
        ) from error
