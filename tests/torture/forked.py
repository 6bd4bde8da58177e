"""The server of the cut-down crash tests: forked from a process that has imported it already.

It is a process of its own like any other and dies as any other; but four fifths of
the time that a start takes is importing, and these tests start a hundred.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import IO, Final

from muster.bootstrap.server import serve
from muster.settings import load
from tests import servers
from tests.servers import Process
from tests.torture.scale import FULL

_FORKS: Final = get_context("forkserver")
_FORKS.set_forkserver_preload([serve.__module__])


def _serve(home: str, log: str, environment: Mapping[str, str], out: Connection) -> None:
    """What the process does: as `muster serve --json`, with a pipe for its output."""
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT), 2)
    serve(
        load({"home": home, "port": 0}, environment=environment),
        lambda url, _: _tell(out, json.dumps({"url": url})),
    )


def _tell(out: Connection, line: str) -> None:
    os.write(out.fileno(), f"{line}\n".encode())


class _Forked:
    """A process, with what is asked of one."""

    def __init__(self, process: ForkServerProcess, stdout: IO[bytes]) -> None:
        assert process.pid is not None
        self.pid = process.pid
        self.stdout = stdout
        self._process = process

    def poll(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def send_signal(self, sig: int) -> None:
        assert sig == signal.SIGTERM
        self._process.terminate()

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        assert self._process.exitcode is not None, "it runs on"
        return self._process.exitcode


class Server(servers.Server):
    """A server whose process is forked; at full length one with everything that a start takes."""

    def _launched(self, through: Sequence[str], environment: Mapping[str, str]) -> Process:
        if FULL:
            return super()._launched(through, environment)
        assert not through
        said, out = _FORKS.Pipe(duplex=False)
        with said, out:
            process = _FORKS.Process(target=_serve, args=(str(self.home), str(self.log), environment, out))
            process.start()
            return _Forked(process, open(os.dup(said.fileno()), "rb"))
