"""Files on this machine's disk, laid out as Git LFS lays out its own.

`git lfs` in a clone of the registry's repository finds them there: objects at
`objects/ab/cd/<sha256>`, what is still being written in `tmp`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from muster.artifacts.holds import Holds
from muster.artifacts.writing import Incoming, fsync_folder, make_folders, refusals
from muster.domain.errors import Invalid, NotFound
from muster.domain.records import Artifact


class DiskStore:
    """An `ArtifactStore` in the folder `lfs`; for `min_free_bytes` see `Incoming`."""

    def __init__(self, lfs: Path, min_free_bytes: int = 0) -> None:
        self._objects = lfs / "objects"
        with refusals():
            self._objects.mkdir(parents=True, exist_ok=True)
        self._incoming = Incoming(lfs / "tmp", min_free_bytes)
        self._holds = Holds(lfs / "holds")

    def put(self, chunks: Iterable[bytes], expected: str | None = None) -> Artifact:
        with self._incoming.written(chunks) as file:
            if expected is not None and file.sha256 != expected:
                raise Invalid.one("sha256", expected, f"must be the digest of the bytes sent ({file.sha256})")
            with self._holds.held(file.sha256), refusals():
                place = self._place(file.sha256)
                make_folders(place.parent, self._objects)
                # Also when it is there already: what is whole replaces what may be damaged.
                file.path.rename(place)
                fsync_folder(place.parent)
        return Artifact("", file.size, file.sha256)

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

    def bringing(self) -> AbstractContextManager[None]:
        return self._holds.bringing()

    def remove(self, sha256: str, used: Callable[[], bool]) -> bool:
        place = self._place(sha256)
        with self._holds.alone(sha256):
            if used():
                return False
            with refusals():
                place.unlink(missing_ok=True)
                if place.parent.is_dir():
                    fsync_folder(place.parent)
        return True

    def sweep(self) -> int:
        """Remove what a crash left half written, and say how many; nothing may be writing meanwhile."""
        return self._incoming.sweep()
