"""What the repository said at any commit.

Single reads go through libgit2, in microseconds. What may be long (a log, a tree)
begins the same way and goes over to `git cat-file --batch` once it turns out to be
long: starting a process costs as much as a few hundred reads.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from itertools import islice
from typing import Final

import pygit2

from muster.domain.errors import NotFound
from muster.gitstore.bulk import objects, unquoted
from muster.gitstore.commits import parse_commit
from muster.gitstore.repository import Repository
from muster.gitstore.trees import Tree
from muster.service.values import LoggedCommit

NEAR: Final = 256  # objects read one at a time before a process is started for the rest


_CHECKS: Final = 4  # of one repository whose packs are being merged meanwhile


class GitHistory:
    """A `History` of one repository; any thread may use it."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def log(self, since: str | None, until: str) -> Iterator[LoggedCommit]:
        near: list[LoggedCommit] = []
        at: str | None = until
        while at != since and at is not None and len(near) < NEAR:
            commit, at = self._commit(at)
            near.append(commit)
        if at == since:
            return reversed(near)
        if since is not None:
            self._commit(since)
        if at is None:
            raise _not_before(since, until)
        return self._long_log(since, until)

    def _long_log(self, since: str | None, until: str) -> Iterator[LoggedCommit]:
        listing = ["rev-list", "--first-parent", "--reverse", until]
        if since is not None:
            listing.append(f"^{since}")
        first = True
        for name, content in objects(self._repository, listing, "%(objectname)"):
            commit, parent = parse_commit(name.decode(), content)
            if first and parent != since:
                raise _not_before(since, until)
            first = False
            yield commit

    def commit(self, name: str) -> LoggedCommit:
        return self._commit(name)[0]

    def read(self, commit: str, path: str) -> bytes | None:
        found = self._find(commit, path)
        return self._repository.read_object(found[0]) if found is not None and not found[1] else None

    def walk(self, commit: str, under: str = "") -> Iterator[tuple[str, bytes]]:
        found = self._find(commit, under)
        if found is None:
            return iter(())
        name, is_folder = found
        if not is_folder:
            return iter([(under, self._repository.read_object(name))])
        return self._walk(commit, name, under)

    def _walk(self, commit: str, folder: bytes, under: str) -> Iterator[tuple[str, bytes]]:
        files = self._files(folder, f"{under}/".encode() if under else b"")
        for path, blob in islice(files, NEAR):
            yield _text(path), self._repository.read_object(blob)
        if next(files, None) is None:
            return
        listing = ["ls-tree", "-r", "--full-tree", "--format=%(objectname) %(path)", commit]
        if under:
            listing += ["--", under]
        for quoted, content in islice(objects(self._repository, listing, "%(rest)"), NEAR, None):
            yield _text(unquoted(quoted)), content

    def _files(self, folder: bytes, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """(path, blob) of every file below, in tree order."""
        for key, name in self._entries(folder).items():
            if key.endswith(b"/"):
                yield from self._files(name, prefix + key)
            else:
                yield prefix + key, name

    def diff(self, commit: str) -> Iterator[tuple[str, bytes | None, bytes | None]]:
        logged, parent = self._commit(commit)
        before = None if parent is None else bytes.fromhex(self._commit(parent)[0].tree)
        return self._differences(before, bytes.fromhex(logged.tree), b"")

    def _differences(
        self, before: bytes | None, after: bytes | None, prefix: bytes
    ) -> Iterator[tuple[str, bytes | None, bytes | None]]:
        old, new = self._entries(before), self._entries(after)
        for key in sorted(old.keys() | new.keys()):
            was, now = old.get(key), new.get(key)
            if was == now:
                continue
            if key.endswith(b"/"):
                yield from self._differences(was, now, prefix + key)
            else:
                yield _text(prefix + key), self._content(was), self._content(now)

    def _content(self, blob: bytes | None) -> bytes | None:
        return None if blob is None else self._repository.read_object(blob)

    def _entries(self, folder: bytes | None) -> dict[bytes, bytes]:
        """Ids by name, in tree order; a folder's name ends with a `/`."""
        if folder is None:
            return {}
        tree = Tree.parse(self._repository.read_object(folder))
        return {key: entry[-20:] for key, entry in zip(tree.keys, tree.entries, strict=True)}

    def is_ancestor(self, older: str, newer: str) -> bool:
        try:
            self._commit(older)
            at: str | None = newer
            for _ in range(NEAR):
                if at is None or at == older:
                    return at is not None
                _, at = self._commit(at)
        except NotFound:
            return False
        wanted = older.encode() + b"\n"
        with self._repository.start("rev-list", "--first-parent", newer) as listing:
            assert listing.stdout is not None
            return any(line == wanted for line in listing.stdout)

    def fsck(self) -> list[str]:
        """Everything `git fsck --strict` finds wrong, a line each; empty if all is well."""
        for _ in range(_CHECKS - 1):
            before = set(self._repository.packs.glob("*.idx"))
            said = self._checked()
            # Git lists the packs when it begins, and misses what a merge has replaced since.
            if not said or before <= set(self._repository.packs.glob("*.idx")):
                return said
        return self._checked()

    def _checked(self) -> list[str]:
        with self._repository.start(
            "fsck", "--strict", "--full", "--no-dangling", "--no-progress", stderr=subprocess.STDOUT
        ) as checking:
            said = checking.communicate()[0].decode(errors="replace").splitlines()
        return (said or ["git fsck failed"]) if checking.returncode else []

    def _commit(self, name: str) -> tuple[LoggedCommit, str | None]:
        """The commit and its first parent."""
        try:
            kind, content = self._repository.attempt(lambda handle: handle.odb.read(name))
        except KeyError as error:
            raise NotFound("commit", name) from error
        if kind != pygit2.enums.ObjectType.COMMIT:
            raise NotFound("commit", name)
        return parse_commit(name, content)

    def _find(self, commit: str, path: str) -> tuple[bytes, bool] | None:
        """The id of what is at `path`, and whether it is a folder."""
        tree = self._commit(commit)[0].tree

        def descend(handle: pygit2.Repository) -> tuple[bytes, bool] | None:
            node = handle[tree]
            for name in path.split("/") if path else ():
                # Not node[path]: it says "no such entry" of a folder that cannot be read, too.
                if not isinstance(node, pygit2.Tree) or name not in node:
                    return None
                node = handle[node[name].id]
            return node.id.raw, isinstance(node, pygit2.Tree)

        try:
            return self._repository.attempt(descend)
        except KeyError as error:
            raise OSError(f"an object of {commit} is missing") from error


def _not_before(since: str | None, until: str) -> NotFound:
    return NotFound("commit", f"{since} before {until}")


def _text(path: bytes) -> str:
    return path.decode(errors="surrogateescape")
