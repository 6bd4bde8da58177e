"""What an auditor needs: the check of a clone, and of an export, with a public key and no home.

Beside `bootstrap`, which loads all that a server needs before it opens a home.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from muster.domain.codec import canonical
from muster.domain.errors import Invalid
from muster.domain.exports import read_signature
from muster.domain.lineage import asked_of, disagreements, followed
from muster.domain.messages import rfc3339
from muster.domain.records import Json
from muster.domain.statements import Read, read_all
from muster.domain.statements import disagreements as copies_disagree
from muster.gitstore.clone import Clone
from muster.gitstore.program import require_git
from muster.proof.keys import PublicKey

_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Proven:
    """What a clone came to: what is wrong, a sentence each, and how far it is covered."""

    problems: list[str]
    facts: dict[str, Json]


def prove(against: Sequence[Path], key: str, clone: Path, ref: str, *, objects: bool) -> Proven:
    """Whether the history in `clone` is what was signed with the other half of `key`.

    `against` are copies of the file of statements. With `objects` every object of the
    clone is read, too: records and files' pointers, not only commits.

    Raises:
        Invalid: a file or the key cannot be read.
        NotFound: there is no such clone, or no `ref` in it.
    """
    require_git()
    public = PublicKey.found(key, "--key")
    copies = [(str(path), read_all(_content(path, "--against"), public.valid)) for path in against]
    several = len(copies) > 1
    problems = [
        f"{name}: {problem}" if several else problem for name, copy in copies for problem in copy.problems
    ]
    problems += copies_disagree(copies)
    best = max((copy for _, copy in copies), key=lambda copy: len(copy.statements))
    statements = [signed.statement for signed in best.statements]
    repository = Clone.at(clone)
    head = repository.head(ref)
    try:
        line = followed(repository.commits(head), asked_of(statements))
        problems += line.problems
        problems += disagreements(line, statements)
        commits = len(line)
    except OSError as error:
        problems.append(f"the history cannot be read to its beginning: {error}")
        commits = 0
    if objects:
        problems += (f"git: {damage}" for damage in repository.damage())
    return Proven(problems, _facts(head, commits, best))


def _facts(head: str, commits: int, best: Read) -> dict[str, Json]:
    last = best.last
    return {
        "head": head,
        "commits": commits,
        "statements": len(best.statements),
        "covered": 0 if last is None else min(last.position, commits),
        "last_checkpoint": None if last is None else rfc3339(last.time),
    }


def _content(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, option, error) from error


def _unreadable(path: Path, option: str, error: OSError) -> Invalid:
    return Invalid.one(option, str(path), f"must be a file that can be read ({error.strerror})")


def prove_export(file: Path, signature: Path, key: str) -> tuple[list[str], dict[str, Json]]:
    """What is wrong with an export by its signature, a sentence each; and what was signed.

    Raises:
        Invalid: a file or the key cannot be read, or the signature is none.
    """
    public = PublicKey.found(key, "--key")
    said, signed = read_signature(_content(signature, "--export").removesuffix(b"\n"))
    problems = []
    if not public.valid(canonical(said.fields()), signed):
        problems.append("the signature is not of this key, or was changed after it was made")
    try:
        with file.open("rb") as exported:
            problems += said.differences(iter(partial(exported.read, _PIECE), b""))
    except OSError as error:
        raise _unreadable(file, "--export", error) from error
    return problems, said.fields()
