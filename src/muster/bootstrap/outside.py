"""What a home holds beside Git, the versions' files and what is made anew; and how it is read meanwhile."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Final

SECRETS: Final = "secrets"

_ELSEWHERE: Final = frozenset({"registry.git", "run", ".gitignore", "index.db"})
"""Kept another way, made anew, or of the running processes only."""
_UPLOADS: Final = "uploads"
_PASSING: Final = frozenset({"tmp", "gone", "parts"})  # of uploads: what no file goes by yet, or any more
_SQLITE: Final = b"SQLite format 3\0"
_BESIDE_SQLITE: Final = ("-wal", "-shm", "-journal")


def files(home: Path, *, secrets: bool) -> Iterator[Path]:
    """Every file to keep, relative to the home; those below `secrets` only if asked for.

    Whatever is in the home and is not known to be kept another way is kept.
    """
    for folder, folders, names in os.walk(home):
        at = Path(folder).relative_to(home)
        # Backwards: of a repository the references come before the objects that they need.
        folders[:] = sorted((n for n in folders if not _left_out(at / n, secrets=secrets)), reverse=True)
        yield from (at / name for name in sorted(names) if not _left_out(at / name, secrets=secrets))


def _left_out(path: Path, *, secrets: bool) -> bool:
    first, *rest = path.parts
    if first == _UPLOADS:  # where names are those of users
        return len(rest) == 1 and rest[0] in _PASSING
    return (
        first in _ELSEWHERE
        or (first == SECRETS and not secrets)
        or path.name.endswith(_BESIDE_SQLITE)
        # What is being written, to take the place of something else.
        or (first == SECRETS and path.name.startswith("."))
    )


@contextmanager
def steady(path: Path) -> Iterator[BinaryIO | None]:
    """The file as it is at one moment, with its mode, whoever writes to it; None if it went meanwhile."""
    with TemporaryDirectory(prefix="muster-") as folder:
        copy = Path(folder) / "copy"
        with suppress(FileNotFoundError):
            _copy(path, copy)
        if not copy.exists():
            yield None
            return
        with copy.open("rb") as file:
            yield file


def _copy(path: Path, copy: Path) -> None:
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode & 0o777
        # What replaces a file renames another into its place: an open one stays as it is.
        is_database = file.read(len(_SQLITE)) == _SQLITE
        if not is_database:
            file.seek(0)
            with copy.open("xb") as copied:
                shutil.copyfileobj(file, copied)
    if is_database:
        with closing(sqlite3.connect(path)) as database, closing(sqlite3.connect(copy)) as copied_database:
            database.backup(copied_database)
    copy.chmod(mode)
