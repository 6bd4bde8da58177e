"""What is written to the index reaches its file while writing goes on, and at any error later."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from muster.index.checkpoints import Checkpoints
from muster.index.store import SqlIndex
from tests.builders import Story, register

PATIENCE_S = 30


def head_in_the_file_alone(path: Path) -> str | None:
    """The head that the file holds without its log; None while it is not all there.

    The log is being copied into the file meanwhile, and ``immutable`` reads without a lock: what
    is half copied has no table yet, or reads as malformed.
    """
    with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as connection:
        try:
            row = connection.execute("SELECT head FROM meta").fetchone()
        except sqlite3.DatabaseError:
            return None
    return row[0] if row else None


def test_what_was_written_comes_into_the_file_by_itself(tmp_path: Path) -> None:
    index = SqlIndex(tmp_path / "index.db")
    checkpoints = Checkpoints(index.path)
    checkpoints.start()
    story = Story(index).begin()
    story.batch([register()])
    assert head_in_the_file_alone(index.path) != story.head
    checkpoints.wrote()
    arrived = threading.Event()
    for _ in range(PATIENCE_S * 10):
        if head_in_the_file_alone(index.path) == story.head:
            break
        arrived.wait(0.1)
    assert head_in_the_file_alone(index.path) == story.head
    checkpoints.stop()
    index.close()


def test_writing_goes_on_beside_it(tmp_path: Path) -> None:
    index = SqlIndex(tmp_path / "index.db")
    checkpoints = Checkpoints(index.path)
    checkpoints.start()
    story = Story(index).begin()
    for number in range(50):
        story.batch([register("m", f"v{number}")])
        checkpoints.wrote()
    checkpoints.stop()
    index.close()
    again = SqlIndex(tmp_path / "index.db", checked=True)
    assert again.head() == story.head
    again.close()
