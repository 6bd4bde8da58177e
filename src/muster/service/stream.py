"""Following the log of changes: from any place in it to its end, and on as it grows."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from muster.domain.errors import Invalid, NotFound
from muster.domain.messages import Entry
from muster.service.lookups import ChangeLog
from muster.service.values import ChangeFilter, Logged

BATCH: Final = 500
_INSTANT: Final = timedelta(microseconds=1)
_ON_ITS_WAY: Final = timedelta(seconds=5)  # from a change's time until it is in the log, at the most


def matches(wanted: ChangeFilter, entry: Entry) -> bool:
    """Whether a list of changes with that filter holds this one."""
    if entry.moved and wanted.model is not None:
        alone = (each for each in entry.each if each.model == wanted.model)
        return any(matches(wanted, replace(each, kind=entry.kind)) for each in alone)
    numbers = (entry.number, *entry.also) if wanted.model is not None else ()
    return (
        (wanted.model is None or entry.model == wanted.model)
        and (wanted.number is None or wanted.number in numbers)
        and (wanted.environment is None or entry.environment == wanted.environment)
        and (wanted.actor is None or entry.actor == wanted.actor)
        and (not wanted.kinds or entry.kind in wanted.kinds)
        and (wanted.since is None or entry.time >= wanted.since)
        and (wanted.until is None or entry.time <= wanted.until)
    )


def place(log: ChangeLog, text: str, field: str) -> int:
    """The position that a follower has come to, which says it by position or commit.

    Raises:
        Invalid: it is neither, or a position that the log has not reached.
        NotFound: no such commit.
    """
    if re.fullmatch(r"[0-9]{1,18}", text):
        newest = log.newest()
        if int(text) > (newest.position if newest else 0):
            raise Invalid.one(field, text, "must be a position that the history has reached")
        return int(text)
    if not re.fullmatch(r"[0-9a-f]{7,40}", text):
        raise Invalid.one(field, text, "must be the position or the commit of a change")
    found = log.change(text)
    if found is None:
        raise NotFound("change", text)
    return found.position


def beginning(log: ChangeLog, since: datetime | None) -> int:
    """The position after which a time begins; without one that of the newest change."""
    last = log.newest() if since is None else _before(log, since)
    return last.position if last else 0


def _before(log: ChangeLog, time: datetime) -> Logged | None:
    try:
        return log.at(time - _INSTANT)
    except OverflowError:  # the first instant of all
        return None


class Following:
    """One follower's place in the log, after `position`. Reads block; one thread at a time."""

    def __init__(self, wanted: ChangeFilter, position: int) -> None:
        self._wanted = wanted
        self.position = position

    def take(self, log: ChangeLog) -> tuple[list[Logged], bool]:
        """What comes next of what is wanted, and whether that was all there is for now.

        `log` is the log as far as the follower sees just now.
        """
        batch = log.changes_after(self.position, BATCH)
        if batch:
            self.position = batch[-1].position
        return [each for each in batch if matches(self._wanted, each.entry)], len(batch) < BATCH

    def over(self, now: datetime) -> bool:
        """Whether nothing that is wanted can happen any more."""
        return self._wanted.until is not None and now > self._wanted.until + _ON_ITS_WAY
