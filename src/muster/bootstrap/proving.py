"""Proof put together: the notary of a home, and the check of a clone that needs no home."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from muster.bootstrap.folder import Folder
from muster.domain.errors import Invalid
from muster.domain.lineage import asked_of, disagreements, followed
from muster.domain.messages import rfc3339
from muster.domain.records import Json
from muster.domain.statements import Read, read_all
from muster.domain.statements import disagreements as copies_disagree
from muster.gitstore.clone import Clone
from muster.gitstore.program import require_git
from muster.gitstore.published import RemoteCopy, is_remote
from muster.proof.kept import CopyFile, StatementFile
from muster.proof.keys import KeyFile, PublicKey
from muster.service.follow import Follower
from muster.service.notary import Copy, Notary
from muster.service.ports import Clock, History, Index
from muster.settings import Settings


def notary(
    settings: Settings, folder: Folder, *, index: Index, history: History, follower: Follower, clock: Clock
) -> Notary:
    """The home's notary."""
    places: list[Copy] = [
        RemoteCopy(folder.published, place, settings.surroundings)
        if is_remote(place)
        else CopyFile(Path(place))
        for place in settings.checkpoint_copies
    ]
    return Notary(
        index=index,
        history=history,
        follower=follower,
        signer=KeyFile(folder.checkpoint_key),
        kept=StatementFile(Path(settings.checkpoints) if settings.checkpoints else folder.checkpoints),
        copies=places,
        clock=clock,
        lock=folder.writing,
    )


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
    copies = [(str(path), read_all(_content(path), public.valid)) for path in against]
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


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Invalid.one(
            "--against", str(path), f"must be a file that can be read ({error.strerror})"
        ) from error


def every(settings: Settings) -> timedelta | None:
    """How often a checkpoint is made; None: never unasked."""
    return timedelta(seconds=settings.checkpoint_every_s) if settings.checkpoint_every_s else None
