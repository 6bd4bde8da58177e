"""Commits are built beside as they are built here, whatever becomes of the process that builds them."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from muster.gitstore.builder_process import BuilderProcess
from muster.gitstore.repository import Repository
from muster.gitstore.store import GitStore
from tests.repositories import a_commit, built, files, git, many, published

PATIENCE_S = 30


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "registry.git")


@contextmanager
def beside(repository: Repository) -> Iterator[tuple[GitStore, BuilderProcess]]:
    process = BuilderProcess(repository)
    try:
        yield GitStore(repository, builder=process), process
    finally:
        process.close()


def test_a_build_that_was_given_up_leaves_nothing_in_the_next(repository: Repository) -> None:
    with beside(repository) as (store, _):
        store.begin(None).add(a_commit({"lost": b"1"}))
        published(store, {"a": b"1"})
    assert files(repository.path, "main") == {"a": b"1"}


def test_a_path_that_git_cannot_hold_is_refused_and_the_next_batch_goes_on(repository: Repository) -> None:
    with beside(repository) as (store, _):
        with pytest.raises(ValueError, match="path"):
            built(store, None, [a_commit({".git/config": b"1"}), a_commit({"a": b"1"})])
        published(store, {"a": b"1"})
    assert files(repository.path, "main") == {"a": b"1"}


def test_a_killed_builder_is_replaced_and_the_batch_is_whole(repository: Repository) -> None:
    with beside(repository) as (store, process):
        [head] = published(store, {"a": b"1"})
        building = store.begin(head)
        building.add(a_commit({"b": b"2"}))
        os.kill(process.pid, signal.SIGKILL)
        building.add(a_commit({"c": b"3"}))
        store.publish(head, building.finish())
    assert files(repository.path, "main") == {"a": b"1", "b": b"2", "c": b"3"}
    git(repository.path, "fsck", "--strict")


def test_it_builds_upon_packs_that_a_repack_made(repository: Repository) -> None:
    with beside(repository) as (store, _):
        for at in range(6):
            published(store, {f"folder/{at}": b"1"})
        git(repository.path, "repack", "-q", "-a", "-d")
        repository.renew()
        published(store, many(20), {"folder/1": None})
    assert "folder/1" not in files(repository.path, "main")
    git(repository.path, "fsck", "--strict")


def test_signals_to_the_group_leave_it_to_its_parent(repository: Repository) -> None:
    with beside(repository) as (store, process):
        published(store, {"a": b"1"})
        before = process.pid
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(before, number)
        published(store, {"b": b"2"})
        assert process.pid == before


def test_it_ends_with_a_parent_that_was_killed(repository: Repository) -> None:
    program = """
import sys
from pathlib import Path
from muster.gitstore.builder_process import BuilderProcess
from muster.gitstore.repository import Repository
process = BuilderProcess(Repository(Path(sys.argv[1])))
process.begin(None).finish()
print(process.pid, flush=True)
sys.stdin.read()
"""
    command = (sys.executable, "-c", program, str(repository.path))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        builder = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    # Readable once it has ended, whoever was to wait for it.
    assert select.select([builder], [], [], PATIENCE_S)[0]
    os.close(builder)
