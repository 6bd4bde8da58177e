"""The servers under test, as processes: Muster's own, and the ones it is held against."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_TIMEOUT_S = 120


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers on a loopback port."""

    port: int
    pid: int
    started_in_s: float

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu_s(self) -> float:
        """Processor seconds of it and its children so far."""
        return sum(_cpu_s(pid) for pid in (self.pid, *_children(self.pid)))

    def memory_mib(self) -> float:
        """Resident memory of it and its children in MiB (proportional set size: shared pages count once)."""
        return sum(_memory_mib(pid) for pid in (self.pid, *_children(self.pid)))


def free_port() -> int:
    """A loopback port that is free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def muster(home: Path, **settings: str) -> Iterator[Server]:
    """`muster serve` on `home`; settings as `MUSTER_*` variables without the prefix."""
    port = free_port()
    program = Path(sys.executable).with_name("muster")
    command = [str(program), "serve", "--home", str(home), "--port", str(port)]
    extra = {f"MUSTER_{key.upper()}": value for key, value in settings.items()}
    with _running(command, port, "/readyz", {**extra, "MUSTER_LOG_LEVEL": "warning"}) as server:
        yield server


@contextmanager
def flask(record: Path) -> Iterator[Server]:
    """Flask under gunicorn, one process with 16 threads, answering the record in that file from memory."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "gunicorn", "benchmarks.flask_app:app", "--bind", f"127.0.0.1:{port}"),
        *("--workers", "1", "--worker-class", "gthread", "--threads", "16", "--keep-alive", "60"),
        *("--log-level", "warning"),
    ]
    with _running(command, port, "/healthz", {"RECORD": str(record)}) as server:
        yield server


@contextmanager
def _running(command: list[str], port: int, path: str, extra: Mapping[str, str]) -> Iterator[Server]:
    began = time.monotonic()
    process = subprocess.Popen(command, env={**os.environ, **extra}, stdout=subprocess.DEVNULL)
    try:
        while not _answers(f"http://127.0.0.1:{port}{path}"):
            if process.poll() is not None:
                raise RuntimeError(f"{command} ended with {process.returncode}")
            if time.monotonic() - began > START_TIMEOUT_S:
                raise RuntimeError(f"{command} does not answer")
            time.sleep(0.05)
        yield Server(port, process.pid, time.monotonic() - began)
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *_children(int(child))]
    return found


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    # Its own, and that of children which have ended and were waited for.
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _memory_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no memory figure of process {pid}")
