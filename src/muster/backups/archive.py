"""What is asked of a backup, whichever form it has, and whether it holds what it says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import BinaryIO, Final, Protocol

from muster.backups.manifest import Manifest, Part
from muster.domain.errors import NotFound

CHUNK_BYTES: Final = 1 << 20


class Archive(Protocol):
    """A backup to read from."""

    def open(self, place: str) -> BinaryIO:
        """The bytes at that place. Raises NotFound."""
        ...


class Draft(Protocol):
    """A backup in the making, which nothing takes for one until it is published."""

    def holds(self, part: Part) -> bool:
        """Whether a backup before left these bytes there, whole; reads all of them."""
        ...

    def add(self, place: str, file: BinaryIO) -> str:
        """Keep the bytes of `file`, which can be sought in, at that place; their sha256 is the answer.

        What is there already is replaced.

        Raises:
            StorageFull: the disk is full.
            Unavailable: it cannot be written.
        """
        ...

    def seal(self, manifest: Manifest) -> AbstractContextManager[Archive]:
        """All that was added is durable, and can be read; no more may be added. Raises as `add`."""
        ...

    def publish(self) -> None:
        """From now on it is a backup, in the place of the one before. Raises as `add`."""
        ...


def is_whole(archive: Archive, part: Part) -> bool:
    """Whether the bytes are there and are those; reads all of them."""
    try:
        with archive.open(part.place) as file:
            return sha256_of(file) == part.sha256
    except (NotFound, OSError):
        return False


class Hashed:
    """A file that is read once, and the sha256 of what was read of it."""

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._file.read(size)
        self._digest.update(chunk)
        return chunk

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


class Readable(Protocol):
    """What can be read piece by piece."""

    def read(self, size: int = -1, /) -> bytes: ...


def chunks(file: Readable) -> Iterator[bytes]:
    """All that is left in it, piece by piece."""
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def sha256_of(file: Readable) -> str:
    """That of all that is left in it."""
    read = Hashed(file)
    for _ in chunks(read):
        pass
    return read.sha256
