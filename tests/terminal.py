"""A user's terminal: a folder, the installed commands, and programs left running in it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

BIN = Path(sys.executable).parent
PATIENCE_S = 60.0


@dataclass
class Running:
    """A program in the background; `url` is where it answers."""

    process: subprocess.Popen[str]
    url: str
    log: Path

    def kill(self) -> None:
        """As `kill -9` of the program itself: what it started learns of it or not."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """As Ctrl-C; its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE_S)


@dataclass
class Terminal:
    """Commands run in `folder` as a user would, with no settings but those given."""

    folder: Path

    def environment(self, **more: str) -> dict[str, str]:
        """What a command there is run with."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
        set_here = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(self.folder), "COLUMNS": "120"}
        return ours | set_here | more

    def run(self, *command: str, exit_code: int = 0, **more: str) -> str:
        """Run a command to its end and give all that it printed; its exit code must be this one."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=110,
            check=False,
        )
        assert done.returncode == exit_code, f"{command} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    @contextmanager
    def background(self, *command: str, port: int, path: str, **more: str) -> Iterator[Running]:
        """Run a program that listens on `port`, from when it answers at `path` to the end of the block."""
        log = self.folder / f"{Path(command[0]).name}-{port}-{time.monotonic_ns()}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment(**more),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,  # so that what it starts (a reloader) can be ended with it
            )
        running = Running(process, f"http://127.0.0.1:{port}", log)
        try:
            until(lambda: _answers(running, path), f"{command} answers", log)
            yield running
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(PATIENCE_S)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

    def serve(
        self, home: str = "registry", port: int | None = None, **more: str
    ) -> AbstractContextManager[Running]:
        """`muster serve` in the background, on a free port if none is given."""
        port = port or free_port()
        return self.background(
            "muster", "serve", "--home", home, "--port", str(port), port=port, path="/readyz", **more
        )


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def until(true: Callable[[], bool], what: str, log: Path | None = None) -> None:
    """Wait until it is true."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"never came true: {what}\n{log.read_text() if log else ''}"
        time.sleep(0.05)


def _answers(running: Running, path: str) -> bool:
    assert running.process.poll() is None, f"it ended:\n{running.log.read_text()}"
    try:
        return httpx.get(running.url + path, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
