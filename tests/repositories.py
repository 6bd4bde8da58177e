"""Commits and repositories for tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from muster.service.ports import Built, Publisher
from muster.service.values import NewCommit

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
Edits = Mapping[str, bytes | None]


def a_commit(edits: Edits, message: str = "Change something\n", author: str = "alice") -> NewCommit:
    return NewCommit(edits, message, author, WHEN)


def built(publisher: Publisher, parent: str | None, commits: Iterable[NewCommit]) -> Built:
    """Those commits, each the parent of the next, upon `parent`."""
    building = publisher.begin(parent)
    for commit in commits:
        building.add(commit)
    return building.finish()


def published(publisher: Publisher, *changes: Edits) -> list[str]:
    """The ids of one commit a change, published as one batch upon the head."""
    head = publisher.head()
    made = built(publisher, head, [a_commit(edits, f"Change {at}\n") for at, edits in enumerate(changes)])
    publisher.publish(head, made)
    return list(made.ids)


def git(folder: Path, *arguments: str, given: bytes = b"", home: Path | None = None) -> bytes:
    """What the system's Git answers in that folder; it must succeed. It knows no user but that of `home`."""
    environment = {
        "PATH": os.pathsep.join(os.get_exec_path()),
        "HOME": str(home or folder),
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    return subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", str(folder), *arguments],
        input=given,
        capture_output=True,
        check=True,
        env=environment,
    ).stdout


def files(repository: Path, commit: str) -> dict[str, bytes]:
    """Every file of that commit, as Git reads it."""
    listed = git(repository, "ls-tree", "-r", "-z", commit).split(b"\0")[:-1]
    found = {}
    for line in listed:
        about, _, path = line.partition(b"\t")
        found[path.decode()] = git(repository, "cat-file", "blob", about.split()[2].decode())
    return found


def many(count: int, names: Iterable[str] = ("version.json",)) -> dict[str, bytes | None]:
    """`count` folders with one file of each name, each with bytes of its own."""
    return {f"models/{at:04}/{name}": f"{at} {name}".encode() for at in range(count) for name in names}
