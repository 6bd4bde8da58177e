"""The registry as somebody sees it who may not see all of it."""

from __future__ import annotations

from collections.abc import Iterator

from muster.domain.names import fan
from muster.service.gate import Sight
from muster.service.ports import History
from muster.service.values import LoggedCommit


class SeenHistory:
    """A `History` without what is about models out of sight, and without who is who."""

    def __init__(self, history: History, sight: Sight) -> None:
        self._history = history
        self._folders = frozenset(map(fan, sight.models))

    def _hides(self, path: str) -> bool:
        match path.split("/"):
            case ["models", hh, name, *_]:
                return f"{hh}/{name}" not in self._folders
            case ["deployments", _, hh, name]:
                return f"{hh}/{name.removesuffix('.json')}" not in self._folders
            case ["access", *_]:
                return True
        return False

    def log(self, since: str | None, until: str) -> Iterator[LoggedCommit]:
        """As in the port: commits name what they are about, and are for who sees everything."""
        return self._history.log(since, until)

    def commit(self, name: str) -> LoggedCommit:
        """As in the port."""
        return self._history.commit(name)

    def read(self, commit: str, path: str) -> bytes | None:
        """The blob at `path` in `commit`; None if there is none in sight."""
        return None if self._hides(path) else self._history.read(commit, path)

    def walk(self, commit: str, under: str = "") -> Iterator[tuple[str, bytes]]:
        """Every (path, blob) in sight below the folder `under`."""
        return (each for each in self._history.walk(commit, under) if not self._hides(each[0]))

    def diff(self, commit: str) -> Iterator[tuple[str, bytes | None, bytes | None]]:
        """What `commit` changed of what is in sight."""
        return (each for each in self._history.diff(commit) if not self._hides(each[0]))

    def fsck(self) -> list[str]:
        """As in the port."""
        return self._history.fsck()

    def is_ancestor(self, older: str, newer: str) -> bool:
        """As in the port."""
        return self._history.is_ancestor(older, newer)
