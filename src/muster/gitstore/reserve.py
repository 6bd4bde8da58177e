"""A file that keeps space on the disk, for writes that must go on when it is full."""

from __future__ import annotations

import os
import threading
from pathlib import Path


class Reserve:
    """The space of a file of `size_bytes` at `path`."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        self._size = size_bytes
        self._lock = threading.Lock()
        self._held = False

    def hold(self) -> bool:
        """Whether the space is set aside; takes it if it is not and the disk has room."""
        with self._lock:
            if not self._held:
                self._held = self._take()
            return self._held

    def release(self) -> None:
        """Give the space back to the disk."""
        with self._lock:
            self._path.unlink(missing_ok=True)
            self._held = False

    def _take(self) -> bool:
        try:
            with self._path.open("ab") as file:
                os.ftruncate(file.fileno(), min(self._size, os.fstat(file.fileno()).st_size))
                if self._size:
                    os.posix_fallocate(file.fileno(), 0, self._size)
                os.fsync(file.fileno())
        except OSError:
            self._path.unlink(missing_ok=True)
            return False
        return True
