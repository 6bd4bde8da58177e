"""The one writer: a batch of changes through plan, rows and Git.

    submit → queue → one thread, up to 64 changes at once:
        catch up                     the index is where the branch is
        SQL transaction
            each: plan, rows         a savepoint a change; a refusal leaves its neighbours alone
            commits built, index sealed
            publish                  durable in Git: the moment of truth
        SQL commit                   read your own writes
        answers

Several processes may each have a committer on one home: they take turns by the
home's lock, and find what the others wrote by catching up.
"""

from __future__ import annotations

import errno
import logging
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from muster.domain import (  # noqa: F401  those beside `documents` register plans
    break_glass,
    documents,
    evaluations,
    filing,
    granting,
    placing,
    proposing,
    purging,
    redacting,
    releasing,
    requirements,
    ruling,
)
from muster.domain.changes import Actor, AttemptFailed, Change, Observe, ReleaseBack, RollBack, Undeploy
from muster.domain.errors import MusterError, StorageFull, Unavailable
from muster.domain.judging import NO_RULES, Rules
from muster.domain.messages import Entry, compose
from muster.domain.snapshot import Plan
from muster.service.follow import Follower
from muster.service.ports import Building, Built, Clock, Index, Lock, Publisher, Reserve, Transaction
from muster.service.submissions import Arriving, Recorded, Request, Submission, Waiting, repeated
from muster.service.values import HeadMoved, Logged, NewCommit

ATTEMPTS: Final = 20

# What goes on when the disk is full, from the reserve that is kept for it.
URGENT: Final = (RollBack, ReleaseBack, Undeploy, AttemptFailed, Observe)
_FULL: Final = "the disk is full: nothing was written; free some space, then try again"

log = logging.getLogger(__name__)

# Where a kill may strike between two steps of a write, as the torture test names them.
CRASH_POINTS: Final = ("write-begun", "write-planned", "write-built", "write-published", "write-committed")


class Committer:
    """Turns submitted changes into commits, one batch at a time."""

    def __init__(
        self,
        publisher: Publisher,
        index: Index,
        follower: Follower,
        *,
        clock: Clock,
        lock: Lock,
        reserve: Reserve,
        rules: Rules = NO_RULES,
        crash: Callable[[str], None] = lambda _: None,
        after: Callable[[Sequence[Logged]], None] = lambda _: None,
    ) -> None:
        """`lock` keeps other processes out; `rules` may refuse what could be done.

        `after` is told of what was recorded, before it is answered.
        """
        self._publisher = publisher
        self._index = index
        self._follower = follower
        self._clock = clock
        self._lock = lock
        self._reserve = reserve
        self._rules = rules
        self._crash = crash
        self._after = after
        self._queue: Waiting = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(
        self, change: Change, actor: Actor, reason: str = "", request: Request | None = None
    ) -> Future[Recorded]:
        """Queue `change`; the future gives what became of it, or raises why it was refused."""
        outcome: Future[Recorded] = Future()
        with self._starting:
            if self._closed:
                outcome.set_exception(Unavailable("the registry is closing"))
                return outcome
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
                self._thread.start()
            self._queue.put(Submission(change, actor, reason, request, outcome))
        return outcome

    def close(self) -> None:
        """Write what is queued, then stop. What is submitted later is refused."""
        with self._starting:
            self._closed = True
            thread = self._thread
            if thread is not None:
                self._queue.put(None)
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        writers = 1
        while (first := self._queue.get()) is not None:
            batch = Arriving(self._queue, first, writers)
            self._answer(batch)
            if batch.last:
                return
            # Those just answered, and those who asked meanwhile: so many may ask next.
            writers = len(batch.taken) + self._queue.qsize()

    def _answer(self, batch: Arriving) -> None:
        """Write the batch; on a full disk only what must go on, into the space that is kept for it."""
        refusal: Exception | None
        if self._reserve.hold():
            refusal = self._answered(batch)
            if not isinstance(refusal, StorageFull):
                return
        else:
            refusal = StorageFull(_FULL)
        every = list(batch)
        urgent = [submission for submission in every if isinstance(submission.change, URGENT)]
        for submission in every:
            if submission not in urgent:
                submission.outcome.set_exception(refusal)
        if urgent:
            self._reserve.release()
            if (refusal := self._answered(urgent)) is not None:
                for submission in urgent:
                    submission.outcome.set_exception(refusal)

    def _answered(self, batch: Iterable[Submission]) -> Exception | None:
        """Write the batch and answer it; on a full disk answer nothing, and give back the refusal."""
        outcomes: Sequence[Recorded | Exception]
        try:
            outcomes = self._write(batch)
        except StorageFull as error:
            return error
        except OSError as error:
            refusal = _refused_by_disk(error)
            if isinstance(refusal, StorageFull):
                return refusal
            outcomes = [refusal for _ in batch]
        except Exception as error:  # noqa: BLE001  it outlives every fault; callers hear of it
            outcomes = [error for _ in batch]
        for submission, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Recorded):
                submission.outcome.set_result(outcome)
            else:
                submission.outcome.set_exception(outcome)
        return None

    def _write(self, batch: Iterable[Submission]) -> list[Recorded | Exception]:
        """One outcome for each of `batch`.

        Raises:
            OSError, MusterError: none of it was recorded (or, for OutcomeUnknown, perhaps all).
        """
        with self._lock():
            for _ in range(ATTEMPTS):
                self._follower.catch_up()
                try:
                    return self._attempt(batch)
                except HeadMoved:
                    continue
        raise Unavailable("another writer was faster every time; try again")

    def _attempt(self, batch: Iterable[Submission]) -> list[Recorded | Exception]:
        written = _Batch(self._publisher)
        published: list[Logged] = []
        self._crash("write-begun")
        try:
            with self._index.transaction() as index:
                head = written.head = index.head()
                written.time = index.last_time() or written.time
                for submission in batch:
                    written.outcomes.append(self._one(submission, index, written))
                self._crash("write-planned")
                if (built := written.finished()) is not None:
                    index.seal(built.ids)
                    self._crash("write-built")
                    self._publisher.publish(head, built)
                    published = written.logged(built.ids)
                    self._crash("write-published")
        except (OSError, MusterError):
            if not published:
                raise
            # Git has it, so it happened, but the index did not take it.
            self._make_good()
        self._crash("write-committed")
        if published:
            try:
                self._after(published)
            except Exception:  # it is recorded, whatever those who hear of it make of it
                log.exception("a listener failed")
        return [_with_commit(outcome, published) for outcome in written.outcomes]

    def _make_good(self) -> None:
        """Bring the index to where Git is, if need be from the reserve: what is acknowledged can be read."""
        self._reserve.release()
        with suppress(OSError, MusterError):  # then it catches up before the next batch, or at the next start
            self._follower.catch_up()

    def _one(self, submission: Submission, index: Transaction, written: _Batch) -> Recorded | Exception:
        """Make one change part of the batch, or say why not and leave no trace of it."""
        request = submission.request
        try:
            if request is not None and (answered := index.answered(request.key)) is not None:
                return repeated(request, *answered)
            with index.savepoint():
                time = written.stamp(self._clock())
                planned = self._rules.planned(
                    submission.change, submission.actor, submission.reason, time, index
                )
                if planned.nothing:
                    return Recorded(None, planned.model, planned.number)
                entry = _entry(submission, planned, time)
                position = index.project(entry, planned.edits)
                commit = NewCommit(planned.edits, compose(entry), entry.actor, entry.time)
        except Unavailable:
            raise  # the index failed, not this change
        except MusterError as refused:
            return refused
        written.add(position, entry, commit)
        return Recorded(Logged(position, "", entry), planned.model, planned.number)


class _Batch:
    """What one batch comes to: outcomes in order, and the commits of those that were not refused."""

    def __init__(self, publisher: Publisher) -> None:
        self.head: str | None = None
        self.time = datetime.min.replace(tzinfo=UTC)
        self.outcomes: list[Recorded | Exception] = []
        self._publisher = publisher
        self._building: Building | None = None
        self._rows: list[tuple[int, Entry]] = []

    def stamp(self, now: datetime) -> datetime:
        """A time after every earlier change's, even if the clock stepped back."""
        return max(now, self.time + timedelta(microseconds=1))

    def add(self, position: int, entry: Entry, commit: NewCommit) -> None:
        if self._building is None:
            self._building = self._publisher.begin(self.head)
        self._building.add(commit)
        self.time = entry.time
        self._rows.append((position, entry))

    def finished(self) -> Built | None:
        """The commits; None if every change was refused or changed nothing. Raises OSError."""
        return None if self._building is None else self._building.finish()

    def logged(self, ids: Sequence[str]) -> list[Logged]:
        """The rows of the change log, now that the commits are known."""
        return [
            Logged(position, commit, entry) for (position, entry), commit in zip(self._rows, ids, strict=True)
        ]


def _entry(submission: Submission, planned: Plan, time: datetime) -> Entry:
    request = submission.request
    seen = submission.change if isinstance(submission.change, Observe) else None
    return Entry(
        kind=submission.change.kind,
        subject=planned.subject,
        reason="\n\n".join(part for part in (submission.reason, planned.body) if part),
        actor=submission.actor.name,
        auth=submission.actor.auth,
        time=time,
        model=planned.model,
        number=planned.number,
        environment=planned.environment,
        also=planned.also,
        deployed=planned.deployed,
        request=(request.key, request.digest) if request else None,
        observed=seen.state if seen else None,
        instance=seen.instance if seen else None,
        digest=seen.digest if seen else None,
        renamed=planned.renamed,
        records=documents.named(planned.edits),
        proposal=planned.proposal,
        mark=planned.mark,
        moved=planned.moved,
    )


def _with_commit(outcome: Recorded | Exception, published: Sequence[Logged]) -> Recorded | Exception:
    """`outcome` with its commit's id, which was not known when it was planned."""
    if isinstance(outcome, Recorded) and outcome.logged is not None and not outcome.logged.commit:
        return replace(outcome, logged=published[outcome.logged.position - published[0].position])
    return outcome


def _refused_by_disk(error: OSError) -> MusterError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(_FULL)
    return Unavailable(f"the registry's folder refused the write, and nothing was written: {error.strerror}")
