"""Git trees, edited by splicing.

A tree is kept as its entries in Git's order, so that an edit is a bisection and
the delta from the tree before falls out of it.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from muster.gitstore.packfile import Delta, Kind, Pack

_ENTRY = re.compile(rb"(\d+) ([^\0]+)\0.{20}", re.DOTALL)
_FORBIDDEN = re.compile(r"(?:^|/)(?:\.{0,2}|\.git)(?:/|$)|\0", re.IGNORECASE)
_FOLDER = b"40000"
_FILE = b"100644"

Node = dict[bytes, "bytes | Node | None"]
"""Edits of a folder: a file's name → its bytes, or None to remove it; a folder's, with a `/` → its edits."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder.

    `keys` are its names in Git's order, those of folders with a `/` at the end;
    `entries` are as Git writes them.
    """

    keys: list[bytes]
    entries: list[bytes]

    @classmethod
    def parse(cls, content: bytes) -> Tree:
        """From a tree object's content."""
        keys, entries = [], []
        for entry in _ENTRY.finditer(content):
            mode, name = entry.groups()
            keys.append(name + b"/" if mode == _FOLDER else name)
            entries.append(entry.group())
        return cls(keys, entries)

    def entry(self, key: bytes) -> bytes:
        """The entry with that key; empty if there is none."""
        at = bisect_left(self.keys, key)
        return self.entries[at] if at < len(self.keys) and self.keys[at] == key else b""

    def spliced(self, changes: Iterable[tuple[bytes, bytes]]) -> tuple[Tree, Delta, bytes]:
        """This tree with each (key, entry) in its place; the delta to it; its content.

        An empty entry removes what must be there.
        """
        keys, entries = self.keys.copy(), self.entries.copy()
        delta = Delta()
        content: list[bytes] = []
        done, moved = 0, 0  # entries of the old tree dealt with; how much further the new one is
        for key, entry in sorted(changes):
            at = bisect_left(self.keys, key)
            there = at < len(self.keys) and self.keys[at] == key
            kept = b"".join(self.entries[done:at])
            content += (kept, entry)
            delta.copy(len(kept))
            delta.skip(len(self.entries[at]) if there else 0)
            delta.insert(entry)
            done = at + there
            new = at + moved
            keys[new : new + there] = [key] if entry else []
            entries[new : new + there] = [entry] if entry else []
            moved += bool(entry) - there
        kept = b"".join(self.entries[done:])
        content.append(kept)
        delta.copy(len(kept))
        return Tree(keys, entries), delta, b"".join(content)


_EMPTY = Tree([], [])


class TreeCache:
    """Trees by id; `trim` gives up the least recently used.

    A tree never changes, so what is here is always valid. `limit` counts entries
    (about 200 bytes each), because folders differ in size by orders of magnitude.
    """

    def __init__(self, read: Callable[[bytes], bytes], limit: int = 150_000) -> None:
        self._read = read
        self._limit = limit
        self._held = 0
        self._trees: OrderedDict[bytes, Tree] = OrderedDict()

    def get(self, tree: bytes) -> Tree:
        """The tree with that id.

        Raises:
            OSError: it could not be read.
        """
        found = self._trees.get(tree)
        if found is None:
            found = Tree.parse(self._read(tree))
            self.put(tree, found)
        else:
            self._trees.move_to_end(tree)
        return found

    def put(self, name: bytes, tree: Tree) -> None:
        """Keep `tree`, which has the id `name`, at least until `trim`: it may be nowhere else yet."""
        if name in self._trees:
            self._trees.move_to_end(name)
            return
        self._trees[name] = tree
        self._held += len(tree.keys)

    def trim(self) -> None:
        """Come back to `limit`."""
        while self._held > self._limit:
            self._held -= len(self._trees.popitem(last=False)[1].keys)


def nested(edits: Mapping[str, bytes | None]) -> Node:
    """`edits` by folder.

    Raises:
        ValueError: a path that Git cannot hold, or one that would be file and folder at once.
    """
    root: Node = {}
    # Files that are put first: until then every folder here is one that will be.
    for path, content in sorted(edits.items(), key=lambda edit: edit[1] is None):
        if _FORBIDDEN.search(path):
            raise ValueError(f"not a path in a repository: {path!r}")
        *folders, name = path.encode().split(b"/")
        node = root
        for folder in folders:
            if content is not None and folder in node:
                raise ValueError(f"both a file and a folder: {path!r}")
            below = node.setdefault(folder + b"/", {})
            assert isinstance(below, dict)
            node = below
        if content is not None and name + b"/" in node:
            raise ValueError(f"both a file and a folder: {path!r}")
        node.setdefault(name, content)
    return root


def edit(pack: Pack, trees: TreeCache, tree: bytes | None, edits: Node) -> bytes | None:
    """Put what makes `edits` upon `tree` into `pack`: the id of the new tree, None if it is empty.

    Raises:
        OSError: a tree could not be read.
    """
    old = _EMPTY if tree is None else trees.get(tree)
    wanted: dict[bytes, bytes] = {}
    # Folders first: a file that is put has the last word.
    for key, change in sorted(edits.items(), key=lambda item: item[0][-1:] != b"/"):
        if isinstance(change, dict):
            below = edit(pack, trees, old.entry(key)[-20:] or None, change)
            name = key[:-1]
            wanted[key] = b"" if below is None else b"%s %s\0%s" % (_FOLDER, name, below)
            if below is not None:
                wanted[name] = b""
        elif change is None:
            wanted[key] = b""
        else:
            wanted[key] = b"%s %s\0%s" % (_FILE, key, pack.add(Kind.BLOB, change))
            wanted[key + b"/"] = b""
    changes = [(key, entry) for key, entry in wanted.items() if old.entry(key) != entry]
    if not changes:
        return tree
    new, delta, content = old.spliced(changes)
    if not new.keys:
        return None
    made = pack.add(Kind.TREE, content, tree, delta)
    trees.put(made, new)
    return made
