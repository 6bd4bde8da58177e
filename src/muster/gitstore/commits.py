"""New commits → the objects they consist of, in one pack."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from muster.gitstore.packfile import Kind, Pack, Packed
from muster.gitstore.trees import Tree, TreeCache, edit, nested
from muster.service.values import LoggedCommit, NewCommit

COMMITTER = "Muster <muster@localhost>"
_TREE_LINE = re.compile(rb"tree ([0-9a-f]{40})\n")
_REMEMBERED = 256  # commits whose tree is known without reading them

ReadObject = Callable[[bytes], bytes]
"""An object's content by its 20-byte id; raises OSError."""


@dataclass(frozen=True, slots=True)
class Commits:
    """Commits built in memory: their ids, oldest first, and the pack that holds them."""

    ids: tuple[str, ...]
    packed: Packed


def author_of(actor: str) -> str:
    """An actor's id as Git's author: the name is the id, the address only looks like one.

    An `@` in the id becomes `=` in the address (no id holds that), so that it is
    nobody's real one.
    """
    if not actor or set(actor) & set("<>\n\0"):
        raise ValueError(f"not an actor's id: {actor!r}")
    return f"{actor} <{actor.replace('@', '=')}@muster.invalid>"


class CommitBuilder:
    """Builds commits upon a parent. Keeps trees between builds, but never which one is the last."""

    def __init__(self, read: ReadObject) -> None:
        self._read = read
        self._cache = TreeCache(read)
        self._roots: OrderedDict[str, bytes] = OrderedDict()  # commit → its tree

    def begin(self, parent: str | None, pack: Pack | None = None) -> CommitLine:
        """Begin to build upon `parent`, in an empty `pack`."""
        self._cache.trim()
        return CommitLine(self, parent, Pack() if pack is None else pack)

    def append(self, pack: Pack, parent: str | None, commit: NewCommit) -> str:
        """Put `commit`, upon `parent`, into `pack`: its id.

        Raises:
            OSError: the parent or a tree could not be read.
            ValueError: a path, an author or a message that Git cannot hold.
        """
        before = None if parent is None else self._root(parent)
        tree = edit(pack, self._cache, before, nested(commit.edits))
        if tree is None:
            # No folder is ever empty but the root, which is then a tree of its own.
            tree = pack.add(Kind.TREE, b"")
            self._cache.put(tree, Tree([], []))
        made = pack.add(Kind.COMMIT, _content(tree, parent, commit)).hex()
        self._remember(made, tree)
        return made

    def _root(self, commit: str) -> bytes:
        if (known := self._roots.get(commit)) is not None:
            return known
        line = _TREE_LINE.match(self._read(bytes.fromhex(commit)))
        if line is None:
            raise OSError(f"not a commit: {commit}")
        tree = bytes.fromhex(line[1].decode())
        self._remember(commit, tree)
        return tree

    def _remember(self, commit: str, tree: bytes) -> None:
        self._roots[commit] = tree
        if len(self._roots) > _REMEMBERED:
            self._roots.popitem(last=False)


class CommitLine:
    """A `Building`: commits in one pack, each the parent of the next."""

    def __init__(self, builder: CommitBuilder, parent: str | None, pack: Pack) -> None:
        self._builder = builder
        self._parent = parent
        self._pack = pack
        self._ids: list[str] = []

    def add(self, commit: NewCommit) -> None:
        """Raises as `CommitBuilder.append`."""
        self._parent = self._builder.append(self._pack, self._parent, commit)
        self._ids.append(self._parent)

    def finish(self) -> Commits:
        return Commits(tuple(self._ids), self._pack.finished())


def parse_commit(name: str, content: bytes) -> tuple[LoggedCommit, str | None]:
    """The commit and its first parent, from its object."""
    head, _, message = content.partition(b"\n\n")
    parent = head[53:93].decode() if head.startswith(b"parent ", 46) else None
    return LoggedCommit(name, head[5:45].decode(), message.decode(errors="replace")), parent


def _content(tree: bytes, parent: str | None, commit: NewCommit) -> bytes:
    if "\0" in commit.message:
        raise ValueError("a commit's message cannot hold NUL")
    seconds = int(commit.time.timestamp())
    lines = [f"tree {tree.hex()}"]
    if parent is not None:
        lines.append(f"parent {parent}")
    lines += [
        f"author {author_of(commit.author)} {seconds} +0000",
        f"committer {COMMITTER} {seconds} +0000",
        "",
        commit.message,
    ]
    return "\n".join(lines).encode()
