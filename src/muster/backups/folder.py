"""A backup as a folder, which the next one into it only adds to.

manifest.json          what the folder holds; without it there is no whole backup
files/ab/cd/<sha256>   the versions' files; what is there already is not copied again
history/, kept/        by their sha256, too, so that a new one never overwrites an old one
lock                   held while a backup is made; says that the folder is one of ours

Until the new manifest has taken the place of the old one everything that the old one
names is there; then what only it named is removed.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from muster.backups.archive import Archive, Hashed, chunks, is_whole
from muster.backups.manifest import MANIFEST, Manifest, Part
from muster.backups.writing import fsync_folder, refusals
from muster.domain.errors import Conflict, Invalid, NotFound

_LOCK: Final = "lock"
_NEW: Final = ".new-"
_SEALED: Final = f"{_NEW}{MANIFEST}"
_OURS: Final = frozenset({MANIFEST, _LOCK, "files", "history", "kept"})


class FolderBackup:
    """The backup in the folder `path`, to read from."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, place: str) -> BinaryIO:
        try:
            return (self._path / place).open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise NotFound("part of the backup", place) from error


class FolderDraft:
    """A backup being made in the folder `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._named: set[Path] = set()

    def holds(self, part: Part) -> bool:
        try:
            there = (self._path / part.place).stat().st_size == part.size
        except OSError:
            return False
        return there and is_whole(FolderBackup(self._path), part)

    def add(self, place: str, file: BinaryIO) -> str:
        file.seek(0)
        goal, read = self._path / place, Hashed(file)
        with refusals(self._path):
            goal.parent.mkdir(parents=True, exist_ok=True)
            self._write(goal, chunks(read))
        return read.sha256

    def _write(self, goal: Path, content: Iterable[bytes]) -> None:
        fresh = goal.with_name(f"{_NEW}{secrets.token_hex(8)}")
        try:
            with fresh.open("xb") as written:
                os.fchmod(written.fileno(), 0o600)
                for chunk in content:
                    written.write(chunk)
                written.flush()
                os.fsync(written.fileno())
            fresh.rename(goal)
        finally:
            fresh.unlink(missing_ok=True)

    @contextmanager
    def seal(self, manifest: Manifest) -> Iterator[Archive]:
        self._named = {self._path / part.place for part in manifest.parts()}
        with refusals(self._path):
            for folder in {parent for place in self._named for parent in _between(place, self._path)}:
                fsync_folder(folder)
            self._write(self._path / _SEALED, [manifest.encoded()])
        yield FolderBackup(self._path)

    def publish(self) -> None:
        with refusals(self._path):
            (self._path / _SEALED).rename(self._path / MANIFEST)
            fsync_folder(self._path)
            self._remove_all_but(self._named)

    def _remove_all_but(self, kept: set[Path]) -> None:
        """What only the backup before had, and what a killed one left."""
        for name in ("files", "history", "kept"):
            for folder, _, names in os.walk(self._path / name, topdown=False):
                for path in (Path(folder, each) for each in names):
                    if path not in kept:
                        path.unlink()
                if not os.listdir(folder):
                    os.rmdir(folder)


@contextmanager
def drafted(path: Path) -> Iterator[FolderDraft]:
    """The folder as a place for a backup, made if it is not there, while nobody else backs up into it.

    Raises:
        Invalid: it holds something else.
        Conflict: another backup into it goes on.
    """
    there = (
        {each.name for each in path.iterdir() if not each.name.startswith(_NEW)} if path.exists() else set()
    )
    if there - _OURS or (there and _LOCK not in there and not {MANIFEST, "history"} <= there):
        others = ", ".join(sorted(there - _OURS or there)[:5])
        raise Invalid.one("--to", str(path), f"must be empty, or hold a backup (it holds {others})")
    with refusals(path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (path / _LOCK).open("a")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(f"another backup into {path} goes on") from error
        yield FolderDraft(path)


def _between(place: Path, top: Path) -> Iterator[Path]:
    """The folders from that of `place` up to `top`."""
    while place != top:
        place = place.parent
        yield place
