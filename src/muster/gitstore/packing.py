"""Many packs into one: which ones, and how Git does it without standing in anybody's way.

    written    by the committer, one a batch
    gathered   many written ones in one pack, what resembles each other as deltas
    settled    gathered ones merged, sizes at least doubling from one to the next

Gathering takes time by what is gathered, merging by how long the history is; so
the one goes on while the other takes its time. Side by side they are safe: a
gathered pack holds everything of the packs that it replaces, and a merged pack
leaves out only what is in settled packs, which gathering never touches.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from muster.gitstore.repository import BRANCH, Repository, fsync_folder

WORKSHOP: Final = "muster-packing"
"""The folder below the repository where new packs are made; what is there is nobody's yet."""

Started = Callable[[subprocess.Popen[bytes]], None]

_PACK_OBJECTS: Final = (
    # One thread of its own is enough beside a server, and what it may use is bounded.
    *("-c", "pack.threads=1", "-c", "pack.windowMemory=64m", "-c", "pack.deltaCacheSize=32m"),
    # Its progress is read by nobody: after a kill -9 of the server it ends a Git that
    # would go on for minutes, by a pipe that nobody holds.
    *("pack-objects", "--delta-base-offset", "--non-empty", "--progress"),
)
# What has one of these is meant for something: kept, fetched by promise, or unreachable.
_SPECIAL: Final = (".keep", ".promisor", ".mtimes")

# gitformat-pack(5), "Version 2 pack-*.idx files".
_COUNT_AT: Final = 8 + 255 * 4  # the last entry of its fan-out table; the ids are next
_ID_BYTES: Final = 20


def replaceable(repository: Repository) -> set[str]:
    """The names, as `pack-<checksum>`, of every whole pack that may be replaced."""
    there = set(os.listdir(repository.packs))
    names = (name.removesuffix(".idx") for name in there if name.endswith(".idx"))
    return {
        name
        for name in names
        if f"{name}.pack" in there and not any(name + suffix in there for suffix in _SPECIAL)
    }


def objects_in(repository: Repository, name: str) -> int:
    """How many objects are in that pack. Raises OSError."""
    with (repository.packs / f"{name}.idx").open("rb") as file:
        file.seek(_COUNT_AT)
        return int.from_bytes(file.read(4))


class Packing:
    """Makes new packs of old ones; `started` is told of each Git process, before it is waited for."""

    def __init__(self, repository: Repository, started: Started = lambda _: None) -> None:
        self._repository = repository
        self._started = started

    def gather(self, names: Iterable[str], since: str | None = None) -> set[str]:
        """Replace those packs by one with all that is in them; the names of what is there instead.

        `since` is a commit: what came after it is put into deltas best.

        Raises:
            OSError: Git did not succeed; nothing is lost.
        """
        names = set(names)
        given = bytearray()
        if since is not None:
            # Each object with its path, by which Git finds what it resembles.
            given += self._output("rev-list", "--objects", BRANCH, f"^{since}")
        for name in names:
            given += _ids(self._repository.packs / f"{name}.idx")
        return self._replaced(names, _PACK_OBJECTS, bytes(given))

    def merge(self, names: Iterable[str]) -> set[str]:
        """Replace the smaller of those packs by one, so that sizes double; the names of what is there then.

        Raises:
            OSError: Git did not succeed; nothing is lost.
        """
        smaller, larger = _split(sorted((objects_in(self._repository, name), name) for name in names))
        if len(smaller) < 2:
            return {*smaller, *larger}
        listed = [f"{name}.pack\n" for name in smaller] + [f"^{name}.pack\n" for name in larger]
        made = self._replaced(set(smaller), [*_PACK_OBJECTS, "--stdin-packs"], "".join(listed).encode())
        return {*larger, *made}

    def _replaced(self, names: set[str], command: Sequence[str], given: bytes) -> set[str]:
        """Have Git make a pack out of what is `given`, put it in the place of `names`."""
        with self._workshop() as folder:
            # It may not put a file of its own beside the packs: nobody could tell whose it is.
            elsewhere = {
                "GIT_OBJECT_DIRECTORY": str(folder),
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(self._repository.path / "objects"),
            }
            said = self._output(*command, str(folder / "pack" / "pack"), given=given, surroundings=elsewhere)
            made = {f"pack-{checksum}" for checksum in said.decode().split()}
            # The idx last: a pack is there as soon as its idx is.
            for path in sorted((folder / "pack").iterdir(), key=lambda path: path.suffix == ".idx"):
                path.rename(self._repository.packs / path.name)
        fsync_folder(self._repository.packs)
        # One may name packs that go now; without it Git looks into each.
        (self._repository.packs / "multi-pack-index").unlink(missing_ok=True)
        for name in names - made:
            for suffix in (".idx", ".rev", ".pack"):
                (self._repository.packs / f"{name}{suffix}").unlink(missing_ok=True)
        self._repository.renew()
        return made

    @contextmanager
    def _workshop(self) -> Iterator[Path]:
        home = self._repository.path / WORKSHOP
        home.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home) as made:
            folder = Path(made)
            (folder / "pack").mkdir()
            yield folder

    def _output(self, *command: str, given: bytes = b"", surroundings: dict[str, str] | None = None) -> bytes:
        """What Git says. Raises OSError if it fails."""
        with self._repository.start(
            *command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, surroundings=surroundings or {}
        ) as running:
            self._started(running)
            said, complaint = running.communicate(given)
        if running.returncode:
            lines = complaint.decode(errors="replace").splitlines()
            raise OSError(f"a repack failed: {lines[-1] if lines else running.returncode}")
        return said


def _split(counted: list[tuple[int, str]]) -> tuple[list[str], list[str]]:
    """Packs by size, smallest first → those to merge, and those to leave.

    As `git repack --geometric=2` does it: each that is left holds at least twice
    as many objects as the next smaller one, the merged one included.
    """
    split = len(counted) - 1
    while split > 0 and counted[split][0] >= 2 * counted[split - 1][0]:
        split -= 1
    if split > 0:
        total = sum(count for count, _ in counted[: split + 1])
        split += 1
        while split < len(counted) and counted[split][0] < 2 * total:
            total += counted[split][0]
            split += 1
    names = [name for _, name in counted]
    return names[:split], names[split:]


def _ids(idx: Path) -> bytes:
    """The ids of all its objects, a line each."""
    with idx.open("rb") as file:
        file.seek(_COUNT_AT)
        count = int.from_bytes(file.read(4))
        return file.read(count * _ID_BYTES).hex("\n", _ID_BYTES).encode() + b"\n"
