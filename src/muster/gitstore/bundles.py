"""The whole history in one file and back, as gitformat-bundle(5) has it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from muster.domain.errors import Unavailable
from muster.gitstore.repository import BRANCH, Repository
from muster.gitstore.talking import asked

_TRIES: Final = 5  # of reading a repository whose packs are being replaced meanwhile
_WRITING: Final = ("-c", "pack.threads=1", "-c", "pack.windowMemory=64m")
# Packs only, as everywhere in a registry: nobody gathers loose objects.
_TAKING: Final = ("-c", "fetch.fsckObjects=true", "-c", "fetch.unpackLimit=1", "-c", "protocol.version=2")


def write_bundle(repository: Repository, path: Path) -> Mapping[str, str]:
    """Write all branches and tags, and all that they reach, to the new file `path`, durably.

    Writers and maintenance may go on beside it. The answer is what each of them was then.

    Raises:
        Unavailable: the repository is empty, or Git cannot read it.
    """
    for left in reversed(range(_TRIES)):
        try:
            asked(
                repository,
                *(*_WRITING, "bundle", "create", "--quiet", str(path)),
                *("--branches", "--tags"),
            )
            break
        except Unavailable:
            # Git opens packs as it comes to them, and one may have been replaced since it looked.
            if not left:
                raise
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return heads(repository, path)


def heads(repository: Repository, bundle: Path) -> Mapping[str, str]:
    """The references in a bundle, and the commits that they are.

    Raises:
        Unavailable: it is no whole bundle.
    """
    said = asked(repository, "bundle", "list-heads", str(bundle)).decode()
    found = {ref: commit for commit, _, ref in (line.partition(" ") for line in said.splitlines())}
    if BRANCH not in found:
        raise Unavailable(f"{bundle} holds no {BRANCH}")
    return found


def take_bundle(repository: Repository, bundle: Path) -> None:
    """Bring all of a bundle into the empty `repository`, each object checked and durable.

    Raises:
        Unavailable: the bundle is damaged, or lacks what it refers to.
    """
    fetch(repository, str(bundle), "+refs/*:refs/*")


def fetch(
    repository: Repository, url: str, *refs: str, surroundings: Mapping[str, str] | None = None
) -> None:
    """Bring those references, and all that they reach, from a path or an address into `repository`.

    Raises:
        Unavailable: Git did not succeed.
    """
    asked(
        repository,
        *(*_TAKING, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc"),
        *("--no-recurse-submodules", "--", url, *refs),
        surroundings={"GIT_NO_LAZY_FETCH": "1", **(surroundings or {})},
    )
    repository.renew()


def count(repository: Repository, commit: str) -> int:
    """How many changes there are up to `commit`."""
    return int(asked(repository, "rev-list", "--first-parent", "--count", commit))
