"""The registry's branch: commits made durable, then the branch moved by compare-and-swap."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from muster.gitstore.branch import LockedBranch, locked
from muster.gitstore.commits import CommitBuilder, Commits
from muster.gitstore.repository import KEPT, TEMPORARY, Repository, fsync_folder
from muster.service.ports import Building, Built

CRASH_POINTS: Final = (
    "publish-began",
    "lock-written",
    "pack-written",
    "pack-synced",
    "pack-renamed",
    "idx-renamed",
    "folder-synced",
    "ref-moved",
)
"""Where `crash` is called, in this order, each time something is published."""


def _no_crash(point: str) -> None:
    """What `crash` is outside tests."""


class Builder(Protocol):
    """Makes objects of commits, here or in a process beside."""

    def begin(self, parent: str | None) -> Building: ...


class GitStore:
    """A `Publisher`: one pack a batch, then the branch.

    `crash` is called with each of `CRASH_POINTS` between two steps, so that a
    test can end the process there. One thread at a time builds and publishes;
    several processes may. Without a `builder` it builds in this process.
    """

    def __init__(
        self,
        repository: Repository,
        crash: Callable[[str], None] = _no_crash,
        builder: Builder | None = None,
    ) -> None:
        self._repository = repository
        self._builder = builder or CommitBuilder(repository.read_object)
        self._crash = crash
        self._syncing = ThreadPoolExecutor(2, "fsync")

    def head(self) -> str | None:
        return self._repository.head()

    def begin(self, parent: str | None) -> Building:
        return self._builder.begin(parent)

    def publish(self, expected: str | None, built: Built) -> None:
        if not isinstance(built, Commits):
            raise TypeError(f"not built here: {built!r}")
        if not built.ids:
            return
        self._crash("publish-began")
        # The lock first: who is too late hears of it before anything is written.
        kept = self._repository.packs / f"pack-{built.packed.name}.keep"
        with locked(self._repository, expected) as branch, _kept(kept):
            branch.write(built.ids[-1])
            self._crash("lock-written")
            self._write(built, branch)
            branch.move()
            self._crash("ref-moved")

    def _write(self, built: Commits, branch: LockedBranch) -> None:
        """The pack and its idx, durable and in their places; the lock's content durable too.

        A pack that is never referred to stays as litter. It may not be removed: a
        repack that runs at this moment may count on it.
        """
        folder, packed = self._repository.packs, built.packed
        # Not named *.pack: a repack takes up whatever is.
        unique = f"{TEMPORARY}{os.getpid()}_{secrets.token_hex(8)}"
        pack, idx = folder / f"{unique}_pack", folder / f"{unique}_idx"
        try:
            with _written(pack, packed.pack) as pack_file, _written(idx, packed.idx) as idx_file:
                self._crash("pack-written")
                # At once: a disk syncs three files in little more than the time of one.
                beside = self._syncing.map(os.fsync, (idx_file, branch.descriptor))
                try:
                    os.fsync(pack_file)
                finally:
                    list(beside)  # waited for: their descriptors are about to be closed
                self._crash("pack-synced")
            # If they are there already they have the same bytes: the name is their checksum.
            pack.rename(folder / f"pack-{packed.name}.pack")
            self._crash("pack-renamed")
            idx.rename(folder / f"pack-{packed.name}.idx")
        except OSError:
            pack.unlink(missing_ok=True)
            idx.unlink(missing_ok=True)
            raise
        self._crash("idx-renamed")
        fsync_folder(folder)
        self._crash("folder-synced")


@contextmanager
def _kept(path: Path) -> Iterator[None]:
    """Mark the pack of that name as not to be removed, as Git does while it takes a push.

    Until the branch has moved nothing refers to it, and a `git repack -a -d` that
    somebody runs by hand would take it for superfluous.
    """
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o444)
    except FileExistsError:
        yield  # somebody else's mark, which stays
        return
    try:
        os.write(descriptor, KEPT)
        os.close(descriptor)
        yield
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _written(path: Path, content: bytes) -> Iterator[int]:
    """A new file with `content`, open, not synced yet."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o444)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        yield descriptor
    finally:
        os.close(descriptor)
