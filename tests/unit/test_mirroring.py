"""The mirror's rounds: what its state says, and when it looks again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from muster.bootstrap import Home, open_home
from muster.bootstrap.home import now
from muster.bootstrap.mirroring import Note
from muster.domain.changes import Actor, RegisterVersion
from muster.gitstore.mirror import GitRemote
from muster.gitstore.remotes import Access
from muster.gitstore.repository import Repository
from muster.gitstore.store import GitStore
from muster.service.mirroring import Mirror
from muster.settings import load
from tests.repositories import git, published
from tests.servers import SMALL

ADA = Actor("ada", "none")


@dataclass
class Mirrored:
    """A home that is open, its mirror, which looks when it is told to, and the repository there."""

    home: Home
    mirror: Mirror
    there: Path

    def register(self, label: str) -> str:
        change = RegisterVersion(model="m", label=label, description="d", training_data="t")
        commit = self.home.registry.submit(change, ADA, "").result().commit
        assert commit is not None
        return commit


@contextmanager
def opened(folder: Path) -> Iterator[Mirrored]:
    there = folder / "there.git"
    with open_home(load({"home": str(folder / "home")}, environment=SMALL)) as home:
        storage = home.storage
        remote = GitRemote(storage.repository, str(there), Access)
        note = Note(storage.folder.run / "mirror.json", str(there))
        yield Mirrored(home, Mirror(remote, storage.store, storage.index, note, now), there)


@pytest.fixture
def mirrored(tmp_path: Path) -> Iterator[Mirrored]:
    git(tmp_path, "init", "-q", "--bare", "there.git")
    with opened(tmp_path) as found:
        yield found


def head(there: Path) -> str:
    return git(there, "rev-parse", "main").decode().strip()


def test_a_round_brings_the_mirror_up_to_date(mirrored: Mirrored) -> None:
    commit = mirrored.register("v1")
    before = mirrored.mirror.state()
    assert (before.held, before.lag) == (None, 2)  # with the registry's first commit
    mirrored.mirror.round()
    assert head(mirrored.there) == commit
    after = mirrored.mirror.state()
    assert (after.held and after.held.commit, after.lag, after.lag_s, after.failed) == (commit, 0, 0.0, "")


def test_the_lag_is_in_changes_and_in_seconds_since_the_oldest_of_them(mirrored: Mirrored) -> None:
    mirrored.mirror.round()
    mirrored.register("v1")
    oldest = mirrored.home.registry.index.newest()
    mirrored.register("v2")
    assert oldest is not None
    lag = mirrored.mirror.state()
    assert lag.lag == 2
    assert 0 < lag.lag_s <= (now() - oldest.entry.time).total_seconds()


def test_pauses_grow_during_an_outage_and_all_is_caught_up_after_it(mirrored: Mirrored) -> None:
    mirrored.mirror.round()
    away = mirrored.there.with_name("away.git")
    mirrored.there.rename(away)
    mirrored.register("v1")
    pauses = [mirrored.mirror.round() for _ in range(10)]
    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    state = mirrored.mirror.state()
    assert (state.lag, state.failures, state.diverged) == (1, 10, False)
    assert "there.git" in state.failed
    assert state.next_try is not None
    assert state.next_try - now() > timedelta(seconds=200)
    last = mirrored.register("v2")
    away.rename(mirrored.there)
    assert mirrored.mirror.round() == 1
    assert head(mirrored.there) == last
    state = mirrored.mirror.state()
    assert (state.lag, state.failed, state.next_try) == (0, "", None)


def test_a_mirror_with_commits_of_others_is_left_alone_and_said_to_have_diverged(mirrored: Mirrored) -> None:
    mirrored.mirror.round()
    foreign = published(GitStore(Repository(mirrored.there)), {"theirs": b"1"})[-1]
    mirrored.register("v1")
    mirrored.mirror.round()
    state = mirrored.mirror.state()
    assert state.diverged
    assert "Nothing was overwritten" in state.failed
    assert head(mirrored.there) == foreign


def test_what_the_mirror_has_is_remembered_and_believed_only_until_it_was_asked(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "there.git")
    with opened(tmp_path) as first:
        first.mirror.round()
    with opened(tmp_path) as second:
        second.register("v1")
        assert second.mirror.state().lag == 1
        last = second.register("v2")
        # Somebody made the mirror anew meanwhile.
        git(second.there, "update-ref", "-d", "refs/heads/main")
        second.mirror.round()
        assert head(second.there) == last
