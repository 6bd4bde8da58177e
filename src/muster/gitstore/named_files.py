"""Which files a history names: every Git LFS pointer of any commit, read once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from muster.domain import lfs
from muster.domain.errors import Unavailable
from muster.gitstore.bulk import unquoted
from muster.gitstore.repository import Repository
from muster.gitstore.talking import answered, asked, complained

# What `lfs.ATTRIBUTES` says is a pointer: files of versions, reports of their evaluations.
_FILE: Final = re.compile(rb"models/(?:[^/]+/)+files/")


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file that the history names, and its paths at the newest commit: () if only older ones have it.

    `purged` says that nothing there has it any more but versions that were purged: it is
    gone on purpose, and may not come back.
    """

    sha256: str
    size: int
    paths: tuple[str, ...]
    purged: bool


def named_files(repository: Repository, commit: str) -> dict[str, NamedFile]:
    """Every file that `commit` or one before it names, by its sha256.

    Raises:
        Unavailable: Git cannot read the history.
        Invalid: where a pointer belongs is something else.
    """
    listed = asked(repository, "rev-list", "--objects", commit).splitlines()
    wanted = {name: path for name, _, path in (line.partition(b" ") for line in listed) if _FILE.match(path)}
    pointers = {
        name: lfs.parse_pointer(content, wanted[name].decode(errors="replace"))
        for name, content in _contents(repository, list(wanted))
    }
    paths: dict[str, list[str]] = {}
    here = asked(repository, "ls-tree", "-r", "--full-tree", "--format=%(objectname) %(path)", commit)
    for line in here.splitlines():
        name, _, quoted = line.partition(b" ")
        if name in pointers and _FILE.match(path := unquoted(quoted)):
            paths.setdefault(pointers[name][0], []).append(path.decode(errors="replace"))
    purged = _purged(repository, commit)
    found = {}
    for sha256, size in pointers.values():
        there = tuple(paths.get(sha256, ()))
        gone = bool(there) and all(path.startswith(purged) for path in there)
        found[sha256] = NamedFile(sha256, size, there, gone)
    return found


def _purged(repository: Repository, commit: str) -> tuple[str, ...]:
    """The folders of the versions that were purged, each with a `/` at its end."""
    # A line of its own, which no text in the record can be: see `codec.encode`.
    code, said, complaint = answered(
        repository, "grep", "-l", "-z", "-e", '^  "purged": true,*$', commit, "--", "models/**/version.json"
    )
    if code > 1:  # 1: there is none
        raise Unavailable(f"git grep did not succeed: {complained(complaint)}")
    paths = [line.partition(":")[2] for line in said.decode(errors="replace").split("\0") if line]
    return tuple(path.removesuffix("version.json") for path in paths)


def _contents(repository: Repository, names: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """(id, content) of each of these that is a file; a folder may have such a path, too."""
    said = asked(repository, "cat-file", "--batch", given=b"".join(name + b"\n" for name in names))
    at = 0
    for name in names:
        end = said.index(b"\n", at)
        _, kind, size = said[at:end].split(b" ")
        content = said[end + 1 : end + 1 + int(size)]
        at = end + 2 + int(size)
        if kind == b"blob":
            yield name, content
