"""The processes that build something for a while: watched, limited in time, gone when this one is."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

_LINES: Final = 200
_LINGERING_S: Final = 10.0

# Where packages come from is the machine's to say, and stays; where they go, and
# secrets that the server was started with, do not reach what a package may run.
_PASSED: Final = re.compile(
    r"HOME|LANG|LC_ALL|LC_CTYPE|PATH|TMPDIR|TZ|NETRC|XDG_(CONFIG_HOME|CONFIG_DIRS|CACHE_HOME)|"
    r"SSL_CERT_FILE|SSL_CERT_DIR|(REQUESTS|CURL)_CA_BUNDLE|(?i:(http|https|no|all)_proxy)|"
    r"PIP_(?!(USER|TARGET|PREFIX|ROOT|REQUIRE_VIRTUALENV|PYTHON)$).*"
)

# Ends with all that it started when its standard input does, which the kernel sees to
# however this process ends.
_WITH_US: Final = """
import os, signal, subprocess, sys, threading

def end():
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)

threading.Thread(target=end, daemon=True).start()
sys.exit(subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL).returncode)
"""


class BuildFailed(Exception):
    """A step ended badly: why, in a sentence, and the last that it printed."""

    def __init__(self, why: str, output: str, *, timed_out: bool) -> None:
        super().__init__(why)
        self.why = why
        self.output = output
        self.timed_out = timed_out


class Builder:
    """Runs one step after the other in each thread that asks."""

    def __init__(self, environ: Mapping[str, str], closing: threading.Event) -> None:
        """`environ` is the server's; nothing is begun once `closing` is set."""
        self._environ = _passed(environ)
        self._closing = closing
        self._guard = threading.Lock()
        self._running: set[int] = set()

    def run(
        self,
        command: Sequence[str],
        folder: Path,
        deadline: float,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        """Run `command` in `folder` to its end; `deadline` is on the monotonic clock.

        Raises:
            BuildFailed: it failed, was too slow, or was ended by `kill`.
            OSError: it could not be started.
        """
        with self._guard:
            if self._closing.is_set():
                raise BuildFailed("it was ended", "", timed_out=False)
            process = subprocess.Popen(
                (sys.executable, "-I", "-c", _WITH_US, *command),
                cwd=folder,
                env=self._environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            self._running.add(process.pid)
        late = threading.Event()

        def expire() -> None:
            with self._guard:
                if process.pid in self._running:
                    late.set()
                    _kill(process.pid)

        timer = threading.Timer(max(0.0, deadline - time.monotonic()), expire)
        timer.start()
        last: deque[str] = deque(maxlen=_LINES)
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            with process.stdin, process.stdout:
                for line in process.stdout:
                    last.append(line)
                    if on_line is not None:
                        on_line(line)
        except BaseException:
            _kill(process.pid)
            raise
        finally:
            timer.cancel()
            with self._guard:
                self._running.discard(process.pid)  # from here on its id may become another's
            status = _waited(process)
        if status != 0:
            raise BuildFailed(_why(last, status), "".join(last), timed_out=late.is_set())

    def kill(self) -> None:
        """End what runs, with all that it started."""
        with self._guard:
            for pid in self._running:
                _kill(pid)


def _passed(environ: Mapping[str, str]) -> dict[str, str]:
    ours = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONNOUSERSITE": "1", "PYTHONUNBUFFERED": "1"}
    return {name: value for name, value in environ.items() if _PASSED.fullmatch(name)} | ours


def _kill(pid: int) -> None:
    """The process, which leads a group, and the group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _waited(process: subprocess.Popen[str]) -> int:
    """The exit status of what has closed its output, and so is about to end."""
    try:
        return process.wait(_LINGERING_S)
    except subprocess.TimeoutExpired:
        _kill(process.pid)
        return process.wait()


def _why(lines: Sequence[str], status: int) -> str:
    """The last error that pip reported, else the last line, else the status."""
    said = [line.strip() for line in lines if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in said if line.startswith("ERROR: ")]
    return (errors or said or [f"it ended with status {status}"])[-1]
