"""The branch's lock, taken and let go the way Git does it.

`refs/heads/main.lock`, made with O_EXCL, keeps every other writer of the branch
out, `git push` and `git update-ref` among them; it holds the new commit id and
becomes the branch by a rename (gitrepository-layout(5), api-lockfile). On ours is
an flock(2) as long as its process lives, so that one who was killed is soon in
nobody's way.

Not through libgit2, whose two fsyncs of a reference hold the interpreter's lock:
they took a sixth of its time under writing clients, and no read went on meanwhile.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from muster.domain.errors import OutcomeUnknown
from muster.gitstore.repository import BRANCH, Repository, fsync_folder
from muster.service.values import HeadMoved

_WAITS_S: Final = (0.01, 0.03, 0.1, 0.3, 0.7)
# How old a lock gets before nobody is believed to live who holds it.
_WRITTEN_BYTES: Final = 41
_WRITTEN_BEARS_S: Final = 1
_OTHER_BEARS_S: Final = 30


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
    lock = str(repository.path / f"{BRANCH}.lock")
    descriptor = _taken(lock)
    inode = os.fstat(descriptor).st_ino
    try:
        if repository.head() != expected:
            raise HeadMoved(BRANCH)
        yield LockedBranch(repository, descriptor)
    finally:
        with suppress(FileNotFoundError):
            # Once it has become the branch, a lock there is somebody else's.
            if os.stat(lock).st_ino == inode:
                os.unlink(lock)
        os.close(descriptor)


def _taken(lock: str) -> int:
    """The lock as an open file; waits a little while another program moves the branch."""
    for wait_s in (*_WAITS_S, None):
        try:
            descriptor = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            if wait_s is not None:
                time.sleep(wait_s)
                _remove_if_abandoned(lock)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            return descriptor
    raise OSError(errno.EBUSY, f"the branch could not be moved: another program holds {lock}")


def remove_left_lock(repository: Repository) -> list[Path]:
    """At a start: remove the lock that a killed process left, and say so.

    One that says where the branch is to be goes at once: a living Git holds such a
    one for an instant. An empty one is what `git pack-refs` holds.
    """
    lock = repository.path / f"{BRANCH}.lock"
    return [lock] if _remove_if_abandoned(str(lock), written_bears_s=0) else []


def _remove_if_abandoned(lock: str, written_bears_s: float = _WRITTEN_BEARS_S) -> bool:
    """Remove the lock of a process that was killed while it moved the branch; whether it was one."""
    with suppress(FileNotFoundError), open(lock, "rb") as file:
        found = os.fstat(file.fileno())
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False  # one of ours, and it lives
        # A living Git, which takes no flock, moves the branch at once when it has written.
        bears_s = written_bears_s if found.st_size == _WRITTEN_BYTES else _OTHER_BEARS_S
        if time.time() - found.st_mtime > bears_s and os.stat(lock).st_ino == found.st_ino:
            os.unlink(lock)
            return True
    return False
