"""Files on this machine's disk, laid out as Git LFS lays out its own.

`git lfs` in a clone of the registry's repository finds them there: objects at
`objects/ab/cd/<sha256>`, what is still being written in `tmp`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from muster.domain.errors import Invalid, NotFound, StorageFull, Unavailable
from muster.domain.records import Artifact

_CHECK_SPACE_EVERY: Final = 16 << 20


class DiskStore:
    """An `ArtifactStore` in the folder `lfs`.

    Writing stops before less than `min_free_bytes` are left on the disk, so that
    files never take the room that records and rollbacks need.
    """

    def __init__(self, lfs: Path, min_free_bytes: int = 0) -> None:
        self._objects = lfs / "objects"
        self._incoming = lfs / "tmp"
        self._min_free_bytes = min_free_bytes
        with _refusals():
            self._objects.mkdir(parents=True, exist_ok=True)
            self._incoming.mkdir(exist_ok=True)

    def put(self, chunks: Iterable[bytes], expected: str | None = None) -> Artifact:
        incoming = self._incoming / f"{os.getpid()}-{secrets.token_hex(8)}"
        try:
            sha256, size = self._receive(incoming, chunks)
            if expected is not None and sha256 != expected:
                raise Invalid.one("sha256", expected, f"must be the digest of the bytes sent ({sha256})")
            with _refusals():
                self._keep(incoming, sha256)
        finally:
            incoming.unlink(missing_ok=True)
        return Artifact("", size, sha256)

    def _receive(self, incoming: Path, chunks: Iterable[bytes]) -> tuple[str, int]:
        digest, size, checked = hashlib.sha256(), 0, 0
        self._check_space()
        with _refusals():
            file = incoming.open("xb", buffering=0)
        with file:
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                if size - checked >= _CHECK_SPACE_EVERY:
                    self._check_space()
                    checked = size
                with _refusals():
                    left = memoryview(chunk)
                    while left:
                        left = left[file.write(left) :]
            with _refusals():
                os.fchmod(file.fileno(), 0o444)
                os.fsync(file.fileno())
        return digest.hexdigest(), size

    def _keep(self, incoming: Path, sha256: str) -> None:
        place = self._place(sha256)
        for folder in (place.parent.parent, place.parent):
            if not folder.exists():
                folder.mkdir(exist_ok=True)
                _fsync_folder(folder.parent)
        # Also when it is there already: what is whole replaces what may be damaged.
        incoming.rename(place)
        _fsync_folder(place.parent)

    def _check_space(self) -> None:
        if self._min_free_bytes:
            disk = os.statvfs(self._objects)
            if disk.f_bavail * disk.f_frsize < self._min_free_bytes + _CHECK_SPACE_EVERY:
                raise StorageFull(f"the disk is full up to its reserve of {self._min_free_bytes} bytes")

    def _place(self, sha256: str) -> Path:
        return self._objects / sha256[:2] / sha256[2:4] / sha256

    def open(self, sha256: str) -> BinaryIO:
        try:
            return self._place(sha256).open("rb")
        except FileNotFoundError as error:
            raise NotFound("file", sha256) from error

    def path(self, sha256: str) -> Path:
        place = self._place(sha256)
        if not place.is_file():
            raise NotFound("file", sha256)
        return place

    def size(self, sha256: str) -> int | None:
        try:
            return self._place(sha256).stat().st_size
        except FileNotFoundError:
            return None

    def verify(self, sha256: str) -> bool:
        try:
            with self._place(sha256).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == sha256
        except FileNotFoundError:
            return False

    def digests(self) -> Iterator[str]:
        for _, _, names in os.walk(self._objects):
            yield from (name for name in names if len(name) == 64)

    def sweep(self) -> int:
        """Remove what a crash left half written, and say how many; nothing may be writing meanwhile."""
        litter = list(self._incoming.iterdir())
        for path in litter:
            path.unlink(missing_ok=True)
        return len(litter)


@contextmanager
def _refusals() -> Iterator[None]:
    """The disk's refusals as errors of the domain."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("the disk is full: the file was not stored") from error
        raise Unavailable(f"files cannot be stored: {error.strerror}") from error


def _fsync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
