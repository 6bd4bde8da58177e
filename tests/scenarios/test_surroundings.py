"""Whatever a server finds around it: a clear message or no effect, and nothing lost."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from tests.repositories import git
from tests.servers import MUSTER, Server, surroundings
from tests.torture.proof import assert_sound, records
from tests.torture.writers import Noted, Writers

SERVE = (str(MUSTER), "serve", "--port", "0")
STRICT = ("sh", "-c", 'umask 077; exec "$@"', "sh")
UNAVAILABLE, INVALID, CONFLICT = 7, 2, 4


def refused(*command: str, code: int, **environment: str) -> str:
    """What a command says that must end with that exit code, and without a stack trace."""
    done = subprocess.run(
        command,
        env=surroundings(**environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "Traceback" not in said
    return " ".join(said.split())


def test_a_missing_git_is_named(tmp_path: Path) -> None:
    said = refused(*SERVE, "--home", str(tmp_path / "home"), code=UNAVAILABLE, PATH=str(tmp_path))
    assert "git is not installed" in said
    assert "2.36" in said


def test_a_git_that_is_too_old_is_named(tmp_path: Path) -> None:
    old = tmp_path / "git"
    old.write_text("#!/bin/sh\necho git version 2.30.2\n")
    old.chmod(0o755)
    said = refused(*SERVE, "--home", str(tmp_path / "home"), code=UNAVAILABLE, PATH=str(tmp_path))
    assert "2.30.2" in said
    assert "2.36" in said


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refused(
            str(MUSTER), "serve", "--home", str(tmp_path / "home"), "--port", port, code=UNAVAILABLE
        )
    assert f"port {port} of 127.0.0.1 is in use" in said
    assert "--port" in said


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    said = refused(*SERVE, "--home", str(tmp_path), code=INVALID)
    assert "thesis.tex" in said
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_foreign_git_repository_is_left_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    git(tmp_path, "init", "-q", "--bare", str(home / "registry.git"))
    tree = git(home / "registry.git", "hash-object", "-t", "tree", "-w", "--stdin").decode().strip()
    identity = ("-c", "user.name=n", "-c", "user.email=e@example.com")
    made = git(home / "registry.git", *identity, "commit-tree", "-m", "Their own", tree).decode().strip()
    git(home / "registry.git", "update-ref", "refs/heads/main", made)
    said = refused(*SERVE, "--home", str(home), code=UNAVAILABLE)
    assert made in said
    assert "was not written by Muster" in said
    assert git(home / "registry.git", "rev-parse", "main").decode().strip() == made


def test_a_file_cannot_be_a_home(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    said = refused(*SERVE, "--home", str(tmp_path / "home"), code=INVALID)
    assert "must be a folder" in said


def test_a_second_server_on_a_home_is_told_where_the_first_is(tmp_path: Path) -> None:
    with Server(tmp_path / "home") as server:
        said = refused(*SERVE, "--home", str(server.home), code=CONFLICT)
        assert server.url in said
        assert str(server.process.pid) in said
        assert server.register("m").status_code == 201


def test_a_server_that_was_killed_is_in_nobodys_way(tmp_path: Path) -> None:
    with Server(tmp_path / "home") as server:
        server.kill()
        assert (server.home / "run" / "server.json").exists()
        server.start()
        assert server.register("m").status_code == 201


HOSTILE_CONFIG = """
[core]
    hooksPath = {hooks}
    fsmonitor = {hooks}/fsmonitor
    autocrlf = true
    eol = crlf
    bare = false
    worktree = {elsewhere}
    sharedRepository = 0666
    excludesFile = {elsewhere}/exclude
    attributesFile = {elsewhere}/attributes
    compression = 0
    bigFileThreshold = 1
    abbrev = 4
[user]
    name = Mallory
    email = mallory@example.com
    signingKey = 0000
[commit]
    gpgSign = true
    template = {elsewhere}/template
    encoding = UTF-16
[i18n]
    commitEncoding = ISO-8859-1
    logOutputEncoding = ISO-8859-1
[gpg]
    program = {hooks}/gpg
[alias]
    repack = !touch {marks}/alias
    cat-file = !touch {marks}/alias
[init]
    templateDir = {template}
    defaultBranch = trunk
    defaultObjectFormat = sha256
[gc]
    auto = 1
    pruneExpire = now
[maintenance]
    auto = true
[extensions]
    objectFormat = sha256
[pack]
    packSizeLimit = 1k
    indexVersion = 1
[transfer]
    hideRefs = refs/heads
[log]
    showSignature = true
[filter "lfs"]
    clean = touch {marks}/filter
    smudge = touch {marks}/filter
    required = true
[safe]
    directory =
"""


def test_hostile_git_configuration_has_no_effect(tmp_path: Path) -> None:
    hooks, marks, user = tmp_path / "hooks", tmp_path / "marks", tmp_path / "user"
    template, elsewhere = tmp_path / "template", tmp_path / "elsewhere"
    for folder in (hooks, marks, user, template / "hooks", elsewhere):
        folder.mkdir(parents=True)
    for name in ("reference-transaction", "pre-commit", "post-commit", "pre-auto-gc", "fsmonitor", "gpg"):
        for folder in (hooks, template / "hooks"):
            (folder / name).write_text(f"#!/bin/sh\ntouch {marks}/{name}\nexit 1\n")
            (folder / name).chmod(0o755)
    config = user / ".gitconfig"
    config.write_text(HOSTILE_CONFIG.format(hooks=hooks, marks=marks, template=template, elsewhere=elsewhere))
    hostile = {
        "HOME": str(user),
        "XDG_CONFIG_HOME": str(user),
        "GIT_CONFIG_GLOBAL": str(config),
        "GIT_CONFIG_SYSTEM": str(config),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.hooksPath",
        "GIT_CONFIG_VALUE_0": str(hooks),
        "GIT_DIR": str(elsewhere),
        "GIT_WORK_TREE": str(elsewhere),
        "GIT_INDEX_FILE": str(elsewhere / "index"),
        "GIT_OBJECT_DIRECTORY": str(elsewhere / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(elsewhere),
        "GIT_NAMESPACE": "elsewhere",
        "GIT_TEMPLATE_DIR": str(template),
        "GIT_DEFAULT_HASH": "sha256",
        "GIT_AUTHOR_NAME": "Mallory",
        "GIT_AUTHOR_DATE": "2001-01-01T00:00:00Z",
        "GIT_COMMITTER_NAME": "Mallory",
        "GIT_CEILING_DIRECTORIES": "/",
        "GIT_TRACE": str(marks / "trace"),
        "LC_ALL": "C",
        "LANGUAGE": "de",
    }
    noted = Noted()
    with Server(tmp_path / "home", **hostile, MUSTER_REPACK_EVERY="8") as server:
        with Writers(server.url, noted, 1) as writers:
            writers.more(40)
        assert server.register("größe", "v1", reason="für später").status_code == 201
        assert (done := server.register("größe", "v2")).status_code == 201, done.text
        server.kill()
        server.start()
        assert_sound(server.home)
        assert set(noted.registered) < set(records(server))
        assert server.stop() == 0
    assert [mark.name for mark in marks.iterdir()] == []
    assert list(elsewhere.iterdir()) == []
    said = git(tmp_path / "home/registry.git", "log", "--format=%an %cn %G? %e %s").decode()
    assert "Mallory" not in said
    assert "Register größe v1" in said


@pytest.mark.needs("root")
def test_a_home_of_another_owner_works(tmp_path: Path) -> None:
    with Server(tmp_path / "home") as server:
        assert server.stop() == 0
        for path in (server.home, *server.home.rglob("*")):
            os.chown(path, 12345, 12345, follow_symlinks=False)
        server.start(MUSTER_REPACK_EVERY="2")
        assert server.register("m").status_code == 201
        assert_sound(server.home)


def test_a_strict_umask_and_a_folder_with_any_name_work(tmp_path: Path) -> None:
    home = tmp_path / "Ablage größer 'x' \"y\" $HOME %41 ;" / "日本 registry"
    home.parent.mkdir()
    with Server(home, MUSTER_REPACK_EVERY="4") as server:
        server.stop()
        shutil.rmtree(home)
        server.start(through=STRICT)
        for at in range(12):
            assert server.register("m", f"v{at}").status_code == 201
        server.kill()
        server.start(through=STRICT)
        assert len(records(server)) == 12
        assert_sound(home)
        opened = [path for path in home.rglob("*") if stat.S_IMODE(path.lstat().st_mode) & 0o077]
    # Objects are read-only for their owner; nobody else may read any of it.
    assert [path for path in opened if not path.is_symlink()] == []


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_told_to_stop_ends_cleanly(tmp_path: Path, sign: signal.Signals) -> None:
    with Server(tmp_path / "home") as server:
        server.register("m")
        server.process.send_signal(sign)
        assert server.wait() == 0
        assert not (server.home / "run/server.json").exists()
        assert not (server.home / "run/workers").exists()
        assert not (server.home / "index.db-wal").exists()
