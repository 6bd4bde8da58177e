"""The history of a clone, written anew with Git's plumbing, as somebody who may push could."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from pathlib import Path

from tests.repositories import git


def history(clone: Path) -> list[bytes]:
    """Every commit's bytes, the first one first."""
    names = git(clone, "rev-list", "--first-parent", "--reverse", "HEAD").split()
    return [git(clone, "cat-file", "commit", name.decode()) for name in names]


def rewrite(clone: Path, commits: Sequence[bytes]) -> list[str]:
    """Make these commits, each the parent of the next, the history; what they were upon is forgotten."""
    made: list[str] = []
    for content in commits:
        head, _, message = content.partition(b"\n\n")
        lines = [line for line in head.split(b"\n") if not line.startswith(b"parent ")]
        lines[1:1] = [b"parent " + made[-1].encode()] if made else []
        written = b"\n".join(lines) + b"\n\n" + message
        made.append(
            git(clone, "hash-object", "-t", "commit", "-w", "--stdin", given=written).decode().strip()
        )
    git(clone, "update-ref", "--no-deref", "HEAD", made[-1])
    return made


def restamped(commit: bytes, time: bytes, seconds: bytes) -> bytes:
    """The commit with another Muster-Time, and Git's dates to go with it."""
    dated = re.sub(rb"> [0-9]+ \+0000\n", b"> " + seconds + b" +0000\n", commit)
    return re.sub(rb"Muster-Time: [^\n]*", b"Muster-Time: " + time, dated)


def forge_object(clone: Path, name: str, content: bytes, kind: str = "commit") -> None:
    """Put other bytes in the place of the object of that id, as only somebody with the files can."""
    git(clone, "repack", "-a", "-d", "-q")
    for pack in (clone / "objects" / "pack").glob("*.pack"):
        unpacked = pack.read_bytes()
        for each in (clone / "objects" / "pack").glob(f"{pack.stem}.*"):
            each.unlink()
        git(clone, "unpack-objects", "-q", given=unpacked)
    path = clone / "objects" / name[:2] / name[2:]
    path.chmod(0o644)
    path.write_bytes(zlib.compress(b"%b %d\0%b" % (kind.encode(), len(content), content)))
