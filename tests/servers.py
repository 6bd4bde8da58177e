"""`muster serve` as a process of its own: started, asked, killed, started again on the same home."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

import httpx

MUSTER = Path(sys.executable).parent / "muster"
PATIENCE_S = 60.0
SMALL = {"MUSTER_RESERVE_BYTES": "1048576", "MUSTER_MIN_FREE_BYTES": "0"}


def surroundings(**more: str) -> dict[str, str]:
    """This process's environment without settings of Muster, but with `more`.

    Modules are kept compiled, as they are where Muster is installed: else half of a
    server's start would be compiling them.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MUSTER_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | more


class Process(Protocol):
    """What is asked of a server's process: a part of `subprocess.Popen[bytes]`."""

    pid: int

    @property
    def stdout(self) -> IO[bytes] | None: ...
    def poll(self) -> int | None: ...
    def kill(self) -> None: ...
    def send_signal(self, sig: int) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


class Server:
    """A server on `home` and `port`, or a free one; `start` and `kill` may take turns. The block ends it."""

    def __init__(self, home: Path, **settings: str) -> None:
        """`settings` are environment variables; small amounts of disk unless they say otherwise."""
        self.home = home
        self.environment = surroundings(**SMALL | settings)
        self.log = home.with_name(f"{home.name}.log")
        self.port = 0
        self.url = ""
        self.started_in_s = 0.0
        self._process: Process | None = None
        self._client = httpx.Client(timeout=PATIENCE_S, trust_env=False)

    def start(self, *, through: Sequence[str] = (), **settings: str) -> Self:
        """Start it and wait until it answers; `settings` are for this time only."""
        began = time.monotonic()
        process = self.launch(through=through, **settings)
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            self.wait()
            raise AssertionError(f"no server came up:\n{self.said()}")
        self.url = json.loads(line)["url"]
        assert self.get("/readyz").status_code == 200
        self.started_in_s = time.monotonic() - began
        return self

    def launch(self, *, through: Sequence[str] = (), **settings: str) -> Process:
        """Start it and do not wait. `through` is a command that runs it."""
        assert self._process is None or self._process.poll() is not None, "it runs already"
        self._process = self._launched(through, self.environment | settings)
        return self._process

    def _launched(self, through: Sequence[str], environment: Mapping[str, str]) -> Process:
        command = [*through, str(MUSTER), "serve", "--home", str(self.home), "--json"]
        command += ["--port", str(self.port)]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    @property
    def process(self) -> Process:
        assert self._process is not None
        return self._process

    def said(self) -> str:
        """The end of what it logged."""
        return self.log.read_text(errors="replace")[-4000:]

    def kill(self) -> None:
        """As kill -9."""
        self.process.kill()
        self.wait()

    def stop(self) -> int:
        """As a service manager does; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Until it has ended; its exit code."""
        code = self.process.wait(PATIENCE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self._client.request(method, self.url + path, **more)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self._client.get(self.url + path, **more)

    def post(self, path: str, body: Mapping[str, Any] | None = None, **more: Any) -> httpx.Response:
        return self._client.post(self.url + path, json=body or {}, **more)

    def register(self, name: str, version: str = "v1", **fields: Any) -> httpx.Response:
        """A version without files."""
        return self.post("/models", registration(name, version, **fields))

    def register_with_file(self, name: str, version: str, path: str, content: bytes) -> str:
        """A final version with that one file: its model id."""
        there = f"/api/v1/models/{name}/versions"
        made = self.post(there, {"version": version, "pending": True})
        assert made.status_code == 201, made.text
        number = made.json()["number"]
        put = self._client.put(f"{self.url}{there}/{number}/files/{path}", content=content)
        assert put.status_code == 201, put.text
        done = self.post(f"{there}/{number}/finalize")
        assert done.status_code == 200, done.text
        model_id: str = done.json()["model_id"]
        return model_id

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it, if it runs."""
        if self._process is not None:
            self.kill()
        self._client.close()


def registration(name: str, version: str = "v1", **fields: Any) -> dict[str, Any]:
    """The body of a registration, complete."""
    return {"name": name, "version": version, "description": "d", "training_data": "t"} | fields


def processes_of(home: Path) -> dict[int, str]:
    """Processes that work in the home's folder or on it, with their command lines; not this one."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            folder = os.readlink(entry / "cwd")
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has just ended
            continue
        if command and (folder.startswith(str(home)) or str(home) in command):
            found[int(entry.name)] = command
    return found
