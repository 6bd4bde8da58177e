"""Bytes onto this machine's disk: whole and fsynced, or not at all, and never into the reserve."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from muster.domain.errors import StorageFull, Unavailable

_CHECK_SPACE_EVERY: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is whole and durable, at a place of its own for the moment."""

    path: Path
    size: int
    sha256: str


class Incoming:
    """A folder in which files are written before they get their place.

    Writing stops before less than `min_free_bytes` are left on the disk, so that
    files never take the room that records and rollbacks need.
    """

    def __init__(self, folder: Path, min_free_bytes: int) -> None:
        self._folder = folder
        self._min_free_bytes = min_free_bytes
        with refusals():
            folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def written(self, chunks: Iterable[bytes]) -> Iterator[Written]:
        """The chunks as a file, read-only; what was not renamed is gone afterwards.

        Raises:
            StorageFull: the disk is full or at its reserve.
        """
        path = self._folder / f"{os.getpid()}-{secrets.token_hex(8)}"
        try:
            yield self._write(path, chunks)
        finally:
            path.unlink(missing_ok=True)

    def _write(self, path: Path, chunks: Iterable[bytes]) -> Written:
        digest, size, checked = hashlib.sha256(), 0, 0
        self._check_space()
        with refusals():
            file = path.open("xb", buffering=0)
        with file:
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                if size - checked >= _CHECK_SPACE_EVERY:
                    self._check_space()
                    checked = size
                with refusals():
                    left = memoryview(chunk)
                    while left:
                        left = left[file.write(left) :]
            with refusals():
                os.fchmod(file.fileno(), 0o444)
                os.fsync(file.fileno())
        return Written(path, size, digest.hexdigest())

    def _check_space(self) -> None:
        if self._min_free_bytes:
            disk = os.statvfs(self._folder)
            if disk.f_bavail * disk.f_frsize < self._min_free_bytes + _CHECK_SPACE_EVERY:
                raise StorageFull(f"the disk is full up to its reserve of {self._min_free_bytes} bytes")

    def sweep(self) -> int:
        """Remove what a crash left half written, and say how many; nothing may be writing meanwhile."""
        litter = list(self._folder.iterdir())
        for path in litter:
            path.unlink(missing_ok=True)
        return len(litter)


@contextmanager
def refusals() -> Iterator[None]:
    """The disk's refusals as errors of the domain."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("the disk is full: the file was not stored") from error
        raise Unavailable(f"files cannot be stored: {error.strerror}") from error


def make_folders(folder: Path, below: Path) -> None:
    """Make `folder`, durably, and those between it and `below`, which is there."""
    if folder == below or folder.is_dir():
        return
    make_folders(folder.parent, below)
    folder.mkdir(exist_ok=True)
    fsync_folder(folder.parent)


def fsync_folder(path: Path) -> None:
    """Make what was created, renamed or removed in the folder `path` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
