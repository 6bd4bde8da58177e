"""The folder of a process target: each instance's files under their names, and its sockets."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from muster.domain.records import Artifact
from muster.service.laying import lay_out

# The kernel keeps the path of a Unix socket in 108 bytes, the last one a NUL.
_LONGEST_SOCKET_PATH = 107
_LONGEST_SOCKET_NAME = 24


class WorkerFolders:
    """Below `root`; what a server that was killed left there is removed first."""

    def __init__(self, root: Path, artifact: Callable[[str], Path]) -> None:
        self._root = root
        self._artifact = artifact
        self._sockets = root / "sockets"
        self.close()
        root.mkdir(mode=0o700, parents=True)
        if len(os.fsencode(self._sockets)) + _LONGEST_SOCKET_NAME <= _LONGEST_SOCKET_PATH:
            self._sockets.mkdir(mode=0o700)
        else:
            self._sockets.symlink_to(tempfile.mkdtemp(prefix="muster-"))

    def socket(self, key: str, attempt: int) -> str:
        """Where one worker listens; never used twice, so a dead worker's socket is in nobody's way."""
        return str(self._sockets.resolve() / f"{key}-{attempt}.sock")

    def make(self, key: str, files: Iterable[Artifact]) -> Path:
        """A folder with `files` under their paths, as `lay_out` makes it. Raises OSError, NotFound."""
        folder = self._root / key
        lay_out(folder, files, self._artifact)
        return folder

    def remove(self, key: str) -> None:
        """The instance is gone."""
        shutil.rmtree(self._root / key, ignore_errors=True)
        for path in self._sockets.glob(f"{key}-*.sock"):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove everything."""
        if self._sockets.is_symlink():
            shutil.rmtree(self._sockets.readlink(), ignore_errors=True)
        shutil.rmtree(self._root, ignore_errors=True)
