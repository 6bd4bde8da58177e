"""The write-ahead log of the index, copied into its file beside the writer."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from pathlib import Path
from typing import Final

from muster.index.database import connect

EVERY_S: Final = 0.5

log = logging.getLogger(__name__)


class Checkpoints:
    """Copies what was written, at most twice a second, in a thread of its own.

    SQLite does so itself when the log is long, in the middle of a write, which then
    takes ten times as long as others. That goes on, and finds little left to do.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wrote = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="muster-checkpoints", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wrote(self) -> None:
        """Say that something was written; any thread may."""
        self._wrote.set()

    def stop(self) -> None:
        """End, after the copying that is under way."""
        self._ending.set()
        self._wrote.set()
        self._thread.join()

    def _run(self) -> None:
        connection = connect(self._path, cache_mib=1)
        try:
            while self._wrote.wait() and not self._ending.wait(EVERY_S):
                self._wrote.clear()
                self._copy(connection)
        finally:
            connection.close()

    def _copy(self, connection: sqlite3.Connection) -> None:
        began = time.perf_counter()
        try:
            # PASSIVE: waits for nobody, and lets nobody wait.
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            # A full disk above all. Nothing is lost: it all is in the log still.
            log.warning("the index's log was not copied into its file: %s", error)
        log.debug("the index's log was copied in %.0f ms", (time.perf_counter() - began) * 1000)
