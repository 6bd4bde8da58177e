"""How a clone of the registry finds the files: Git LFS pointers and settings.

Source: the Git LFS specification, docs/spec.md "The Pointer" (version 1), and
git-lfs-config(5).
"""

from __future__ import annotations

import re

from muster.domain.errors import Invalid

ATTRIBUTES = b"models/**/files/** filter=lfs diff=lfs merge=lfs -text\n"
"""`.gitattributes`: which files of the repository are pointers."""

CONFIG = b"[lfs]\n\tfetchexclude = *\n\tskipdownloaderrors = true\n"
"""`.lfsconfig`: a clone fetches no file that was not asked for."""

MAX_POINTER_BYTES = 1024  # the specification: a pointer is smaller than this

_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n"
    rb"(?:ext-\d-[^\n]*\n)*"
    rb"oid sha256:([0-9a-f]{64})\n"
    rb"size (\d{1,19})\n"
)


def pointer(sha256: str, size: int) -> bytes:
    """The pointer to the file with that digest and size in bytes."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def parse_pointer(content: bytes, field: str = "file") -> tuple[str, int]:
    """The (sha256, size) that a pointer names.

    Raises:
        Invalid: it is no pointer, naming `field`.
    """
    found = _POINTER.fullmatch(content) if len(content) < MAX_POINTER_BYTES else None
    if found is None:
        raise Invalid.one(field, content[:60], "must be a Git LFS pointer, version 1")
    return found[1].decode(), int(found[2])
