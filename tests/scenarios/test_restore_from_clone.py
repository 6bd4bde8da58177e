"""Any clone is a backup: a home is destroyed and made again of one, and works."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from muster.bootstrap import admitting, open_home
from muster.bootstrap.from_clone import restore_clone
from muster.domain.changes import BeginAccess
from muster.service.observing import MUSTER
from muster.settings import load
from tests.keeping import a_registry, answers, files
from tests.repositories import git
from tests.servers import SMALL, Server
from tests.serving import iris_onnx
from tests.terminal import Terminal

pytestmark = pytest.mark.timeout(300)  # many programs are started

FLOWER = {"inputs": [[5.1, 3.5, 1.4, 0.2]]}
EVERYTHING = ("-I", "*", "-X", "")


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    a_registry(folder / "registry", folder / "source")
    return folder


@pytest.fixture
def home(tmp_path: Path, made: Path) -> Path:
    """A registry with a history, `registry`, beside the folder `source`."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "registry"


def served(server: Server) -> str:
    """The id of the version that answers a request now."""
    answer = server.post("/serve/production/flowers/invocations", FLOWER)
    assert answer.status_code == 200, answer.text
    model_id: str = answer.headers["muster-model-id"]
    return model_id


def test_a_home_that_was_destroyed_is_made_again_of_a_plain_clone_and_goes_on(terminal: Terminal) -> None:
    folder = terminal.folder
    home, clone, shelf = folder / "registry", folder / "clone", folder / "shelf"
    shelf.mkdir()
    with Server(home, DATABASE="postgresql://") as server:
        for at in (1, 2):
            # Whoever made a model still has it, under a name of their own.
            (shelf / f"fit-{at}.bin").write_bytes(iris_onnx(1 / at))
            content = (shelf / f"fit-{at}.bin").read_bytes()
            server.register_with_file("flowers", f"v{at}", "model.onnx", content)
        configured = json.dumps({"env": {"DATABASE": {"from": "env:DATABASE"}}})
        terminal.run("muster", "deploy", "flowers/v1", "--reason", "First", "--config", configured)
        terminal.run("muster", "deploy", "flowers/v2", "--reason", "Better", "--config", configured)
        assert served(server) == "flowers_v2"
        git(folder, "clone", "-q", str(home / "registry.git"), str(clone))
        server.kill()
    before = answers(home)
    shutil.rmtree(home)

    restore = ("muster", "restore", "--from-clone", str(clone), "--home", "registry")
    said = terminal.run(*restore, exit_code=4, COLUMNS="250")
    assert "versions/1/files/model.onnx" in said
    assert "versions/2/files/model.onnx" in said
    assert "environment variable DATABASE" in said
    assert "secrets/" in said
    assert not home.exists()
    report = json.loads(terminal.run(*restore, "--files", "shelf", "--json", "--dry-run"))
    assert report["missing"] == []
    assert not home.exists()
    terminal.run(*restore, "--files", "shelf")
    assert answers(home) == before

    with Server(home, DATABASE="postgresql://") as server:
        assert served(server) == "flowers_v2"
        terminal.run("muster", "rollback", "flowers", "--reason", "Worse")
        assert served(server) == "flowers_v1"
        content = iris_onnx(0.1)
        server.register_with_file("flowers", "v3", "model.onnx", content)
        terminal.run("muster", "deploy", "flowers/v3", "--reason", "Best")
        assert served(server) == "flowers_v3"
    assert "agree" in terminal.run("muster", "verify")


@pytest.mark.needs("git-lfs")
def test_files_come_from_the_lfs_store_of_a_clone(terminal: Terminal, home: Path) -> None:
    git(terminal.folder, "clone", "-q", str(home / "registry.git"), "clone")
    git(terminal.folder / "clone", "lfs", "pull", *EVERYTHING)
    terminal.run("muster", "restore", "--from-clone", "clone", "--home", "new", "--allow-missing")
    there = files(terminal.folder / "new")
    assert there
    assert there.items() <= files(home).items()
    # A version that was deleted is in no checkout; its file is named by older commits only.
    assert len(files(home)) - len(there) == 1


@pytest.mark.needs("git-lfs")
def test_files_come_from_a_work_tree_too(terminal: Terminal, home: Path) -> None:
    git(terminal.folder, "clone", "-q", str(home / "registry.git"), "clone")
    git(terminal.folder / "clone", "lfs", "install", "--local")
    git(terminal.folder / "clone", "lfs", "pull", *EVERYTHING)
    shutil.rmtree(terminal.folder / "clone/.git/lfs")
    git(terminal.folder / "clone", "worktree", "add", "-q", "--detach", "../beside")
    terminal.run("muster", "restore", "--from-clone", "clone", "--home", "new", "--allow-missing")
    assert len(files(terminal.folder / "new")) == 2
    # The repository of a further work tree is elsewhere.
    terminal.run("muster", "restore", "--from-clone", "beside", "--home", "other", "--allow-missing")
    assert "flowers" in terminal.run("muster", "models", "--home", "other")


@pytest.mark.parametrize("form", ["bare", "mirror", "plain"])
def test_every_form_of_clone_answers_the_same(terminal: Terminal, home: Path, form: str) -> None:
    how = [] if form == "plain" else [f"--{form}"]
    git(terminal.folder, "clone", "-q", *how, str(home / "registry.git"), "clone")
    before = answers(home)
    terminal.run("muster", "restore", "--from-clone", "clone", "--files", "registry", "--home", "new")
    assert answers(terminal.folder / "new") == before
    assert files(terminal.folder / "new") == files(home)


def test_without_its_files_a_registry_works_and_says_what_is_missing(terminal: Terminal, home: Path) -> None:
    git(terminal.folder, "clone", "-q", "--bare", str(home / "registry.git"), "clone")
    terminal.run("muster", "restore", "--from-clone", "clone", "--home", "new", "--allow-missing")
    assert "flowers" in terminal.run("muster", "models", "--home", "new")
    assert "missing" in terminal.run("muster", "deploy", "flowers/v2", "--home", "new", exit_code=6)
    terminal.run("muster", "register", "flowers", "v9", "--files", "source", "--home", "new")
    terminal.run("muster", "deploy", "flowers/v9", "--home", "new")
    assert "missing" in terminal.run("muster", "verify", "--home", "new", exit_code=1)


def test_commits_of_others_in_a_clone_are_passed_over(terminal: Terminal, home: Path) -> None:
    clone = terminal.folder / "clone"
    git(terminal.folder, "clone", "-q", str(home / "registry.git"), "clone")
    (clone / "notes.txt").write_text("mine")
    git(clone, "add", "notes.txt")
    git(clone, "-c", "user.name=b", "-c", "user.email=b@example.com", "commit", "-q", "-m", "My notes")
    said = terminal.run("muster", "restore", "--from-clone", "clone", "--files", "registry", "--home", "new")
    assert "passed over refs/heads/main" in said
    assert answers(terminal.folder / "new") == answers(home)


def test_what_was_fetched_last_counts_if_it_is_newer_than_the_branch(terminal: Terminal, home: Path) -> None:
    clone = terminal.folder / "clone"
    git(terminal.folder, "clone", "-q", str(home / "registry.git"), "clone")
    terminal.run("muster", "register", "later", "v1")
    git(clone, "fetch", "-q")
    terminal.run("muster", "restore", "--from-clone", "clone", "--files", "registry", "--home", "new")
    assert "later" in terminal.run("muster", "models", "--home", "new")


def test_a_clone_without_all_of_the_history_is_refused(terminal: Terminal, home: Path) -> None:
    git(terminal.folder, "clone", "-q", "--depth", "2", f"file://{home}/registry.git", "clone")
    said = terminal.run("muster", "restore", "--from-clone", "clone", "--home", "new", exit_code=2)
    assert "shallow" in said
    assert not (terminal.folder / "new").exists()


def test_what_is_no_clone_of_a_registry_is_refused(terminal: Terminal) -> None:
    other = terminal.folder / "other"
    git(terminal.folder, "init", "-q", "-b", "main", "other")
    refused = ("muster", "restore", "--from-clone", "other", "--home", "new")
    assert "has no branch main" in terminal.run(*refused, exit_code=2)
    (other / "notes.txt").write_text("mine")
    git(other, "add", "notes.txt")
    git(other, "-c", "user.name=b", "-c", "user.email=b@example.com", "commit", "-q", "-m", "My notes")
    assert "not written by Muster" in terminal.run(*refused, exit_code=2)
    terminal.run("muster", "restore", "--from-clone", "nowhere", "--home", "new", exit_code=7)
    assert not (terminal.folder / "new").exists()


def test_accounts_come_along_without_tokens_and_the_next_start_lets_an_admin_in(tmp_path: Path) -> None:
    with open_home(load({"home": str(tmp_path / "registry")}, environment=SMALL)) as home:
        home.registry.submit(BeginAccess("ada"), MUSTER, "").result()
        assert admitting.first_token(home) is not None
    git(tmp_path, "clone", "-q", "--bare", "registry/registry.git", "clone")
    settings = load({"home": str(tmp_path / "new")}, environment=SMALL)
    report = restore_clone(settings, str(tmp_path / "clone"))
    assert any("tokens of 1 account" in need.what for need in report.needs)
    with open_home(settings) as home:
        token = admitting.first_token(home)
        assert token is not None
        actor, _ = home.gate.identify(token)
        assert actor.name == "ada"
