"""Who is bringing bytes, so that nobody removes them before what uses them is recorded.

A file of the folder for each first byte of a digest, locked shared by those who bring
bytes with it and exclusively by who removes some: between threads and processes alike,
and the lock of one that dies is gone with it.
"""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from muster.artifacts.writing import refusals


class Holds:
    """The folder of locks; it is made when it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bringing = threading.local()

    @contextmanager
    def bringing(self) -> Iterator[None]:
        """What this thread holds in here it holds to the end of it."""
        outer: ExitStack | None = getattr(self._bringing, "held", None)
        with ExitStack() as held:
            self._bringing.held = held
            try:
                yield
            finally:
                self._bringing.held = outer

    @contextmanager
    def held(self, sha256: str) -> Iterator[None]:
        """Nobody removes bytes with that digest: until the end of this, or of `bringing` around it."""
        bringing: ExitStack | None = getattr(self._bringing, "held", None)
        if bringing is not None:
            bringing.enter_context(self._locked(sha256, fcntl.LOCK_SH))
            yield
        else:
            with self._locked(sha256, fcntl.LOCK_SH):
                yield

    @contextmanager
    def alone(self, sha256: str) -> Iterator[None]:
        """Nobody brings bytes with that digest, nor removes any; waits until it is so."""
        with self._locked(sha256, fcntl.LOCK_EX):
            yield

    @contextmanager
    def _locked(self, sha256: str, how: int) -> Iterator[None]:
        with refusals():
            self._folder.mkdir(exist_ok=True)
            lock = (self._folder / sha256[:2]).open("a")
        with lock:
            fcntl.flock(lock, how)
            yield
