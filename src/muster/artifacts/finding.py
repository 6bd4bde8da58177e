"""Files by their sha256 in folders that somebody else arranged, whatever they are called there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path


class Finder:
    """Looks in Git LFS stores first, where a name says what a file is, then in `folders` by content.

    Of `folders` only files are read whose size is that of a wanted one, each once.
    """

    def __init__(self, stores: Iterable[Path], folders: Iterable[Path]) -> None:
        self._stores = tuple(stores)
        self._folders = tuple(folders)
        self._by_size: dict[int, list[Path]] | None = None
        self._known: dict[str, Path] = {}

    def find(self, sha256: str, size: int) -> Path | None:
        """A file of that size and sha256; None if there is none that can be read."""
        for store in self._stores:
            place = store / "objects" / sha256[:2] / sha256[2:4] / sha256
            if _digest(place, size) == sha256:
                return place
        if sha256 not in self._known:
            for path in self._sized().pop(size, ()):
                if (found := _digest(path, size)) is not None:
                    self._known.setdefault(found, path)
        return self._known.get(sha256)

    def _sized(self) -> dict[int, list[Path]]:
        """The files in the folders by size, as long as they were not read."""
        if self._by_size is None:
            self._by_size = {}
            for top in self._folders:
                for folder, folders, names in os.walk(top):
                    folders[:] = [name for name in folders if name != ".git"]
                    for path in (Path(folder, name) for name in names):
                        if path.is_file():
                            self._by_size.setdefault(path.stat().st_size, []).append(path)
        return self._by_size


def _digest(path: Path, size: int) -> str | None:
    """Its sha256; None if it is not of that size, or cannot be read."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size != size:
                return None
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
