"""One bare repository of ours: making it, and opening it in this process.

What the user's or the system's Git configuration says has no effect here.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

import pygit2
from pygit2.enums import ConfigLevel

from muster.gitstore.program import GitFolder

BRANCH: Final = "refs/heads/main"
TEMPORARY: Final = "tmp_muster_"
"""How the names begin of what is being written in the folder of the packs."""
KEPT: Final = b"until the branch has moved\n"
"""What our mark on a pack says that nothing refers to yet."""

_CONFIG: Final[Mapping[str, str]] = {
    "core.fsync": "all",
    "core.logAllRefUpdates": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "receive.autogc": "false",
    "receive.fsckObjects": "true",
    "receive.unpackLimit": "1",  # packs only: nobody gathers loose objects
    "repack.writeBitmaps": "false",
    "uploadpack.allowFilter": "true",
}

# With more packs than file descriptors libgit2 calls objects missing.
_OPEN_PACKS = 128
_OBJECT_CACHE_BYTES = 16 << 20

T = TypeVar("T")


def _isolate() -> None:
    """Set libgit2 (it has these once a process) free of its surroundings."""
    settings = pygit2.settings
    for level in (ConfigLevel.PROGRAMDATA, ConfigLevel.SYSTEM, ConfigLevel.XDG, ConfigLevel.GLOBAL):
        settings.search_path[level] = ""
    settings.owner_validation = False
    settings.mwindow_file_limit = _OPEN_PACKS
    settings.cache_max_size(_OBJECT_CACHE_BYTES)
    settings.enable_fsync_gitdir(True)


def fsync_folder(path: Path) -> None:
    """Make the names in that folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Repository(GitFolder):
    """The bare repository at `path`, with one libgit2 handle a thread.

    Raises:
        OSError: it cannot be made or opened.
    """

    def __init__(self, path: Path) -> None:
        _isolate()
        super().__init__(path)
        self._local = threading.local()
        self._generation = 0
        if not (self.path / "HEAD").exists():
            self._create()
        config = self.handle().config
        for key, value in _CONFIG.items():
            if key not in config or config[key] != value:
                config[key] = value

    def _create(self) -> None:
        try:
            pygit2.init_repository(self.path, bare=True, initial_head=BRANCH.removeprefix("refs/heads/"))
        except pygit2.GitError as error:
            raise OSError(f"no repository could be made at {self.path}: {error}") from error
        for folder, _, files in os.walk(self.path):
            for name in files:
                with open(os.path.join(folder, name), "rb") as file:
                    os.fsync(file.fileno())
            fsync_folder(Path(folder))
        fsync_folder(self.path.parent)

    @property
    def packs(self) -> Path:
        """The folder of the packs."""
        return self.path / "objects" / "pack"

    def handle(self) -> pygit2.Repository:
        """This thread's handle; a new one after `renew`."""
        generation, handle = getattr(self._local, "held", (-1, None))
        if handle is None or generation != self._generation:
            generation = self._generation
            try:
                handle = pygit2.Repository(str(self.path))
            except pygit2.GitError as error:
                raise OSError(f"not a Git repository: {self.path}: {error}") from error
            self._local.held = (generation, handle)
        return handle

    @property
    def generation(self) -> int:
        """How often `renew` was called."""
        return self._generation

    def renew(self) -> None:
        """Have every thread open the repository again: a handle keeps packs open that were replaced."""
        self._generation += 1

    def attempt(self, work: Callable[[pygit2.Repository], T]) -> T:
        """What `work` answers; a second time with a new handle if it misses an object or fails.

        An open handle may know only packs that a repack has just removed.

        Raises:
            KeyError: what was asked for is not there.
            OSError: it could not be read.
        """
        try:
            return work(self.handle())
        except (KeyError, ValueError, OSError, pygit2.GitError):
            self._local.held = (-1, None)
        try:
            return work(self.handle())
        except KeyError:
            raise
        except (ValueError, pygit2.GitError) as error:
            raise OSError(f"the repository could not be read: {error}") from error

    def read_object(self, name: bytes) -> bytes:
        """An object's content by its 20-byte id.

        Raises:
            OSError: it is missing or could not be read.
        """
        try:
            content: bytes = self.attempt(lambda handle: handle.odb.read(name.hex())[1])
        except KeyError as error:
            raise OSError(f"object {name.hex()} is missing") from error
        return content

    def head(self) -> str | None:
        """The branch's commit, read anew."""

        def target(handle: pygit2.Repository) -> str | None:
            reference = handle.references.get(BRANCH)
            return None if reference is None else str(reference.target)

        return self.attempt(target)
