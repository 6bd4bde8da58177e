"""Checkpoints as a server makes them: on a schedule, beside writes, kept apart, brought elsewhere."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from muster.auditing import prove
from muster.bootstrap import Home, open_home
from muster.bootstrap.home import now
from muster.domain.changes import Actor, CreateModel, UpdateModel
from muster.domain.checkpoints import Checkpoint, read
from muster.domain.errors import Unavailable
from muster.gitstore.published import is_remote
from muster.service.notary import Rounds
from muster.settings import load
from tests.repositories import git
from tests.serving import wait_for

ADA = Actor("ada")


def opened(path: Path, **settings: Any) -> Any:
    quiet = {"checkpoint_every_s": 0, "reserve_bytes": 0, "min_free_bytes": 0}
    return open_home(load({"home": str(path), **quiet, **settings}, environment={}), serving=True)


def say(home: Home, words: str) -> None:
    home.registry.submit(CreateModel(f"model-{words}"), ADA).result()


def positions(home: Home) -> list[int]:
    statements = [read(line).statement for line in home.notary.content().splitlines()]
    return [each.position for each in statements if isinstance(each, Checkpoint)]


def test_a_server_signs_by_itself_while_the_history_goes_on(tmp_path: Path) -> None:
    with opened(tmp_path / "home") as home:
        rounds = Rounds(home.notary, timedelta(milliseconds=20), now)
        rounds.start()
        try:
            wait_for(lambda: positions(home), lambda found: found == [1])
            say(home, "a")
            wait_for(lambda: positions(home), lambda found: found == [1, 2])
        finally:
            rounds.stop()
        say(home, "b")
        assert positions(home) == [1, 2]


def test_a_server_that_is_started_signs_at_once_if_it_is_time(tmp_path: Path) -> None:
    for start in ("first", "second"):
        with opened(tmp_path / "home", checkpoint_every_s=3600) as home:
            wait_for(partial(positions, home), bool)
            say(home, start)
            assert positions(home) == [1]
    with opened(tmp_path / "home") as home:
        due = home.notary.due(timedelta(hours=1)) - now()
        assert timedelta(minutes=59) < due <= timedelta(hours=1)


def test_no_commit_beside_a_checkpoint_is_dated_before_it(tmp_path: Path) -> None:
    with opened(tmp_path / "home") as home:
        ending = threading.Event()

        def write() -> None:
            while not ending.is_set():
                home.registry.submit(UpdateModel("m", description=str(now())), ADA).result()

        home.registry.submit(CreateModel("m"), ADA).result()
        writers = [threading.Thread(target=write) for _ in range(4)]
        for writer in writers:
            writer.start()
        for _ in range(30):
            home.notary.checkpoint()
        ending.set()
        for writer in writers:
            writer.join()
        assert len(positions(home)) > 1
        key = str(home.notary.signer.public)
    folder = tmp_path / "home"
    proven = prove([folder / "checkpoints.jsonl"], key, folder / "registry.git", "HEAD", objects=True)
    assert proven.problems == []


def test_the_file_may_be_kept_anywhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "kept.jsonl"
    with opened(tmp_path / "home", checkpoints=str(elsewhere)) as home:
        home.notary.checkpoint()
    assert len(elsewhere.read_bytes().splitlines()) == 1
    assert not (tmp_path / "home" / "checkpoints.jsonl").exists()


def test_a_line_that_a_crash_left_unfinished_is_written_anew(tmp_path: Path) -> None:
    with opened(tmp_path / "home") as home:
        home.notary.checkpoint()
        file = tmp_path / "home" / "checkpoints.jsonl"
        whole = file.read_bytes()
        file.write_bytes(whole + whole[:70])
        assert home.notary.content() == whole
        say(home, "a")
        home.notary.checkpoint()
        assert file.read_bytes().startswith(whole)
        assert positions(home) == [1, 2]


def test_a_file_that_was_damaged_is_not_written_on(tmp_path: Path) -> None:
    with opened(tmp_path / "home") as home:
        home.notary.checkpoint()
        file = tmp_path / "home" / "checkpoints.jsonl"
        file.write_bytes(b"{}\n")
        say(home, "a")
        with pytest.raises(Unavailable, match="was damaged"):
            home.notary.checkpoint()
        assert file.read_bytes() == b"{}\n"


# ------------------------------------------------------------ copies


def test_copies_get_what_they_lack_and_lose_nothing(tmp_path: Path) -> None:
    copy = tmp_path / "worm" / "kept.jsonl"
    copy.parent.mkdir()
    with opened(tmp_path / "home", checkpoint_copies=str(copy)) as home:
        home.notary.checkpoint()
        assert copy.read_bytes() == home.notary.content()
        first = copy.read_bytes()
        say(home, "a")
        home.notary.checkpoint()
        assert copy.read_bytes() == home.notary.content() != first
        copy.unlink()  # a new disk, say
        home.notary.checkpoint()
        assert copy.read_bytes() == home.notary.content()
        assert [each.failed for each in home.notary.copied()] == [""]


def test_a_copy_that_says_something_else_stays_and_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = tmp_path / "kept.jsonl"
    copy.write_bytes(b"something else\n")
    with opened(tmp_path / "home", checkpoint_copies=str(copy)) as home, caplog.at_level(logging.WARNING):
        home.notary.checkpoint()
        [copied] = home.notary.copied()
    assert copied.where == str(copy)
    assert "holds other statements" in copied.failed
    assert "holds other statements" in caplog.text
    assert copy.read_bytes() == b"something else\n"


def test_a_git_remote_gets_a_branch_that_only_goes_forward(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "remote.git")
    remote = tmp_path / "remote.git"
    git(remote, "config", "receive.denyNonFastForwards", "true")
    with opened(tmp_path / "home", checkpoint_copies=f"file://{remote}") as home:
        for words in "abc":
            say(home, words)
            home.notary.checkpoint()
        content = home.notary.content()
        assert git(remote, "show", "checkpoints:checkpoints.jsonl") == content
        assert git(remote, "rev-list", "--count", "checkpoints").strip() == b"3"
        assert [each.failed for each in home.notary.copied()] == [""]
        # Somebody puts the branch back and goes on from there: what was there is not overwritten.
        tree = git(remote, "rev-parse", "checkpoints^{tree}").decode().strip()
        identity = ("-c", "user.name=x", "-c", "user.email=x@x.invalid")
        theirs = git(remote, *identity, "commit-tree", tree, "-m", "theirs").decode().strip()
        git(remote, "update-ref", "refs/heads/checkpoints", theirs)
        say(home, "d")
        home.notary.checkpoint()
        assert "did not take the checkpoints" in home.notary.copied()[0].failed
        assert git(remote, "rev-parse", "checkpoints").decode().strip() == theirs


def test_a_remote_that_is_out_of_reach_gets_everything_later(tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    with opened(tmp_path / "home", checkpoint_copies=str(remote)) as home:
        home.notary.checkpoint()
        assert home.notary.copied()[0].failed
        git(tmp_path, "init", "-q", "--bare", "remote.git")
        home.notary.checkpoint()
        assert home.notary.copied()[0].failed == ""
        assert git(remote, "show", "checkpoints:checkpoints.jsonl") == home.notary.content()


def test_a_password_in_an_address_is_not_shown(tmp_path: Path) -> None:
    with opened(
        tmp_path / "home", checkpoint_copies="http://ada:secret@127.0.0.1:9/proof.git", checkpoint_every_s=0
    ) as home:
        home.notary.checkpoint()
        [copied] = home.notary.copied()
    assert copied.where == "http://127.0.0.1:9/proof.git"
    assert copied.failed
    assert "secret" not in copied.failed


@pytest.mark.parametrize(
    ("place", "remote"),
    [
        ("https://git.example/proof", True),
        ("git@git.example:team/proof", True),
        ("/mnt/proof.git", True),
        ("file:///mnt/proof", True),
        ("/mnt/worm/checkpoints.jsonl", False),
        ("copies/of:checkpoints.jsonl", False),
    ],
)
def test_a_place_is_a_remote_if_it_looks_like_one(place: str, remote: bool) -> None:
    assert is_remote(place) is remote
