"""The courier: a thread for each webhook follows the log from its place, and tells what happened.

    the log  ──feed──▶  the outbox  ──send──▶  the receiver

What is to be told goes from the log into the outbox in the transaction that moves the
webhook's place, so that a crash loses nothing. What was sent is noted after it was
answered: a crash between the two sends it again, under the same id. One whose receiver
is slow or dead holds up no other, and takes no more from the log while much waits.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Final

from muster.domain.errors import MusterError
from muster.service.hooks import Hook
from muster.service.lookups import ChangeLog
from muster.service.ports import Clock
from muster.service.telling import Telling, deliveries_of
from muster.service.values import Logged

_BATCH: Final = 200  # changes taken from the log at once
_WAITING: Final = 1_000  # deliveries of one webhook that may be pending before it takes more
_SENT: Final = 20  # deliveries between two looks at the log
_LOOK_AGAIN_S: Final = 5.0  # what another process writes to the home wakes nobody here
_PATIENCE_S: Final = 1.0

log = logging.getLogger(__name__)


class Courier:
    """Tells webhooks what was recorded, from `begin` to `end`."""

    def __init__(self, telling: Telling, changes: ChangeLog, clock: Clock) -> None:
        self._telling = telling
        self._outbox = telling.outbox
        self._changes = changes
        self._clock = clock
        self._threads: dict[str, threading.Thread] = {}
        self._happened = threading.Condition()
        self._count = 0
        self._running = False
        telling.changed = self._changed

    def begin(self) -> None:
        """Follow the log for all active webhooks, from where each was."""
        with self._happened:
            self._running = True
        self._changed()

    def end(self) -> None:
        """Stop after what is being sent just now; what is left is told after the next start."""
        with self._happened:
            self._running = False
            self._happened.notify_all()
            threads = list(self._threads.values())
        until = time.monotonic() + _PATIENCE_S
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def recorded(self, _: Sequence[Logged]) -> None:
        """Something was recorded. Quick: it is called in the committer's thread."""
        if self._threads:
            self._wake()

    def _wake(self) -> None:
        with self._happened:
            self._count += 1
            self._happened.notify_all()

    def _changed(self) -> None:
        """Give each active webhook a thread; those of others end by themselves."""
        with self._happened:
            for hook in self._outbox.hooks() if self._running else ():
                if hook.disabled is None and hook.id not in self._threads:
                    thread = threading.Thread(
                        target=self._tell, args=(hook.name, hook.id), name=f"webhook {hook.name}", daemon=True
                    )
                    self._threads[hook.id] = thread
                    thread.start()
        self._wake()

    # ------------------------------------------------------------ one webhook

    def _tell(self, name: str, id_: str) -> None:
        seen, pause_s = 0, 0.0
        while (ticket := self._pause(seen, pause_s)) is not None:
            try:
                hook = self._active(name, id_)
                if hook is None:
                    return
                busy = self._feed(hook)
                busy = self._send(hook) or busy
                seen, pause_s = ticket, 0.0 if busy else self._until_due(hook)
            except MusterError as error:  # the disk is full, say
                log.warning("webhook %s has to wait: %s", name, error)
                seen, pause_s = ticket, _LOOK_AGAIN_S

    def _pause(self, seen: int, seconds: float) -> int | None:
        """Wait until more than `seen` happened, or that long; how much had happened then, None at the end."""
        with self._happened:
            self._happened.wait_for(lambda: not self._running or self._count != seen, seconds)
            return self._count if self._running else None

    def _active(self, name: str, id_: str) -> Hook | None:
        """The webhook as it is now; None if it is to be told nothing more, and its thread ends."""
        with self._happened:  # so that one that is enabled just now gets a thread, this one or another
            hook = self._outbox.hook(name)
            if hook is None or hook.id != id_ or hook.disabled is not None:
                self._threads.pop(id_, None)
                return None
            return hook

    def _feed(self, hook: Hook) -> bool:
        """Take the next changes from the log; whether there were any."""
        pending, _ = self._outbox.waiting(hook.id)
        if pending >= _WAITING:
            return False
        batch = self._changes.changes_after(hook.position, _BATCH)
        if not batch:
            newest = self._changes.newest()
            if newest is not None and newest.position < hook.position:  # an older state was restored
                log.warning("webhook %s goes on with the end of a shorter history", hook.name)
                self._outbox.feed(hook.id, newest.position, ())
            return False
        self._outbox.feed(hook.id, batch[-1].position, deliveries_of(hook, batch, self._clock()))
        return True

    def _send(self, hook: Hook) -> bool:
        """Send what is due, some of it; whether there was anything."""
        due = self._outbox.due(hook.id, self._clock(), _SENT)
        for delivery in due:
            if not self._running:
                break
            now = self._outbox.hook(hook.name)
            if now is None or now.id != hook.id or now.disabled is not None:
                break
            self._telling.deliver(now, delivery)
        return bool(due)

    def _until_due(self, hook: Hook) -> float:
        _, due = self._outbox.waiting(hook.id)
        left = (due - self._clock()).total_seconds() if due else _LOOK_AGAIN_S
        return min(max(left, 0.0), _LOOK_AGAIN_S)
