"""A backup as one file: a tar archive, uncompressed, in which the manifest is the last member.

It is written beside its place and renamed once it is whole. Any tar can unpack it, and
the folder that this gives is a backup, too.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, BinaryIO, Final, cast

from muster.backups.archive import Archive, Hashed
from muster.backups.manifest import MANIFEST, Manifest, Part
from muster.backups.writing import fsync_folder, refusals
from muster.domain.errors import Invalid, NotFound

_UNFINISHED: Final = ".unfinished"


class TarBackup:
    """The backup in an open tar archive, to read from."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._members = {member.name: member for member in archive if member.isfile()}

    def open(self, place: str) -> BinaryIO:
        if place not in self._members:
            raise NotFound("part of the backup", place)
        return cast(BinaryIO, self._archive.extractfile(self._members[place]))


@contextmanager
def unpacked(path: Path) -> Iterator[TarBackup]:
    """The backup in the file `path`.

    Raises:
        Invalid: it is no tar archive, or a part of one.
    """
    try:
        with tarfile.open(path, "r:") as archive:
            yield TarBackup(archive)
    except (tarfile.TarError, EOFError) as error:
        raise Invalid.one("backup", str(path), f"must be a whole tar archive ({error})") from error


class TarDraft:
    """A backup that is written to `file` at `path`, new and open as `archive`, and is to be at `goal`."""

    def __init__(self, archive: tarfile.TarFile, file: IO[bytes], path: Path, goal: Path) -> None:
        self._archive, self._file, self._path, self._goal = archive, file, path, goal

    def holds(self, _: Part) -> bool:
        return False

    def add(self, place: str, file: BinaryIO) -> str:
        member = tarfile.TarInfo(place)
        member.size = file.seek(0, os.SEEK_END)
        member.mode = 0o600
        file.seek(0)
        read = Hashed(file)
        with refusals(self._goal):
            self._archive.addfile(member, read)
        return read.sha256

    @contextmanager
    def seal(self, manifest: Manifest) -> Iterator[Archive]:
        self.add(MANIFEST, BytesIO(manifest.encoded()))
        with refusals(self._goal):
            self._archive.close()
            self._file.flush()
            os.fsync(self._file.fileno())
        with unpacked(self._path) as archive:
            yield archive

    def publish(self) -> None:
        with refusals(self._goal):
            self._path.rename(self._goal)
            fsync_folder(self._goal.parent)


@contextmanager
def drafted(goal: Path) -> Iterator[TarDraft]:
    """A new backup to be the file `goal`, in the place of a backup that may be there.

    Raises:
        Invalid: the folder that it is to be in is not there.
        Unavailable: it cannot be written.
    """
    if not goal.parent.is_dir():
        raise Invalid.one("--to", str(goal), "must be in a folder that is there")
    path = goal.with_name(f"{goal.name}{_UNFINISHED}")
    with refusals(goal):
        path.unlink(missing_ok=True)  # of one that was killed
        file = path.open("xb")
    try:
        with file, tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
            os.fchmod(file.fileno(), 0o600)
            yield TarDraft(archive, file, path, goal)
    finally:
        path.unlink(missing_ok=True)
