"""Durable registrations over HTTP, held against one pygit2 commit with fsync each on the same disk."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import pygit2

from benchmarks import load, populate, servers
from benchmarks.figures import Figure

ROUNDS = 5
SECONDS = 4.0
SOME, MANY = 1_000, 100_000


def figures(folder: Path, many: int = MANY) -> list[Figure]:
    """At 1,000 versions against pygit2, and at `many` against at 1,000."""
    small, large = folder / "writes-small", folder / "writes-large"
    populate.versions(small, SOME)
    populate.versions(large, many)
    against, kept, beside, held = [], [], [], []
    with servers.muster(small) as few, servers.muster(large) as lots:
        for turn in range(ROUNDS):
            plain = _pygit2(folder / f"pygit2-{turn}", SECONDS)
            first = _register(few, f"a{turn}")
            second = _register(lots, f"b{turn}")
            against.append(first.rate / plain)
            kept.append(second.rate / first.rate)
            beside.append(f"{first.rate:.0f} to {plain:.0f} a second (p99 {first.p99_ms:.0f} ms)")
            held.append(f"{second.rate:.0f} to {first.rate:.0f} a second")
    return [
        Figure(
            "Durable registrations over HTTP, 16 clients, to pygit2 commits with fsync",
            "at least", 5, "times", against, beside,
        ),
        Figure(
            f"The same at {many:,} versions, to the rate at {SOME:,}", "at least", 0.7, "times", kept, held
        ),
    ]  # fmt: skip


def _register(server: servers.Server, tag: str) -> load.Load:
    body = {
        # A model each, as pygit2 is given.
        "name": f"bench-{tag}-{{n}}",
        "version": "v1",
        "description": "A version among many",
        "training_data": "reviews-2026",
        "metrics": {"auc": 0.91},
        "tags": {"team": "nlp"},
    }
    seen = load.run(server.port, [load.request("POST", "/models", json.dumps(body))], seconds=SECONDS)
    assert seen.failed == 0, f"{seen.failed} registrations were refused"
    return seen


def _pygit2(folder: Path, seconds: float) -> float:
    """Commits a second: one blob in a fanned-out folder each, every object and the branch fsynced."""
    pygit2.settings.enable_fsync_gitdir(True)
    repository = pygit2.init_repository(folder, bare=True)
    who = pygit2.Signature("bench", "bench@localhost")
    head: pygit2.Oid | None = None
    began, count = time.perf_counter(), 0
    while (took := time.perf_counter() - began) < seconds:
        record = json.dumps({"name": f"model-{count}", "description": "A version among many"}, indent=2)
        path = f"models/{count % 256:02x}/model-{count}/versions/1/version.json"
        tree = _with(repository, head, path.split("/"), repository.create_blob(record.encode()))
        parents = [] if head is None else [head]
        head = repository.create_commit("refs/heads/main", who, who, f"Register {count}", tree, parents)
        count += 1
    return count / took


def _with(
    repository: pygit2.Repository, head: pygit2.Oid | None, path: Sequence[str], blob: pygit2.Oid
) -> pygit2.Oid:
    """The tree of `head` with that blob at `path`."""
    tree = None if head is None else repository[head].peel(pygit2.Tree)
    return _inserted(repository, tree, path, blob)


def _inserted(
    repository: pygit2.Repository, tree: pygit2.Tree | None, path: Sequence[str], blob: pygit2.Oid
) -> pygit2.Oid:
    builder = repository.TreeBuilder(tree) if tree is not None else repository.TreeBuilder()
    name, rest = path[0], path[1:]
    if not rest:
        builder.insert(name, blob, pygit2.enums.FileMode.BLOB)
        return builder.write()
    below = repository[tree[name].id] if tree is not None and name in tree else None
    inner = _inserted(repository, below if isinstance(below, pygit2.Tree) else None, rest, blob)
    builder.insert(name, inner, pygit2.enums.FileMode.TREE)
    return builder.write()
