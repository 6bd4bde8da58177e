"""What keeps the repository in order: a sweep at start, and repacks beside the writer."""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from muster.domain.errors import Unavailable
from muster.gitstore.repository import TEMPORARY, Repository, fsync_folder

PACKS_BETWEEN_REPACKS: Final = 256

_REPACK: Final = (
    # One thread of its own is enough beside a server, and what it may use is bounded.
    *("-c", "pack.threads=1", "-c", "pack.windowMemory=64m", "-c", "pack.deltaCacheSize=32m"),
    *("repack", "--geometric=2", "-d", "--write-midx", "-n", "-q"),
)
_NICENESS: Final = 10


@contextmanager
def _repack_lock(repository: Repository) -> Iterator[int | None]:
    """The right to repack or to sweep packs, as an open descriptor; None if another has it.

    Git inherits the descriptor, so that a repack which outlives a killed server
    holds the lock until it has ended: its packs are no litter.
    """
    descriptor = os.open(repository.path / "muster-repack", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield descriptor
    finally:
        os.close(descriptor)


def sweep(repository: Repository) -> list[Path]:
    """Remove what a crash left behind, and say what it was. The caller holds the home's lock.

    That is lock files, temporary files and packs without an idx. While a repack of
    a server that was killed still runs, only what cannot be that repack's.
    """
    own = list(repository.packs.glob(f"{TEMPORARY}*"))
    locks = [*repository.path.glob("*.lock"), *(repository.path / "refs").rglob("*.lock")]
    litter = own + locks
    with _repack_lock(repository) as held:
        if held is not None:
            litter += repository.packs.glob("*.lock")
            litter += (path for path in repository.packs.glob("tmp_*") if path not in own)
            litter += repository.packs.glob(".tmp-*")
            litter += repository.path.glob("objects/??/tmp_obj_*")
            packs = repository.packs.glob("*.pack")
            litter += (pack for pack in packs if not pack.with_suffix(".idx").exists())
        for path in litter:
            path.unlink(missing_ok=True)
    if litter:
        fsync_folder(repository.packs)
    return litter


def _log(error: Exception) -> None:
    logging.getLogger(__name__).warning("a repack did not succeed, and is tried again: %s", error)


class Upkeep:
    """Repacks in a thread of its own whenever there are `every` packs or somewhat more.

    `failed` is told of each repack that did not succeed. Nothing is lost by that;
    it is tried again after a few more changes.
    """

    def __init__(
        self,
        repository: Repository,
        failed: Callable[[Exception], None] = _log,
        every: int = PACKS_BETWEEN_REPACKS,
    ) -> None:
        self._repository = repository
        self._failed = failed
        self._every = every
        self._patience = max(1, every // 8)  # changes between two looks at how many packs there are
        self._changes = self._patience
        self._wake = threading.Condition()
        self._ending = False
        self._running: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="muster-upkeep", daemon=True)

    def start(self) -> None:
        """Begin; if there are many packs already, with a repack."""
        self._thread.start()

    def maybe_run(self) -> None:
        """Say that something was written, which may have made a pack; never waits for a repack."""
        with self._wake:
            self._changes += 1
            self._wake.notify()

    def stop(self) -> None:
        """End at once; a repack that is under way is given up."""
        with self._wake:
            self._ending = True
            if self._running is not None:
                self._running.terminate()
            self._wake.notify()
        self._thread.join()

    def repack(self) -> bool:
        """Roll small packs up into larger ones, so that sizes at least double from one to the next.

        Safe beside a writer. False if another process does so at this moment.

        Raises:
            OSError: Git did not succeed; nothing is lost.
        """
        with _repack_lock(self._repository) as held:
            if held is None:
                return False
            with self._wake:
                if self._ending:
                    return False
                running = self._repository.start(*_REPACK, stderr=subprocess.STDOUT, pass_fds=(held,))
                self._running = running
            with running:
                os.setpriority(os.PRIO_PROCESS, running.pid, _NICENESS)
                said, _ = running.communicate()
            with self._wake:
                self._running = None
        if running.returncode:
            raise OSError(f"git repack failed: {said.decode(errors='replace').strip()}")
        self._repository.renew()
        return True

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._ending or self._changes >= self._patience)
                if self._ending:
                    return
                self._changes = 0
            if sum(1 for _ in self._repository.packs.glob("*.pack")) < self._every:
                continue
            try:
                self.repack()
            except (OSError, Unavailable) as error:
                if not self._ending:
                    self._failed(error)
