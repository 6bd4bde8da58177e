"""One worker process: started, watched, stopped. Used on one event loop's thread only."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from muster.domain.errors import DidNotStart

_OUTPUT_BYTES = 64 * 1024
_POLL_S = 0.02


class Output:
    """The last 64 KiB that was written; what goes `within` another goes there, too. Any thread may call."""

    def __init__(self, within: Output | None = None) -> None:
        self._bytes = b""
        self._within = within
        self._adding = threading.Lock()

    def add(self, chunk: bytes) -> None:
        with self._adding:
            self._bytes = (self._bytes + chunk)[-_OUTPUT_BYTES:]
        if self._within is not None:
            self._within.add(chunk)

    def text(self) -> str:
        return self._bytes.decode("utf-8", "replace")

    def last_line(self) -> str:
        return next((line for line in reversed(self.text().splitlines()) if line.strip()), "").strip()


class WorkerProcess:
    """A running worker. `ended` is done, with the exit status, as soon as it has ended.

    The pipe to its standard input carries its job, and stays open: a worker ends
    when the pipe does, which the kernel sees to however this process ends.
    """

    def __init__(self, process: subprocess.Popen[bytes], socket: str, output: Output) -> None:
        self.socket = socket
        self.pid = process.pid
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._process = process
        self._output = output
        self._pidfd = os.pidfd_open(process.pid)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._pidfd, self._reap)
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        loop.add_reader(process.stdout.fileno(), self._read)

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        job: Mapping[str, Any],
        folder: Path,
        env: Mapping[str, str],
        output: Output,
    ) -> Self:
        """Raises OSError: no process could be started."""
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=dict(env),
            start_new_session=True,  # Ctrl-C is for the server, which then ends its workers in order
        )
        worker = cls(process, str(job["socket"]), output)
        assert process.stdin is not None
        # Some KiB at most, into an empty pipe: this does not block.
        process.stdin.write(json.dumps(job).encode() + b"\n")
        with suppress(BrokenPipeError):  # it has ended already, which `ended` says
            process.stdin.flush()
        return worker

    async def ready(self, timeout_s: float) -> None:
        """Return when it says that it is ready.

        Raises:
            DidNotStart: it ended, or was not ready in time; it is gone then.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not self.ended.done():
                    if await self._says_ready():
                        return
                    await asyncio.wait([self.ended], timeout=_POLL_S)
        except TimeoutError:
            await self.stop(0)
            raise DidNotStart(
                f"The worker was not ready within {timeout_s:g} s", self._output.text()
            ) from None
        raise DidNotStart(self.how_it_ended(), self._output.text())

    async def get(self, path: str) -> tuple[int, bytes]:
        """One request to the worker. Raises OSError."""
        reader, writer = await asyncio.open_unix_connection(self.socket)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n".encode())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
        status = head.split(b" ", 2)[1:2]
        return (int(status[0]) if status else 0), body

    async def _says_ready(self) -> bool:
        try:
            status, _ = await self.get("/v2/health/ready")
        except OSError:  # not listening yet
            return False
        return status == 200

    async def lives(self, timeout_s: float) -> bool:
        """Whether it says so within that time."""
        try:
            async with asyncio.timeout(timeout_s):
                status, _ = await self.get("/v2/health/live")
        except (OSError, TimeoutError):
            return False
        return status == 200

    async def stop(self, grace_s: float) -> None:
        """End it: let it finish what it is at for `grace_s`, then kill it."""
        if grace_s > 0 and not self.ended.done():
            self._signal(signal.SIGTERM)
            await asyncio.wait([self.ended], timeout=grace_s)
        if not self.ended.done():
            self._signal(signal.SIGKILL)
        await self.ended

    def how_it_ended(self) -> str:
        """In a sentence; only once it has ended."""
        status = self.ended.result()
        if status >= 0:
            how = f"The worker ended with status {status}"
        elif status == -signal.SIGKILL:
            how = "The worker was killed (SIGKILL): by somebody, or by the system for want of memory"
        else:
            how = f"The worker was ended by {signal.Signals(-status).name}"
        last = self._output.last_line()
        return f"{how}: {last}" if last and status > 0 else how

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # it was faster
            signal.pidfd_send_signal(self._pidfd, number)

    def _reap(self) -> None:
        loop = asyncio.get_running_loop()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._read()
        loop.remove_reader(self._process.stdout.fileno())
        self._process.stdout.close()
        with suppress(BrokenPipeError):  # its job was still in the buffer
            self._process.stdin.close()
        self.ended.set_result(self._process.wait())

    def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            while chunk := os.read(self._process.stdout.fileno(), _OUTPUT_BYTES):
                self._output.add(chunk)
        except BlockingIOError:
            return
        asyncio.get_running_loop().remove_reader(self._process.stdout.fileno())  # end of output
