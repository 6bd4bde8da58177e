"""A home's folder: making it, knowing a foreign one, and who may write to it just now."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from muster.domain.errors import Conflict, Invalid, Unavailable

log = logging.getLogger(__name__)

_PRIVATE: Final = "private-"

OURS: Final = (
    "registry.git",
    "index.db",
    "run",
    "secrets",
    "uploads",
    "checkpoints.jsonl",
    "checkpoints.git",
    "redaction.jsonl",
    ".gitignore",
)


@dataclass(frozen=True, slots=True)
class Owner:
    """The server that serves a home: where it answers, and its process id."""

    url: str
    pid: int


class Folder:
    """The folder of a home."""

    def __init__(self, path: Path) -> None:
        """Make it, or see that it is one of ours.

        Raises:
            Invalid: the folder holds something else.
            Unavailable: it cannot be made or written to.
        """
        self.path = path.absolute()
        try:
            self._prepare()
        except OSError as error:
            raise Unavailable(f"{self.path} cannot be a registry's home: {error.strerror}") from error

    def _prepare(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise Invalid.one("home", str(self.path), "must be a folder")
        there = sorted(entry.name for entry in self.path.iterdir()) if self.path.exists() else []
        if there and not (self.repository / "HEAD").exists() and set(there) - set(OURS):
            raise Invalid.one(
                "home", str(self.path), f"must be empty or a registry (it holds {', '.join(there[:5])})"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        self.run.mkdir(exist_ok=True)
        (self.path / "secrets").mkdir(mode=0o700, exist_ok=True)
        ignore = self.path / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
        if not os.access(self.path, os.W_OK) or not os.access(self.run, os.W_OK):
            raise Unavailable(f"{self.path} is read-only: a registry must be able to write to its home")

    @property
    def repository(self) -> Path:
        """The bare repository."""
        return self.path / "registry.git"

    @property
    def index(self) -> Path:
        """The index; deleting it loses nothing."""
        return self.path / "index.db"

    @property
    def checkpoints(self) -> Path:
        """Where signed statements are kept unless a setting says otherwise."""
        return self.path / "checkpoints.jsonl"

    @property
    def published(self) -> Path:
        """A repository with nothing but these, from which they are pushed to Git remotes."""
        return self.path / "checkpoints.git"

    @property
    def checkpoint_key(self) -> Path:
        """The private key that they are signed with."""
        return self.path / "secrets" / "checkpoint-key.pem"

    @property
    def pending_redaction(self) -> Path:
        """The signed map of a redaction that is under way."""
        return self.path / "redaction.jsonl"

    @property
    def uploads(self) -> Path:
        """Files that no version has taken yet; their bytes are with those of the versions."""
        return self.path / "uploads"

    @property
    def outbox(self) -> Path:
        """Webhooks with their secrets, and what they are told."""
        return self.path / "secrets" / "outbox.db"

    @property
    def run(self) -> Path:
        """What belongs to the running processes: locks, sockets, the reserve."""
        return self.path / "run"

    @property
    def venvs(self) -> Path:
        """Environments that models run in, shared by every process; what is deleted is built again."""
        return self.run / "venvs"

    @contextmanager
    def writing(self) -> Iterator[None]:
        """The right to write to the repository; waits while another process has it."""
        with (self.run / "write.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def serving(self) -> Iterator[Callable[[str], None]]:
        """The right to be the home's one server; call what it gives with the address once it answers.

        Raises:
            Conflict: another server has it.
        """
        with (self.run / "server.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = self.owner()
                where = f" at {owner.url} (process {owner.pid})" if owner else ""
                raise Conflict(f"a server{where} serves {self.path} already; stop it first") from None
            note = self.run / "server.json"
            note.unlink(missing_ok=True)

            def announce(url: str) -> None:
                fresh = note.with_suffix(".new")
                try:
                    fresh.write_text(json.dumps({"url": url, "pid": os.getpid()}))
                    fresh.rename(note)
                except OSError as error:  # on a full disk; serving goes on
                    fresh.unlink(missing_ok=True)
                    log.warning("the CLI will not find this server by itself: %s", error)

            try:
                yield announce
            finally:
                note.unlink(missing_ok=True)

    @contextmanager
    def private(self) -> Iterator[Path]:
        """A folder of this process's own below `run`, so on the file system of the artifacts.

        Raises:
            Unavailable: it cannot be made.
        """
        with ExitStack() as leaving:
            try:
                path = self._make_private(leaving)
            except OSError as error:
                raise Unavailable(f"nothing can be written below {self.run}: {error.strerror}") from error
            yield path

    def _make_private(self, leaving: ExitStack) -> Path:
        with self._arranging():
            path = Path(leaving.enter_context(tempfile.TemporaryDirectory(prefix=_PRIVATE, dir=self.run)))
            lock = leaving.enter_context((path / "lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        return path

    def sweep(self) -> None:
        """Remove the private folders of processes that were killed: nobody holds their locks."""
        with suppress(OSError), self._arranging():  # if the disk is full, another time
            for path in self.run.glob(f"{_PRIVATE}*"):
                with suppress(OSError), (path / "lock").open("a") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path)

    @contextmanager
    def _arranging(self) -> Iterator[None]:
        """While this goes on nobody else makes a private folder, which has no lock at first, or sweeps."""
        with (self.run / "private.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def owner(self) -> Owner | None:
        """The server that serves this home, if one says so; it may have died since."""
        try:
            said = json.loads((self.run / "server.json").read_text())
            return Owner(said["url"], said["pid"])
        except (FileNotFoundError, ValueError, KeyError):
            return None
