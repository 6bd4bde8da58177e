"""Files of signed statements: the registry's own, and copies of it in other places."""

from __future__ import annotations

import os
from pathlib import Path

from muster.domain.errors import Conflict, Unavailable


class StatementFile:
    """The registry's own file, apart from its repository. Whoever appends holds the registry's lock."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def content(self) -> bytes:
        """All of its lines. What a crash left of a last one is not among them.

        Raises:
            Unavailable: it cannot be read.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise Unavailable(f"{self.path} cannot be read: {error.strerror}") from error
        return content[: content.rfind(b"\n") + 1]

    def append(self, line: bytes) -> None:
        """Add a line; durable on return.

        Raises:
            Unavailable: it could not be written; the file is as it was.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            add(self.path, len(self.content()), line + b"\n")
        except OSError as error:
            raise Unavailable(f"{self.path} cannot be written: {error.strerror}") from error


class CopyFile:
    """A copy of that file, in a folder that is perhaps another machine's. Lines are only ever added."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def where(self) -> str:
        """Its name, for people."""
        return str(self._path)

    def bring(self, content: bytes) -> None:
        """Add the lines of `content` that it lacks.

        Raises:
            Conflict: it holds something else; it stays as it is.
            Unavailable: it cannot be read or written.
        """
        try:
            there = self._path.read_bytes() if self._path.exists() else b""
            whole = there[: there.rfind(b"\n") + 1]
            if not content.startswith(whole):
                raise Conflict(f"{self._path} holds other statements than the registry: look at both")
            if len(whole) < len(content):
                add(self._path, len(whole), content[len(whole) :])
        except OSError as error:
            raise Unavailable(f"{self._path} cannot be written: {error.strerror}") from error


class PendingFile:
    """The map of a redaction that is under way."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> bytes | None:
        """The line; None if none is under way."""
        try:
            return self._path.read_bytes() if self._path.exists() else None
        except OSError as error:
            raise Unavailable(f"{self._path} cannot be read: {error.strerror}") from error

    def write(self, line: bytes) -> None:
        """Keep the line; durable on return."""
        try:
            fresh = self._path.with_suffix(".new")
            add(fresh, 0, line)
            fresh.replace(self._path)
            _sync(self._path.parent)
        except OSError as error:
            raise Unavailable(f"{self._path} cannot be written: {error.strerror}") from error

    def remove(self) -> None:
        """Nothing is under way any more; durable on return."""
        try:
            self._path.unlink(missing_ok=True)
            _sync(self._path.parent)
        except OSError as error:
            raise Unavailable(f"{self._path} cannot be removed: {error.strerror}") from error


def add(path: Path, at: int, content: bytes) -> None:
    """Write `content` to the file from the byte `at` on, durably. OSError: the file ends there."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        os.ftruncate(descriptor, at)
        try:
            done = 0
            while done < len(content):
                done += os.pwrite(descriptor, content[done:], at + done)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, at)
            raise
    finally:
        os.close(descriptor)
    _sync(path.parent)


def _sync(path: Path) -> None:
    """Make the names in the folder durable. OSError."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
