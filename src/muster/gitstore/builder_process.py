"""Commits built in a process of their own, which has an interpreter lock of its own.

Deflating and hashing take a third of the processor time of a write; here they go
on beside the planning of the next change. The two processes are joined by a
pipe each way: frames of four bytes (the length, big-endian) and that much of
MessagePack. The program ends when its standard input does, which the kernel
sees to however its parent ends.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, TypeVar

import msgspec

from muster.gitstore.commits import CommitBuilder, CommitLine, Commits
from muster.gitstore.repository import Repository
from muster.service.values import NewCommit

_LENGTH_BYTES: Final = 4
_STARTS: Final = 2  # of a process, for one batch, before it is given up

T = TypeVar("T")
log = logging.getLogger(__name__)


class Begin(msgspec.Struct, frozen=True, tag=True):
    """Build upon `parent` from now on. `generation` counts how often handles had to be opened anew."""

    parent: str | None
    generation: int


class Add(msgspec.Struct, frozen=True, tag=True):
    """One more commit; a failure is kept until `Finish` asks."""

    commit: NewCommit


class Finish(msgspec.Struct, frozen=True, tag=True):
    """Answer with `Done` or `Failed`."""


class Done(msgspec.Struct, frozen=True, tag=True):
    """All that was added since `Begin`."""

    commits: Commits


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Why nothing can be built: an OSError, with its number, or a ValueError."""

    why: str
    number: int | None
    refused: bool


Request = Begin | Add | Finish
Answer = Done | Failed

_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


class BuilderProcess:
    """Like a `CommitBuilder`, with the work done beside the caller. One thread at a time uses it."""

    def __init__(self, repository: Repository) -> None:
        """Start the process; the first commits wait until it is up.

        Raises:
            OSError: no process could be started.
        """
        self._repository = repository
        self._process = self._started()

    @property
    def pid(self) -> int:
        """The process that builds now."""
        return self._process.pid

    def begin(self, parent: str | None) -> RemoteLine:
        """Begin to build upon `parent`."""
        return RemoteLine(self, Begin(parent, self._repository.generation))

    def send(self, request: Request) -> None:
        """Raises OSError: the process has ended."""
        assert self._process.stdin is not None
        _write(self._process.stdin, _encoder.encode(request))
        self._process.stdin.flush()

    def answer(self) -> Answer:
        """Raises OSError: the process has ended."""
        assert self._process.stdout is not None
        frame = _read(self._process.stdout)
        if frame is None:
            raise ChildProcessError(f"the process that builds commits ended ({self._process.wait()})")
        return _answers.decode(frame)

    def restart(self) -> None:
        """Raises OSError: no process could be started."""
        self.close()
        log.warning("the process that builds commits ended; starting another")
        self._process = self._started()

    def close(self) -> None:
        """End the process."""
        with self._process as process, suppress(OSError):
            assert process.stdin is not None
            process.stdin.close()

    def _started(self) -> subprocess.Popen[bytes]:
        # -P: what lies in the folder where the server was started is not imported.
        command = (sys.executable, "-P", "-m", __name__, str(self._repository.path))
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


class RemoteLine:
    """A `Building` in the other process. Should that one end, another begins again, once."""

    def __init__(self, builder: BuilderProcess, begun: Begin) -> None:
        self._builder = builder
        self._sent: list[Request] = [begun]
        self._broken = False
        self._tell(begun)

    def add(self, commit: NewCommit) -> None:
        added = Add(commit)
        self._sent.append(added)
        self._tell(added)

    def finish(self) -> Commits:
        """Raises:
        OSError: an object could not be read, or no process stays up.
        ValueError: a path, an author or a message that Git cannot hold.
        """
        for _ in range(_STARTS):
            self._tell(Finish())
            if not self._broken:
                try:
                    return _commits(self._builder.answer())
                except ChildProcessError:
                    self._broken = True
            self._again()
        raise ChildProcessError("the process that builds commits ends again and again")

    def _tell(self, request: Request) -> None:
        if not self._broken:
            try:
                self._builder.send(request)
            except OSError:
                self._broken = True  # `finish` sees to it

    def _again(self) -> None:
        self._builder.restart()
        self._broken = False
        for request in self._sent:
            self._tell(request)


def _commits(answer: Answer) -> Commits:
    if isinstance(answer, Done):
        return answer.commits
    if answer.refused:
        raise ValueError(answer.why)
    raise OSError(answer.number, answer.why) if answer.number else OSError(answer.why)


def _write(pipe: IO[bytes], frame: bytes) -> None:
    pipe.write(len(frame).to_bytes(_LENGTH_BYTES) + frame)


def _read(pipe: IO[bytes]) -> bytes | None:
    """The next frame; None at the end."""
    length = int.from_bytes(pipe.read(_LENGTH_BYTES))
    frame = pipe.read(length)
    return frame if length and len(frame) == length else None


# ------------------------------------------------------------ the program


class _Program:
    """What the other process does with each request."""

    def __init__(self, path: Path) -> None:
        self._repository = Repository(path)
        self._generation = 0
        self._builder = CommitBuilder(self._repository.read_object)
        self._line: CommitLine | None = None
        self._failed: Failed | None = None

    def take(self, request: Request) -> Answer | None:
        """Raises nothing that a commit can cause: that is an answer."""
        try:
            match request:
                case Begin(parent, generation):
                    self._failed = None
                    if generation != self._generation:
                        self._generation = generation
                        self._repository.renew()
                    self._line = self._builder.begin(parent)
                case Add(commit) if self._line is not None and self._failed is None:
                    self._line.add(commit)
                case Finish() if self._line is not None:
                    return self._failed or Done(self._line.finish())
        except ValueError as error:
            self._failed = Failed(str(error), None, refused=True)
        except OSError as error:
            self._failed = Failed(error.strerror or str(error), error.errno, refused=False)
        return None if isinstance(request, Begin | Add) else self._failed


def main(path: str) -> None:
    """Serve the parent until its end of the pipe closes."""
    # Ctrl-C and a service manager's signal reach the whole group; the server still has a batch to finish.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    program = _Program(Path(path))
    while (frame := _read(sys.stdin.buffer)) is not None:
        answer = program.take(_requests.decode(frame))
        if answer is not None:
            _write(sys.stdout.buffer, _encoder.encode(answer))
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1])
