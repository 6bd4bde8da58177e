"""Proof that Git, the index and the files agree; and what does not, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from muster.domain import codec, lfs
from muster.domain.errors import MusterError
from muster.service.follow import entry_of
from muster.service.ports import ArtifactStore, History, Index


def verify(
    *, history: History, head: str, index: Index, fresh: Index, artifacts: ArtifactStore
) -> Iterator[str]:
    """What is wrong, a sentence each; nothing if all agrees.

    `fresh` is an empty index: it is rebuilt from Git and compared with `index`.
    """
    yield from (f"git: {line}" for line in history.fsck())
    try:
        yield from _log(history, head)
        log = ((logged.commit, entry_of(logged)) for logged in history.log(None, head))
        fresh.rebuild(head, log, history.walk(head))
    except MusterError as error:
        yield f"git: {error.message}"
        return
    if index.head() != head:
        yield f"index: it reflects {index.head()}, the branch is at {head}"
    yield from (f"index: {line}" for line in index.differences(fresh))
    yield from _files(history, head, artifacts)


def _log(history: History, head: str) -> Iterator[str]:
    """Whether every commit is Muster's own, and the times rise strictly."""
    last = None
    for logged in history.log(None, head):
        entry = entry_of(logged)
        if last is not None and entry.time <= last:
            yield f"git: commit {logged.commit} says a time that is not after its parent's"
        last = entry.time


def _files(history: History, head: str, artifacts: ArtifactStore) -> Iterator[str]:
    """Whether every pointer's file is there, whole; those of a version that was purged need not be."""
    good: set[str] = set()
    pointers: list[tuple[str, bytes]] = []  # of one version: in the tree they come before its record
    for path, data in history.walk(head, "models"):
        if "/files/" in path:
            pointers.append((path, data))
        elif path.endswith("/version.json"):
            if not codec.version_from_dict(codec.decode(data)).purged:
                yield from _broken(pointers, good, artifacts)
            pointers = []
    yield from _broken(pointers, good, artifacts)


def _broken(pointers: list[tuple[str, bytes]], good: set[str], artifacts: ArtifactStore) -> Iterator[str]:
    for path, data in pointers:
        sha256, size = lfs.parse_pointer(data)
        if sha256 in good:
            continue
        there = artifacts.size(sha256)
        if there is None:
            yield f"files: {path} is missing from the store (sha256:{sha256})"
        elif there != size or not artifacts.verify(sha256):
            yield f"files: {path} is damaged in the store (sha256:{sha256})"
        else:
            good.add(sha256)
