"""What becomes of proposals by themselves while a server runs, and who is told of broken glass."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Final

from muster.domain.break_glass import MARK
from muster.service.proposals import Proposals
from muster.service.values import Logged

EVERY_S: Final = 3600.0

log = logging.getLogger(__name__)


class Tending:
    """Looks after what waits: at the start, and every hour."""

    def __init__(self, proposals: Proposals, every_s: float = EVERY_S) -> None:
        self._proposals = proposals
        self._every_s = every_s
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tending", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End; waits for the round under way."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._proposals.tend()
            except Exception:  # the next round may go better; it must not be the last
                log.exception("tending to proposals failed")
            self._ending.wait(self._every_s)


def alarmed(logged: Sequence[Logged]) -> None:
    """The committer's listener: say in the log of the server who broke the glass, for what, and why."""
    for each in logged:
        if each.entry.mark == MARK:
            log.warning(
                "the glass was broken",
                extra={
                    "actor": each.entry.actor,
                    "change": each.entry.subject,
                    "reason": each.entry.reason,
                    "commit": each.commit,
                },
            )
