"""The mirror over Git's own transports: what it holds, what it never does, and who learns its password."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from muster.domain.errors import Conflict, Unavailable
from muster.gitstore.mirror import GitRemote
from muster.gitstore.remotes import access_to
from muster.gitstore.repository import Repository
from muster.gitstore.store import GitStore
from tests.answering import answering
from tests.repositories import git, published

PASSWORD = "correct horse battery"


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    return GitStore(Repository(tmp_path / "registry.git"))


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """An empty repository elsewhere."""
    git(tmp_path, "init", "-q", "--bare", "there.git")
    return tmp_path / "there.git"


def remote(tmp_path: Path, url: str | Path, password: str = "") -> GitRemote:
    repository = Repository(tmp_path / "registry.git")
    return GitRemote(repository, str(url), lambda: access_to(str(url), {}, "ada", password))


def head(there: Path) -> str:
    return git(there, "rev-parse", "main").decode().strip()


def test_a_mirror_that_is_empty_gets_the_whole_history_then_what_is_new(
    tmp_path: Path, store: GitStore, there: Path
) -> None:
    mirror = remote(tmp_path, there)
    assert mirror.head() is None
    first = published(store, {"a": b"1"}, {"a": b"2"})[-1]
    mirror.push(first)
    assert head(there) == mirror.head() == first
    later = published(store, {"a": b"3"}, {"b": b"4"})[-1]
    mirror.push(later)
    assert head(there) == later


def test_commits_of_others_in_the_mirror_are_never_overwritten(
    tmp_path: Path, store: GitStore, there: Path
) -> None:
    mirror = remote(tmp_path, there)
    mirror.push(published(store, {"a": b"1"})[-1])
    foreign = published(GitStore(Repository(there)), {"theirs": b"1"})[-1]
    ours = published(store, {"a": b"2"})[-1]
    with pytest.raises(Conflict, match="Nothing was overwritten"):
        mirror.push(ours)
    assert head(there) == foreign


def test_a_mirror_that_is_ahead_is_not_taken_back(tmp_path: Path, store: GitStore, there: Path) -> None:
    old, new = published(store, {"a": b"1"}, {"a": b"2"})
    mirror = remote(tmp_path, there)
    mirror.push(new)
    with pytest.raises(Conflict, match="has commits that this registry does not have"):
        mirror.push(old)
    assert head(there) == new


def test_a_mirror_that_is_not_there_is_unavailable_and_named(tmp_path: Path, store: GitStore) -> None:
    mirror = remote(tmp_path, tmp_path / "nowhere.git")
    with pytest.raises(Unavailable, match="nowhere"):
        mirror.push(published(store, {"a": b"1"})[-1])


def test_a_mirror_whose_hook_refuses_is_not_taken_for_one_that_has_diverged(
    tmp_path: Path, store: GitStore, there: Path
) -> None:
    hook = there / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'full up' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(Unavailable, match="hook declined"):
        remote(tmp_path, there).push(published(store, {"a": b"1"})[-1])


def test_what_the_users_configuration_says_has_no_effect(
    tmp_path: Path, store: GitStore, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = tmp_path / ".gitconfig"
    configuration.write_text(
        f'[url "{tmp_path}/elsewhere/"]\n\tpushInsteadOf = {tmp_path}/\n\tinsteadOf = {tmp_path}/\n'
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(configuration))
    commit = published(store, {"a": b"1"})[-1]
    remote(tmp_path, there).push(commit)
    assert head(there) == commit


@contextmanager
def served(root: Path, asked: list[str]) -> Iterator[str]:
    """The repositories below `root` over HTTP, by Git's own program, for whoever knows the password."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            said = self.headers.get("Authorization", "")
            asked.append(said)
            if said != f"Basic {base64.b64encode(f'ada:{PASSWORD}'.encode()).decode()}":
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            path, _, query = self.path.partition("?")
            length = int(self.headers.get("Content-Length") or 0)
            done = subprocess.run(
                ["git", "http-backend"],
                input=self.rfile.read(length),
                capture_output=True,
                check=True,
                env={
                    "GIT_PROJECT_ROOT": str(root),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "REQUEST_METHOD": self.command,
                    "PATH_INFO": path,
                    "QUERY_STRING": query,
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                    "CONTENT_LENGTH": str(length),
                    "REMOTE_USER": "ada",
                    "REMOTE_ADDR": "127.0.0.1",
                    "GIT_CONFIG_COUNT": "1",
                    "GIT_CONFIG_KEY_0": "safe.directory",
                    "GIT_CONFIG_VALUE_0": "*",
                },
            ).stdout
            headers, _, body = done.partition(b"\r\n\r\n")
            self.send_response(200)
            for line in headers.decode().splitlines():
                name, _, value = line.partition(": ")
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None: ...

    with answering(Handler) as url:
        yield url


def test_a_password_is_told_to_the_mirror_and_to_nobody_else(
    tmp_path: Path, store: GitStore, there: Path
) -> None:
    asked: list[str] = []
    commit = published(store, {"a": b"1"})[-1]
    with served(tmp_path, asked) as url:
        mirror = remote(tmp_path, f"{url}/there.git", PASSWORD)
        mirror.push(commit)
        assert mirror.head() == commit
        assert mirror.where == f"{url}/there.git"
        with pytest.raises(Unavailable) as refused:
            remote(tmp_path, f"{url}/there.git", "wrong battery").push(commit)
    assert head(there) == commit
    assert "battery" not in refused.value.message
    kept = b"".join(path.read_bytes() for path in (tmp_path / "registry.git").rglob("*") if path.is_file())
    assert b"battery" not in kept


def test_who_has_no_password_is_asked_for_none(tmp_path: Path, store: GitStore, there: Path) -> None:
    asked: list[str] = []
    with served(tmp_path, asked) as url, pytest.raises(Unavailable):
        remote(tmp_path, f"{url}/there.git").push(published(store, {"a": b"1"})[-1])
    assert set(asked) == {""}
