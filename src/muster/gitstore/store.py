"""The registry's branch: commits made durable, then the branch moved by compare-and-swap."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import pygit2

from muster.domain.errors import OutcomeUnknown
from muster.gitstore.commits import CommitBuilder, Commits
from muster.gitstore.repository import BRANCH, Repository, fsync_folder
from muster.service.ports import Built, HeadMoved, NewCommit

CRASH_POINTS: Final = (
    "publish-began",
    "pack-written",
    "idx-written",
    "pack-renamed",
    "idx-renamed",
    "folder-synced",
    "ref-moved",
)
"""Where `crash` is called, in this order, each time something is published."""

TEMPORARY: Final = "tmp_muster_"


_LOCK_WAITS_S: Final = (0.01, 0.03, 0.1, 0.3)
_ABANDONED_AFTER_S: Final = 30  # whoever lives has the lock for milliseconds


def _no_crash(point: str) -> None:
    """What `crash` is outside tests."""


class GitStore:
    """A `Publisher`: one pack a batch, then the branch.

    `crash` is called with each of `CRASH_POINTS` between two steps, so that a
    test can end the process there. One thread at a time builds and publishes;
    several processes may.
    """

    def __init__(self, repository: Repository, crash: Callable[[str], None] = _no_crash) -> None:
        self._repository = repository
        self._builder = CommitBuilder(repository.read_object)
        self._crash = crash

    def head(self) -> str | None:
        return self._repository.head()

    def build(self, parent: str | None, commits: Sequence[NewCommit]) -> Commits:
        return self._builder.build(parent, commits)

    def publish(self, expected: str | None, built: Built) -> None:
        if not isinstance(built, Commits):
            raise TypeError(f"not built here: {built!r}")
        if not built.ids:
            return
        if self.head() != expected:
            raise HeadMoved(BRANCH)
        self._crash("publish-began")
        self._write(built)
        self._move(expected, built.ids[-1])

    def _write(self, built: Commits) -> None:
        """Pack, then idx: a pack without one is invisible, and swept at the next start.

        A pack that is never referred to stays as litter. It may not be removed: a
        repack that runs at this moment may count on it.
        """
        folder, packed = self._repository.packs, built.packed
        # Not named *.pack: a repack takes up whatever is.
        unique = f"{TEMPORARY}{os.getpid()}_{secrets.token_hex(8)}"
        pack, idx = folder / f"{unique}_pack", folder / f"{unique}_idx"
        try:
            _write_durably(pack, packed.pack)
            self._crash("pack-written")
            _write_durably(idx, packed.idx)
            self._crash("idx-written")
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

    def _move(self, expected: str | None, last: str) -> None:
        for wait_s in (*_LOCK_WAITS_S, 0):
            try:
                self._swap(expected, last)
            except (pygit2.GitError, KeyError, ValueError, OSError) as error:
                # An OSError is mostly the branch's lock file: another program is just moving it.
                if isinstance(error, OSError) and wait_s:
                    time.sleep(wait_s)
                    self._remove_abandoned_lock()
                    continue
                self._establish(expected, last, error)
            break
        self._crash("ref-moved")

    def _remove_abandoned_lock(self) -> None:
        """Let a process that was killed while it moved the branch be in nobody's way."""
        lock = self._repository.path / f"{BRANCH}.lock"
        with suppress(FileNotFoundError):
            if time.time() - lock.stat().st_mtime > _ABANDONED_AFTER_S:
                lock.unlink()

    def _swap(self, expected: str | None, last: str) -> None:
        """Compare and swap; libgit2 fsyncs the file and its folder (`enable_fsync_gitdir`)."""
        handle = self._repository.handle()
        if expected is None:
            handle.create_reference_direct(BRANCH, last, False)
            return
        reference = handle.lookup_reference(BRANCH)
        if str(reference.target) != expected:
            raise HeadMoved(BRANCH)
        # libgit2 compares with what this reference was when it was looked up.
        reference.set_target(last)

    def _establish(self, expected: str | None, last: str, error: Exception) -> None:
        """After moving the branch failed with `error`: find out where it is, and return only if it moved."""
        try:
            now = self.head()
        except OSError as unreadable:
            raise OutcomeUnknown(f"moving the branch failed, and then reading it: {error}") from unreadable
        if now == expected:
            raise OSError(f"the branch could not be moved: {error}") from error
        if now != last:
            raise HeadMoved(BRANCH) from error
        path = self._repository.path / BRANCH
        try:
            with path.open("rb") as file:
                os.fsync(file.fileno())
            fsync_folder(path.parent)
        except OSError as unsynced:
            raise OutcomeUnknown(f"the branch moved, but perhaps not durably: {error}") from unsynced


def _write_durably(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o444)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
