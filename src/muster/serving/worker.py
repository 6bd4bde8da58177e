"""The program of a worker: one version behind a Unix socket.

    GET  /v2  /v2/health/live  /v2/health/ready
    GET  /v2/models/{model}[/versions/{number}][/ready]
    POST /v2/models/{model}[/versions/{number}]/infer
    POST /invocations      GET /ping

Its arguments are the runtimes to choose from (`module:Class`); without any, those that
are installed. It is told what to serve in one line of JSON on standard input (`Job`) and ends
when that pipe closes, however the process at the other end ended. What it writes
to standard output and error is for people; if it cannot start, the last line
says why in one sentence.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import sys
import threading
from pathlib import Path

import msgspec
import uvicorn

from muster.domain.errors import NoRuntime
from muster.serving.protocol import Protocol
from muster.serving.runtimes import CannotLoad, Runtimes

_PR_SET_PDEATHSIG = 1
_NEVER = 10**9  # seconds


class Job(msgspec.Struct, frozen=True):
    """What a worker is told: where its files lie, where to listen, and what it serves."""

    socket: str
    folder: str
    files: list[str]
    model: str
    model_id: str
    number: int
    runtime: str | None
    threads: int
    timeout_s: float
    allow_pickle: bool
    lock: str | None
    parent: int


def main(*runtimes: str) -> int:
    """Serve until told to stop; the exit status is 1 if it could not start."""
    line = sys.stdin.buffer.readline()
    if not line:
        return 0
    job = msgspec.json.decode(line, type=Job)
    _end_with(job.parent)
    if job.lock is not None:
        # Held to the end of this process, so that nobody removes what it runs in.
        fcntl.flock(os.open(job.lock, os.O_RDWR | os.O_CREAT, 0o644), fcntl.LOCK_SH)
    folder = Path(job.folder)
    files = {path: folder / path for path in job.files}
    try:
        known = Runtimes.referred(runtimes) if runtimes else Runtimes.installed()
        runtime, main_file = known.choose(files, job.runtime, job.allow_pickle)
        model = runtime.load(folder, main_file, job.threads)
    except (CannotLoad, NoRuntime) as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    print(f"{runtime.name} loaded {main_file}", flush=True)
    protocol = Protocol(model, runtime.name, job.model, job.model_id, job.number, job.timeout_s)
    # Only the gateway ends idle connections, so that it never sends into one
    # that is closing.
    config = uvicorn.Config(
        protocol, log_level="warning", access_log=False, lifespan="off", server_header=False,
        date_header=False, timeout_keep_alive=_NEVER, ws="none", proxy_headers=False,
    )  # fmt: skip
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(job.socket)
        uvicorn.Server(config).run(sockets=[listener])
    return 0


def _end_with(parent: int) -> None:
    """End when the server does, whether or not this process still runs Python.

    The pipe is what counts. The signal is for a worker that is stuck in native
    code with the interpreter's lock held; it comes when the thread that spawned
    us ends, which lives as long as the server.
    """
    threading.Thread(target=_end_at_end_of_input, daemon=True).start()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)


def _end_at_end_of_input() -> None:
    # Not through sys.stdin: its lock, held here, would abort the interpreter's own end.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
