"""Backups made while writes go on, and homes made of them that answer the same."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import pytest

from muster.bootstrap import open_home
from muster.domain.changes import Actor, Purge
from muster.settings import load
from tests.keeping import a_registry, answers, files
from tests.repositories import git
from tests.servers import SMALL, Server
from tests.terminal import Terminal

pytestmark = pytest.mark.timeout(300)  # many programs are started

SECRET = b"[]  \n"
FORMS = pytest.mark.parametrize("backup", ["backup", "backup.tar"])


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the home to be copied, and the files of a version."""
    folder = tmp_path_factory.mktemp("made")
    a_registry(folder / "registry", folder / "source")
    (folder / "registry/secrets/webhooks.json").write_bytes(SECRET)
    (folder / "registry/secrets/webhooks.json").chmod(0o600)
    return folder


@pytest.fixture
def home(tmp_path: Path, made: Path) -> Path:
    """A registry with a history, `registry`, beside the folder `source`."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "registry"


@FORMS
def test_a_restored_registry_answers_the_same_and_its_files_are_byte_identical(
    terminal: Terminal, home: Path, backup: str
) -> None:
    before = answers(home)
    terminal.run("muster", "backup", "--to", backup)
    assert "It is whole" in terminal.run("muster", "backup", "verify", backup)
    terminal.run("muster", "restore", backup, "--home", "new")
    new = terminal.folder / "new"
    assert answers(new) == before
    assert files(new) == files(home)
    assert (new / "secrets/webhooks.json").read_bytes() == SECRET
    assert (new / "secrets/webhooks.json").stat().st_mode & 0o777 == 0o600
    assert (new / "secrets").stat().st_mode & 0o777 == 0o700
    assert "agree" in terminal.run("muster", "verify", "--home", "new")


@FORMS
def test_a_backup_made_while_writes_go_on_is_of_one_moment(terminal: Terminal, backup: str) -> None:
    stopping = threading.Event()
    with Server(terminal.folder / "registry", MUSTER_REPACK_EVERY="8") as server:
        server.register_with_file("m", "v1", "weights", b"0" * 1000)

        def write() -> None:
            at = 1
            while not stopping.is_set():
                at += 1
                server.register_with_file("m", f"v{at}", "weights", b"%d" % at * 1000)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            made = [json.loads(terminal.run("muster", "backup", "--to", backup, "--json")) for _ in range(3)]
        finally:
            stopping.set()
            writer.join()
    heads = [each["head"] for each in made]
    assert len(set(heads)) == 3, "nothing was written meanwhile"
    assert not any(each["missing"] for each in made)
    terminal.run("muster", "restore", backup, "--home", "new")
    new = terminal.folder / "new"
    # The old registry, taken back to the moment of the backup, is what the new one must be.
    then = terminal.folder / "then"
    shutil.copytree(terminal.folder / "registry/registry.git", then / "registry.git")
    git(then / "registry.git", "update-ref", "refs/heads/main", heads[-1])
    assert answers(new) == answers(then)
    assert "agree" in terminal.run("muster", "verify", "--home", "new")


def test_a_second_backup_into_a_folder_copies_only_what_is_new(terminal: Terminal, home: Path) -> None:
    terminal.run("muster", "backup", "--to", "backup")
    objects = terminal.folder / "backup/files"
    before = {path: path.stat().st_ino for path in objects.rglob("*") if path.is_file()}
    terminal.run("muster", "register", "flowers", "v4", "--files", "source")
    (terminal.folder / "source/more").write_bytes(b"more")
    terminal.run("muster", "register", "flowers", "v5", "--files", "source")
    terminal.run("muster", "backup", "--to", "backup")
    after = {path: path.stat().st_ino for path in objects.rglob("*") if path.is_file()}
    assert {path: after[path] for path in before} == before
    assert len(after) == len(before) + 1
    assert len(list((terminal.folder / "backup/history").iterdir())) == 1
    terminal.run("muster", "restore", "backup", "--home", "new")
    assert answers(terminal.folder / "new") == answers(home)


def test_secrets_are_left_out_if_that_is_wanted_and_the_restore_says_so(
    terminal: Terminal, home: Path
) -> None:
    terminal.run("muster", "backup", "--to", "backup", "--without-secrets")
    kept = [path.read_bytes() for path in (terminal.folder / "backup").rglob("*") if path.is_file()]
    assert not any(SECRET in content for content in kept)
    said = terminal.run("muster", "restore", "backup", "--home", "new")
    assert "secrets/" in said
    assert not (terminal.folder / "new/secrets/webhooks.json").exists()


def test_what_is_missing_is_listed_before_anything_is_touched(terminal: Terminal, home: Path) -> None:
    terminal.run("muster", "backup", "--to", "backup")
    [lost, damaged, *_] = sorted((terminal.folder / "backup/files").rglob("*/*/*"))
    lost.unlink()
    damaged.write_bytes(b"damaged")
    assert lost.name in terminal.run("muster", "backup", "verify", "backup", exit_code=1)
    said = terminal.run("muster", "restore", "backup", "--home", "new", exit_code=4)
    assert lost.name in said
    assert damaged.name in said
    assert not (terminal.folder / "new").exists()
    terminal.run("muster", "restore", "backup", "--home", "new", "--dry-run")
    assert not (terminal.folder / "new").exists()
    terminal.run("muster", "restore", "backup", "--home", "new", "--allow-missing")
    there = files(terminal.folder / "new")
    assert there == {
        name: content for name, content in files(home).items() if name not in (lost.name, damaged.name)
    }
    said = terminal.run("muster", "verify", "--home", "new", exit_code=1)
    assert lost.name in said


def test_a_damaged_file_in_a_backup_is_copied_again_by_the_next_one(terminal: Terminal, home: Path) -> None:
    terminal.run("muster", "backup", "--to", "backup")
    [damaged, *_] = sorted((terminal.folder / "backup/files").rglob("*/*/*"))
    content = damaged.read_bytes()
    damaged.write_bytes(bytes(len(content)))
    terminal.run("muster", "backup", "--to", "backup")
    assert damaged.read_bytes() == content


def test_a_file_that_the_registry_has_lost_is_named_by_the_backup_and_the_restore(
    terminal: Terminal, home: Path
) -> None:
    [lost, *_] = sorted((home / "registry.git/lfs/objects").rglob("*/*/*"))
    lost.unlink()
    assert lost.name in terminal.run("muster", "backup", "--to", "backup.tar")
    assert lost.name in terminal.run("muster", "backup", "verify", "backup.tar")
    assert lost.name in terminal.run("muster", "restore", "backup.tar", "--home", "new", exit_code=4)
    terminal.run("muster", "restore", "backup.tar", "--home", "new", "--allow-missing")


@pytest.mark.parametrize("what", ["file", "unfinished"])
def test_a_home_that_is_not_empty_is_never_restored_over(terminal: Terminal, home: Path, what: str) -> None:
    terminal.run("muster", "backup", "--to", "backup")
    new = terminal.folder / "new"
    new.mkdir()
    if what == "file":
        (new / "thesis.txt").write_text("mine")
    else:
        (new / "restoring").mkdir()
    said = terminal.run("muster", "restore", "backup", "--home", "new", exit_code=2)
    assert "must be empty" in said
    assert len(list(new.iterdir())) == 1
    # Nor is what a killed restore left taken for a place for a new registry.
    assert "must be empty" in terminal.run("muster", "register", "m", "--home", "new", exit_code=2)
    said = terminal.run("muster", "restore", "backup", "--home", "registry", exit_code=2)
    assert "must be empty" in said


def test_a_backup_goes_to_no_place_that_holds_something_else(terminal: Terminal, home: Path) -> None:
    (terminal.folder / "thesis").mkdir()
    (terminal.folder / "thesis/chapter.txt").write_text("mine")
    (terminal.folder / "letter.txt").write_text("mine")
    assert "chapter.txt" in terminal.run("muster", "backup", "--to", "thesis", exit_code=2)
    terminal.run("muster", "backup", "--to", "letter.txt", exit_code=2)
    assert "home" in terminal.run("muster", "backup", "--to", "registry/backup", exit_code=2)
    assert "--to" in terminal.run("muster", "backup", exit_code=2)
    assert not (home / "backup").exists()


def test_a_server_on_a_restored_home_serves_the_deployments_again(terminal: Terminal, home: Path) -> None:
    terminal.run("muster", "backup", "--to", "backup")
    shutil.rmtree(home)
    terminal.run("muster", "restore", "backup", "--home", "registry")
    with Server(home) as server:
        flower = {"inputs": [[5.1, 3.5, 1.4, 0.2]]}
        answer = server.post("/serve/production/flowers/invocations", flower)
        assert answer.status_code == 200, answer.text
        assert answer.headers["muster-model-id"] == "flowers_v1"
        terminal.run("muster", "deploy", "flowers/v2", "--reason", "It goes on")
        terminal.run("muster", "rollback", "flowers", "--reason", "And back")


def test_what_was_purged_is_neither_missing_nor_brought_back(terminal: Terminal, home: Path) -> None:
    terminal.run("muster", "backup", "--to", "backup")
    settings = load({"home": str(home)}, environment=SMALL)
    with open_home(settings) as opened:
        [file] = opened.registry.version("flowers", 2).files
        opened.registry.submit(Purge("flowers", 2), Actor("ada", "none"), "May not be kept").result()
    place = home / "registry.git/lfs/objects" / file.sha256[:2] / file.sha256[2:4] / file.sha256
    shelf = terminal.folder / "shelf"
    shelf.mkdir()
    place.rename(shelf / "kept by somebody")
    made = json.loads(terminal.run("muster", "backup", "--to", "backup", "--json"))
    assert made["missing"] == []
    assert not list((terminal.folder / "backup").rglob(file.sha256))
    terminal.run("muster", "restore", "backup", "--home", "new")
    git(terminal.folder, "clone", "-q", "--mirror", str(home / "registry.git"), "clone")
    sources = ("--from-clone", "clone", "--files")
    shutil.copytree(home / "registry.git/lfs", shelf / "lfs")
    terminal.run("muster", "restore", *sources, "shelf", "--home", "other")
    for folder in ("new", "other"):
        assert file.sha256 not in files(terminal.folder / folder)
        assert files(terminal.folder / folder) == files(home)
