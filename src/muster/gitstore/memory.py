"""A repository in memory, with the ids that Git would give: for tests of what stands on the ports."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from muster.domain.errors import NotFound
from muster.gitstore.commits import CommitBuilder, Commits, parse_commit
from muster.gitstore.packfile import Delta, Kind, Pack
from muster.gitstore.repository import BRANCH
from muster.gitstore.trees import Tree
from muster.service.ports import Building, Built
from muster.service.values import HeadMoved, LoggedCommit, NewCommit


class _OpenPack(Pack):
    """A pack that also keeps its objects as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.contents: dict[bytes, tuple[Kind, bytes]] = {}

    def add(self, kind: Kind, content: bytes, base: bytes | None = None, delta: Delta | None = None) -> bytes:
        name = super().add(kind, content, base, delta)
        self.contents[name] = (kind, content)
        return name


@dataclass(frozen=True, slots=True)
class _Open(Commits):
    contents: Mapping[bytes, tuple[Kind, bytes]]


class _OpenLine:
    """A `Building` whose objects can be read."""

    def __init__(self, builder: CommitBuilder, parent: str | None) -> None:
        self._pack = _OpenPack()
        self._line = builder.begin(parent, self._pack)

    def add(self, commit: NewCommit) -> None:
        self._line.add(commit)

    def finish(self) -> _Open:
        built = self._line.finish()
        return _Open(built.ids, built.packed, self._pack.contents)


class MemoryGit:
    """A `Publisher` and a `History` of one branch that lasts as long as the object."""

    def __init__(self) -> None:
        self._objects: dict[bytes, tuple[Kind, bytes]] = {}
        self._head: str | None = None
        self._moving = threading.Lock()
        self._builder = CommitBuilder(self._read)

    def head(self) -> str | None:
        return self._head

    def begin(self, parent: str | None) -> Building:
        return _OpenLine(self._builder, parent)

    def publish(self, expected: str | None, built: Built) -> None:
        if not isinstance(built, _Open):
            raise TypeError(f"not built here: {built!r}")
        with self._moving:
            if self._head != expected:
                raise HeadMoved(BRANCH)
            self._objects.update(built.contents)
            if built.ids:
                self._head = built.ids[-1]

    def log(self, since: str | None, until: str) -> Iterator[LoggedCommit]:
        found: list[LoggedCommit] = []
        at: str | None = until
        while at != since:
            if at is None:
                raise NotFound("commit", f"{since} before {until}")
            commit, at = self._commit(at)
            found.append(commit)
        return reversed(found)

    def commit(self, name: str) -> LoggedCommit:
        return self._commit(name)[0]

    def read(self, commit: str, path: str) -> bytes | None:
        return dict(self.walk(commit)).get(path)

    def walk(self, commit: str, under: str = "") -> Iterator[tuple[str, bytes]]:
        files = self._files(bytes.fromhex(self._commit(commit)[0].tree), b"")
        return ((path, content) for path, content in files if not under or f"{path}/".startswith(f"{under}/"))

    def _files(self, tree: bytes, prefix: bytes) -> Iterator[tuple[str, bytes]]:
        folder = Tree.parse(self._read(tree))
        for key, entry in zip(folder.keys, folder.entries, strict=True):
            if key.endswith(b"/"):
                yield from self._files(entry[-20:], prefix + key)
            else:
                yield (prefix + key).decode(), self._read(entry[-20:])

    def diff(self, commit: str) -> Iterator[tuple[str, bytes | None, bytes | None]]:
        _, parent = self._commit(commit)
        before = {} if parent is None else dict(self.walk(parent))
        after = dict(self.walk(commit))
        return (
            (path, before.get(path), after.get(path))
            for path in sorted(before.keys() | after.keys())
            if before.get(path) != after.get(path)
        )

    def is_ancestor(self, older: str, newer: str) -> bool:
        try:
            self._commit(older)
            at: str | None = newer
            while at is not None and at != older:
                _, at = self._commit(at)
        except NotFound:
            return False
        return at is not None

    def fsck(self) -> list[str]:
        return []

    def _commit(self, name: str) -> tuple[LoggedCommit, str | None]:
        kind, content = self._objects.get(bytes.fromhex(name), (None, b""))
        if kind is not Kind.COMMIT:
            raise NotFound("commit", name)
        return parse_commit(name, content)

    def _read(self, name: bytes) -> bytes:
        try:
            return self._objects[name][1]
        except KeyError as error:
            raise OSError(f"object {name.hex()} is missing") from error
