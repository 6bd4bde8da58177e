"""A home made of what was kept elsewhere: as a whole, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from muster.artifacts.disk import DiskStore
from muster.artifacts.writing import fsync_folder
from muster.backups.archive import chunks
from muster.backups.manifest import Missing
from muster.bootstrap.needs import Need
from muster.domain.errors import Incomplete, Invalid
from muster.gitstore.history import GitHistory
from muster.gitstore.repository import Repository
from muster.gitstore.store import GitStore
from muster.index.store import SqlIndex
from muster.service.follow import Follower

UNFINISHED: Final = "restoring"
"""The folder in which it is made: as long as it is there the home is no registry, nor a place for one."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a registry is made of, what is missing, and what it needs beside.

    `missing` are files that its history names; `damaged` are files of the home that the
    backup should hold. `notes` are sentences on where it came from.
    """

    source: str
    head: str
    changes: int
    files: int
    size: int
    missing: tuple[Missing, ...] = ()
    damaged: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    notes: tuple[str, ...] = ()

    def view(self) -> dict[str, object]:
        """As JSON; `size` is in bytes."""
        return {
            "source": self.source,
            "head": self.head,
            "changes": self.changes,
            "files": self.files,
            "size": self.size,
            "missing": [
                {"sha256": each.sha256, "size": each.size, "paths": list(each.paths)} for each in self.missing
            ],
            "damaged": list(self.damaged),
            "needs": [need.view() for need in self.needs],
            "notes": list(self.notes),
        }

    def require(self, *, allow_missing: bool) -> None:
        """Raises Incomplete: not all is there that the home held, nor may it be so."""
        lacking = [f"files of versions ({len(self.missing):,})"] if self.missing else []
        lacking += self.damaged
        if lacking and not allow_missing:
            raise Incomplete(
                f"missing in {self.source}: {', '.join(lacking)}. Nothing was touched", self.view()
            )


def require_empty(home: Path) -> None:
    """Raises Invalid: there is something in the home."""
    if home.exists() and not home.is_dir():
        raise Invalid.one("home", str(home), "must be a folder")
    if home.exists() and (there := sorted(each.name for each in home.iterdir())):
        left = " (left by a restore that was killed: remove it)" if there == [UNFINISHED] else ""
        rule = f"must be empty or not there yet; it holds {', '.join(there[:5])}{left}"
        raise Invalid.one("home", str(home), rule)


@contextmanager
def building(home: Path) -> Iterator[Path]:
    """A folder to put a new home's content into; it becomes `home` at the end, or is gone if that fails.

    Raises:
        Invalid: there is something in the home.
    """
    require_empty(home)
    was_there = home.exists()
    place = home / UNFINISHED
    place.mkdir(parents=True)
    try:
        yield place
        # The repository last: with it the folder is a registry.
        for entry in sorted(place.iterdir(), key=lambda entry: entry.name == "registry.git"):
            entry.rename(home / entry.name)
        place.rmdir()
        fsync_folder(home)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        if not was_there and not os.listdir(home):
            home.rmdir()
        raise


def fill(
    place: Path,
    history: Callable[[Repository], None],
    files: Iterable[tuple[str, Callable[[], BinaryIO]]],
) -> None:
    """Put a registry into `place`: a repository that `history` fills, files by sha256, an index.

    Raises:
        Invalid: a file is not what its sha256 says.
        StorageFull: the disk is full.
        Unavailable: the history is not whole, or Muster did not write all of it.
    """
    repository = Repository(place / "registry.git")
    history(repository)
    store = DiskStore(repository.path / "lfs")
    for sha256, opened in files:
        with opened() as file:
            store.put(chunks(file), expected=sha256)
    with closing(SqlIndex(place / "index.db")) as index:
        Follower(GitStore(repository), GitHistory(repository), index).catch_up()
