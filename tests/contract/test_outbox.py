"""What is kept of webhooks and their deliveries, in a file that several processes may have open."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from muster.domain.errors import Conflict, Taken, Unavailable
from muster.outbox import store
from muster.outbox.store import SqliteOutbox
from muster.sending import posting
from muster.service import hooks
from muster.service.hooks import Attempt, Delivery, Hook, Unreachable, Wanted

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOOK = Hook(
    id="0" * 32,
    name="audit",
    url="https://example.org/hook",
    secret="whsec_" + "A" * 44,
    wanted=Wanted(("deploy",), ("m", "ü/\n'"), ("production",)),
    description="For the audit",
    created=NOW,
    created_by="ada",
    updated=NOW,
    position=7,
)
REFUSED = Attempt(NOW, 500, "no", "", 0.1)
UNHEARD = Attempt(NOW, None, "", "refused", 0.0)
TAKEN = Attempt(NOW + SECOND, 204, "", "", 0.2)


def delivery(position: int, hook: str = HOOK.id) -> Delivery:
    return Delivery(
        sequence=0,
        id=f"msg_{hook[:1]}{position}",
        hook=hook,
        position=position,
        commit=f"{position:040x}",
        kind="deploy",
        created=NOW,
        state="pending",
        due=NOW,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
def outbox(path: Path) -> Iterator[SqliteOutbox]:
    with closing(SqliteOutbox(path)) as outbox:
        yield outbox


@pytest.fixture
def fed(outbox: SqliteOutbox) -> SqliteOutbox:
    """With a webhook that is told of the changes 8, 9 and 11."""
    outbox.add(HOOK, None)
    outbox.feed(HOOK.id, 12, [delivery(position) for position in (8, 9, 11)])
    return outbox


def due(outbox: SqliteOutbox, now: datetime = NOW) -> list[int]:
    return [each.position for each in outbox.due(HOOK.id, now, 100)]


def test_nothing_is_there_before_the_first_webhook(outbox: SqliteOutbox, path: Path) -> None:
    assert outbox.hooks() == []
    assert outbox.hook("audit") is None
    assert outbox.waiting(HOOK.id) == (0, None)
    assert outbox.deliveries(HOOK.id, None, before=None, limit=10) == []
    assert not path.exists()


def test_a_webhook_is_read_as_it_was_added_by_others_too(outbox: SqliteOutbox, path: Path) -> None:
    outbox.add(HOOK, ("key", "digest"))
    assert path.stat().st_mode & 0o777 == 0o600
    with closing(SqliteOutbox(path)) as other:
        assert other.hooks() == [HOOK]
        assert other.answered("key") == ("digest", HOOK)
        assert other.answered("another") is None
    with pytest.raises(Taken):
        outbox.add(replace(HOOK, id="1" * 32), None)


def test_there_are_only_so_many_webhooks(outbox: SqliteOutbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_HOOKS", 1)
    outbox.add(HOOK, None)
    with pytest.raises(Conflict, match="1 webhooks"):
        outbox.add(replace(HOOK, id="1" * 32, name="other"), None)
    assert outbox.hooks() == [HOOK]


def test_what_was_fed_twice_is_there_once_with_what_became_of_it(fed: SqliteOutbox) -> None:
    first = fed.due(HOOK.id, NOW, 1)[0]
    fed.attempted(first, REFUSED, "pending", NOW + SECOND)
    fed.feed(HOOK.id, 12, [delivery(8), delivery(12)])  # as after a crash
    assert [each.position for each in fed.deliveries(HOOK.id, None, before=None, limit=10)] == [12, 11, 9, 8]
    assert due(fed) == [9, 11, 12]
    assert due(fed, NOW + SECOND) == [8, 9, 11, 12]
    hook = fed.hook("audit")
    assert hook is not None
    assert hook.position == 12


def test_attempts_are_counted_and_what_was_delivered_stays_so(fed: SqliteOutbox) -> None:
    first = fed.due(HOOK.id, NOW, 1)[0]
    fed.attempted(first, REFUSED, "pending", NOW + SECOND)
    fed.attempted(first, UNHEARD, "pending", NOW + SECOND)
    hook = fed.hook("audit")
    assert hook is not None
    assert (hook.failed, hook.failures, hook.failing_since, hook.delivered) == (2, 2, NOW, 0)
    fed.attempted(first, TAKEN, "delivered", None)
    fed.attempted(first, REFUSED, "pending", NOW + SECOND)
    found = fed.delivery(HOOK.id, first.id)
    assert found is not None
    assert (found.state, found.due, found.tries) == ("delivered", None, 4)
    assert found.attempts == (REFUSED, UNHEARD, TAKEN, REFUSED)
    hook = fed.hook("audit")
    assert hook is not None
    assert (hook.failed, hook.failures, hook.failing_since, hook.delivered) == (3, 1, NOW, 1)


def test_what_failed_is_recovered_as_if_it_were_new(fed: SqliteOutbox) -> None:
    for each in fed.due(HOOK.id, NOW, 2):
        fed.attempted(each, REFUSED, "failed", None)
    assert due(fed) == [11]
    assert fed.recover(HOOK.id, NOW) == 2
    assert due(fed) == [8, 9, 11]
    assert {each.tries for each in fed.due(HOOK.id, NOW, 10)} == {0}
    assert fed.count_deliveries(HOOK.id, "failed") == 0


def test_enabled_again_all_that_waits_is_due(fed: SqliteOutbox) -> None:
    for each in fed.due(HOOK.id, NOW, 3):
        fed.attempted(each, REFUSED, "pending", NOW + 1000 * SECOND)
    fed.disable(HOOK.id, NOW, "it answered 410")
    fed.disable(HOOK.id, NOW + SECOND, "too late")
    hook = fed.hook("audit")
    assert hook is not None
    assert (hook.disabled, hook.why) == (NOW, "it answered 410")
    assert fed.waiting(HOOK.id) == (3, NOW + 1000 * SECOND)
    fed.change(replace(hook, disabled=None, why="", updated=NOW + SECOND))
    assert due(fed, NOW + SECOND) == [8, 9, 11]
    hook = fed.hook("audit")
    assert hook is not None
    assert (hook.failures, hook.failing_since) == (0, None)


def test_a_webhook_goes_with_all_that_is_its_own(fed: SqliteOutbox, path: Path) -> None:
    fed.attempted(fed.due(HOOK.id, NOW, 1)[0], REFUSED, "failed", None)
    left = fed.due(HOOK.id, NOW, 1)[0]
    fed.remove(HOOK.id)
    fed.attempted(left, TAKEN, "delivered", None)  # which was just being sent
    fed.feed(HOOK.id, 20, [delivery(20)])
    with closing(sqlite3.connect(path)) as found:
        for table in ("hooks", "deliveries", "attempts"):
            assert found.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_only_the_newest_that_ended_are_kept_and_all_that_wait(
    outbox: SqliteOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "KEPT", {"delivered": 2, "failed": 1})
    outbox.add(HOOK, None)
    outbox.feed(HOOK.id, 9, [delivery(position) for position in range(1, 10)])
    for each in outbox.due(HOOK.id, NOW, 7):
        outbox.attempted(each, REFUSED, "failed" if each.position % 2 else "delivered", None)
    outbox.feed(HOOK.id, 10, [delivery(10)])
    assert [each.position for each in outbox.deliveries(HOOK.id, None, before=None, limit=10)] == [
        10,
        9,
        8,
        7,
        6,
        4,
    ]


def test_what_is_no_outbox_and_what_is_closed_cannot_be_used(path: Path) -> None:
    path.write_bytes(b"no database" * 100)
    with closing(SqliteOutbox(path)) as outbox, pytest.raises(Unavailable, match=r"outbox\.db"):
        outbox.hooks()
    path.unlink()
    with closing(SqliteOutbox(path)) as outbox:
        outbox.add(HOOK, None)
    with pytest.raises(Unavailable, match="closed"):
        outbox.hooks()
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 99")
    with closing(SqliteOutbox(path)) as outbox, pytest.raises(Unavailable, match="newer Muster"):
        outbox.hooks()


def test_a_process_killed_between_feeding_and_its_end_leaves_both_or_neither(path: Path) -> None:
    with closing(SqliteOutbox(path)) as outbox:
        outbox.add(HOOK, None)
    child = os.fork()
    if child == 0:
        fed = SqliteOutbox(path)
        for position in range(8, 10_000):
            fed.feed(HOOK.id, position, [delivery(position)])
        os._exit(0)
    with closing(SqliteOutbox(path)) as outbox:
        while outbox.count_deliveries(HOOK.id, None) < 20:
            assert os.waitpid(child, os.WNOHANG) == (0, 0)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        hook = outbox.hook("audit")
        assert hook is not None
        found = [each.position for each in outbox.deliveries(HOOK.id, None, before=None, limit=10_000)]
        assert found == list(range(hook.position, 7, -1))


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"])
def test_a_receiver_that_drips_is_cut_off(head: bytes) -> None:
    """It sends something before each time-out, and would so last for ever."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            there, _ = listening.accept()
            with there:
                there.sendall(head)
                while not ended.wait(0.05):
                    try:
                        there.sendall(b"X: y\r\n")
                    except OSError:
                        return

        dripping = threading.Thread(target=drip)
        dripping.start()
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(Unreachable, match="did not answer"):
            posting.post(f"http://{host}/", b"{}", {}, allowed=[host], timeout_s=0.5)
        ended.set()
        dripping.join()


def test_the_pauses_are_those_that_are_documented() -> None:
    schedule = hooks.Schedule()
    pauses = [schedule.pause(attempts) for attempts in range(1, 11)]
    assert pauses == [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400, None]
