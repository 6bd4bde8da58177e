"""Webhooks put together: what keeps them, what sends, and what follows the log for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from muster.bootstrap.folder import Folder
from muster.outbox.store import SqliteOutbox
from muster.sending.signing import StandardSender
from muster.service.courier import Courier
from muster.service.hooks import Schedule
from muster.service.lookups import ChangeLog
from muster.service.ports import Clock
from muster.service.telling import Telling
from muster.service.values import Logged
from muster.settings import Settings


def telling(settings: Settings, folder: Folder, log: ChangeLog, clock: Clock, stack: ExitStack) -> Telling:
    """The home's webhooks, in a file beside its other secrets."""
    outbox = SqliteOutbox(folder.outbox)
    stack.callback(outbox.close)
    sender = StandardSender(settings.webhook_hosts, settings.webhook_timeout_s)
    schedule = Schedule(settings.webhook_pauses_s, settings.webhook_disable_s)
    return Telling(outbox, sender, log, clock, schedule)


def begun(
    telling: Telling, log: ChangeLog, clock: Clock, stack: ExitStack
) -> Callable[[Sequence[Logged]], None]:
    """Tell them what happens until `stack` is left; call what it gives when something was recorded."""
    courier = Courier(telling, log, clock)
    courier.begin()
    stack.callback(courier.end)
    return courier.recorded
