"""The branch's lock, taken and let go the way Git does it.

`refs/heads/main.lock`, which must not be there before, keeps every other writer of
the branch out, `git push` and `git update-ref` among them; it holds the new commit
id and becomes the branch by a rename (gitrepository-layout(5), api-lockfile).

Ours has a second name, and as long as its process lives an flock(2) on it: so one
whose process was killed is known at once, and is in nobody's way.

Not through libgit2, whose two fsyncs of a reference hold the interpreter's lock:
they took a sixth of its time under writing clients, and no read went on meanwhile.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from muster.domain.errors import OutcomeUnknown
from muster.gitstore.repository import BRANCH, TEMPORARY, Repository, fsync_folder
from muster.service.values import HeadMoved

_WAITS_S: Final = (0.01, 0.03, 0.1, 0.3)
_ABANDONED_AFTER_S: Final = 30  # a living Git has the lock for milliseconds


class LockedBranch:
    """The branch while nobody else can move it. `descriptor` is the open lock file, for a fsync."""

    def __init__(self, repository: Repository, descriptor: int) -> None:
        self._ref = repository.path / BRANCH
        self._lock = self._ref.with_name(f"{self._ref.name}.lock")
        self.descriptor = descriptor

    def write(self, commit: str) -> None:
        """Put where the branch is to be into the lock. It must be fsynced before `move`."""
        os.write(self.descriptor, f"{commit}\n".encode())

    def move(self) -> None:
        """The branch is where the lock says, durably.

        Raises:
            OSError: it was not moved.
            OutcomeUnknown: it was, but perhaps not durably.
        """
        self._lock.rename(self._ref)
        try:
            fsync_folder(self._ref.parent)
        except OSError as error:
            raise OutcomeUnknown(f"the branch moved, but perhaps not durably: {error}") from error


@contextmanager
def locked(repository: Repository, expected: str | None) -> Iterator[LockedBranch]:
    """The branch's lock, with the branch at `expected`; let go at the end, whatever happened.

    Raises:
        HeadMoved: the branch is elsewhere.
        OSError: the lock cannot be had.
    """
    lock = (repository.path / BRANCH).with_name("main.lock")
    second = repository.packs / f"{TEMPORARY}{os.getpid()}_{secrets.token_hex(8)}_lock"
    descriptor = os.open(second, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644)
    inode = os.fstat(descriptor).st_ino
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _take(second, lock)
        if repository.head() != expected:
            raise HeadMoved(BRANCH)
        yield LockedBranch(repository, descriptor)
    finally:
        with suppress(FileNotFoundError):
            # Once it has become the branch, a lock there is somebody else's.
            if os.stat(lock).st_ino == inode:
                lock.unlink()
        second.unlink(missing_ok=True)
        os.close(descriptor)


def _take(second: Path, lock: Path) -> None:
    """Give the file `second` the name `lock`; waits a little while another program moves the branch."""
    for wait_s in (0, *_WAITS_S):
        time.sleep(wait_s)
        _remove_if_abandoned(lock)
        with suppress(FileExistsError):
            lock.hardlink_to(second)
            return
    raise OSError(errno.EBUSY, f"the branch could not be moved: another program holds {lock}")


def _remove_if_abandoned(lock: Path) -> None:
    """Remove the lock of a process that was killed while it moved the branch."""
    with suppress(FileNotFoundError), lock.open("rb") as file:
        found = os.fstat(file.fileno())
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        # Git's own has one name and no flock, so only its age says that nobody lives who holds it.
        abandoned = found.st_nlink > 1 or time.time() - found.st_mtime > _ABANDONED_AFTER_S
        if abandoned and lock.stat().st_ino == found.st_ino:  # nobody was faster
            lock.unlink()
