"""Many objects at once, through Git's own processes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from muster.gitstore.program import GitFolder

_BUFFER_BYTES: Final = 1 << 20
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)")
_NAMED = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def objects(repository: GitFolder, listing: Sequence[str], label: str) -> Iterator[tuple[bytes, bytes]]:
    """(label, content) of every object that the Git command `listing` names, in its order.

    `label` is a format of git-cat-file(1); with `%(rest)` it is what the listing
    has behind the id. The two processes run side by side, joined by a pipe.

    Raises:
        OSError: an object is missing, or Git failed.
        Unavailable: Git is not installed.
    """
    batch = ("cat-file", f"--batch=%(objectsize) {label}", "--buffer")
    with (
        repository.start(*listing) as names,
        repository.start(*batch, stdin=names.stdout, buffer_bytes=_BUFFER_BYTES) as contents,
    ):
        assert names.stdout is not None
        assert contents.stdout is not None
        names.stdout.close()
        read, readline = contents.stdout.read, contents.stdout.readline
        while header := readline():
            size, _, said = header[:-1].partition(b" ")
            if not size.isdigit() or said == b"missing":
                raise OSError(f"an object could not be read: {header.decode(errors='replace').strip()}")
            content = read(int(size) + 1)
            yield said, content[:-1]
    if names.returncode or contents.returncode:
        raise OSError(f"git {listing[0]} or git cat-file failed")


def unquoted(path: bytes) -> bytes:
    """A path as Git lists it: in quotes and with C's escapes if it holds anything unusual."""
    if not path.startswith(b'"'):
        return path
    return _ESCAPE.sub(_unescaped, path[1:-1])


def _unescaped(match: re.Match[bytes]) -> bytes:
    escape = match[1]
    return bytes((int(escape, 8),)) if len(escape) == 3 else _NAMED.get(escape, escape)
