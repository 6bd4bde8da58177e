"""Where the demo happens: a temporary folder, a server of its own in it, and commands run there."""

from __future__ import annotations

import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from muster.demo.telling import Disappointed

MUSTER: Final = (sys.executable, "-c", "from muster.cli import main; main()")
_END_WITH_US: Final = "from muster.demo.guarded import end_with_the_demo; end_with_the_demo()"
_SERVER: Final = (sys.executable, "-c", f"{_END_WITH_US}; from muster.cli import main; main()")
_START_S: Final = 60.0
_STOP_S: Final = 20.0
_COMMAND_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Place:
    """A Git work tree with a server's registry in it, and what commands there are run with."""

    folder: Path
    commit: str
    url: str
    environment: Mapping[str, str]

    @property
    def home(self) -> Path:
        """The registry's folder."""
        return self.folder / "registry"

    def run(self, command: tuple[str, ...], actor: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command there to its end; `muster` is this very installation."""
        program = MUSTER if command[0] == "muster" else command[:1]
        environment = dict(self.environment) | ({"MUSTER_ACTOR": actor} if actor else {})
        return _run([*program, *command[1:]], self.folder, environment)


@contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="muster-demo-") as path:
        yield Path(path).resolve()


def _run(
    command: Sequence[str], where: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            cwd=where,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_COMMAND_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise Disappointed(f"{command[0]} is installed") from error
    except subprocess.TimeoutExpired as error:
        raise Disappointed(f"{command[0]} ends within {_COMMAND_S:g} s") from error


def neutral(surroundings: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without what it says of other registries and repositories."""
    return {k: v for k, v in surroundings.items() if not k.startswith(("MUSTER_", "GIT_"))}


def committed(where: Path, file: Path, name: str, environment: Mapping[str, str]) -> str:
    """Make `where` a Git work tree that holds `file` as `name`, and nothing else; its commit's id."""
    shutil.copyfile(file, where / name)
    (where / ".gitignore").write_text(f"*\n!{name}\n")

    def git(*arguments: str) -> str:
        settings = ("user.name=demo", "user.email=demo@localhost", "commit.gpgSign=false", "core.hooksPath=")
        command = ["git", *(word for setting in settings for word in ("-c", setting)), *arguments]
        done = _run(command, where, environment)
        if done.returncode != 0:
            raise Disappointed(f"git {arguments[0]} succeeds. Instead: {done.stdout}")
        return done.stdout.strip()

    git("init", "--quiet")
    git("add", name)
    git("commit", "--quiet", "--no-verify", "--message", "Train classifiers of digits")
    return git("rev-parse", "HEAD")


@contextmanager
def serving(where: Path, commit: str, environment: Mapping[str, str], columns: int) -> Iterator[Place]:
    """A server on a free port with a new registry, stopped at the end.

    Raises:
        Disappointed: it did not come up; with what it said.
    """
    environment = dict(environment) | {"COLUMNS": str(columns)}
    log = where / "server.log"
    with log.open("w") as errors:
        server = subprocess.Popen(
            [*_SERVER, "serve", "--home", "registry", "--port", "0"],
            cwd=where,
            env=environment,
            stdin=subprocess.PIPE,  # which ends with this process, and the server with it
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            url = _address(server, log)
            yield Place(where, commit, url, environment | {"MUSTER_URL": url})
        finally:
            _stop(server)


def _address(server: subprocess.Popen[str], log: Path) -> str:
    """The address that the server prints once it answers."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        assert server.stdout is not None
        with server.stdout as output:
            for line in output:
                lines.put(line)
        lines.put(None)

    # It goes on reading to the end, so that the server never blocks on a full pipe.
    threading.Thread(target=read, name="server-output", daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=_START_S)
        except queue.Empty:
            line = None
        if line is None:
            raise Disappointed(f"the server comes up (it said: {log.read_text()[-2000:].strip()})")
        for word in line.split():
            if word.startswith("http://"):
                return word.rstrip("/.,")


def _stop(server: subprocess.Popen[str]) -> None:
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    assert server.stdin is not None
    server.stdin.close()
