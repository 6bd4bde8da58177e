"""Where a backup is or is to be: a folder, or one file whose name ends in `.tar`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from muster.backups import folder, tar
from muster.backups.archive import Archive, Draft
from muster.backups.manifest import MANIFEST, Manifest, decoded
from muster.domain.errors import Invalid, NotFound

_FILE: Final = ".tar"


@contextmanager
def drafted(path: Path) -> Iterator[Draft]:
    """A backup to be made there; without `publish` there is none.

    Raises:
        Invalid: something else is there.
        Conflict: another backup is being made there.
        Unavailable: it cannot be written.
    """
    if path.name.endswith(_FILE) and not path.is_dir():
        with tar.drafted(path) as file:
            yield file
    elif path.exists() and not path.is_dir():
        raise Invalid.one("--to", str(path), f"must be a folder, or the name of a file in {_FILE}")
    else:
        with folder.drafted(path) as draft:
            yield draft


@contextmanager
def opened(path: Path) -> Iterator[tuple[Archive, Manifest]]:
    """The backup that is there, and what it says that it holds.

    Raises:
        NotFound: nothing is there.
        Invalid: it is no backup, or one that was never finished.
    """
    if not path.exists():
        raise NotFound("backup", str(path))
    if path.is_dir():
        archive = folder.FolderBackup(path)
        yield archive, _manifest(archive, path)
        return
    with tar.unpacked(path) as unpacked:
        yield unpacked, _manifest(unpacked, path)


def _manifest(archive: Archive, path: Path) -> Manifest:
    try:
        with archive.open(MANIFEST) as file:
            return decoded(file.read())
    except NotFound:
        rule = f"must be a whole backup (there is no {MANIFEST}: it was never finished, or is something else)"
        raise Invalid.one("backup", str(path), rule) from None
