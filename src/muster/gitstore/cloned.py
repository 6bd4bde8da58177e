"""The registry's history out of a clone, whatever else was done to that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from muster.domain.errors import Invalid, Unavailable
from muster.gitstore.bundles import count, fetch
from muster.gitstore.history import GitHistory
from muster.gitstore.repository import BRANCH, Repository
from muster.gitstore.talking import asked
from muster.service.follow import entry_of

_NAME: Final = BRANCH.rpartition("/")[2]
_LOOKED_AT: Final = "refs/looked-at"


@dataclass(frozen=True, slots=True)
class Cloned:
    """The commit that a clone leads to, and which of its branches that is."""

    head: str
    ref: str
    passed_over: tuple[str, ...]
    """Longer ones, with commits that Muster did not write."""


def take_clone(repository: Repository, source: str, surroundings: Mapping[str, str]) -> Cloned:
    """Bring the registry's branch from the clone at `source` into the empty `repository`.

    A clone has the branch as it was when somebody last worked there, and as it was when
    they last fetched. The longest that Muster wrote is taken.

    Raises:
        Invalid: there is no registry's branch, or not all of its history.
        Unavailable: Git cannot read it.
    """
    refs = _branches(repository, source, surroundings)
    if not refs:
        raise Invalid.one("--from-clone", source, f"must be a clone of a registry (it has no branch {_NAME})")
    wanted = {f"{_LOOKED_AT}/{at}": ref for at, ref in enumerate(refs)}
    specs = [f"+{ref}:{goal}" for goal, ref in wanted.items()]
    fetch(repository, source, *specs, surroundings=surroundings)
    heads = _heads(repository, source, wanted)
    longest = sorted(wanted, key=lambda goal: count(repository, heads[goal]), reverse=True)
    passed_over = []
    for goal in longest:
        if (wrong := _foreign(repository, heads[goal])) is None:
            break
        passed_over.append(f"{wanted[goal]}: {wrong}")
    else:
        raise Invalid.one("--from-clone", source, f"must be a clone of a registry ({'; '.join(passed_over)})")
    asked(repository, "update-ref", BRANCH, heads[goal])
    for each in wanted:
        asked(repository, "update-ref", "-d", each)
    repository.renew()
    return Cloned(heads[goal], wanted[goal], tuple(passed_over))


def _branches(repository: Repository, source: str, surroundings: Mapping[str, str]) -> list[str]:
    """The clone's references to the registry's branch: its own, and what it knows of others'."""
    said = asked(repository, "ls-remote", "--refs", "--", source, surroundings=surroundings).decode()
    refs = [line.partition("\t")[2] for line in said.splitlines()]
    return [
        ref
        for ref in refs
        if ref == BRANCH or (ref.startswith("refs/remotes/") and ref.endswith(f"/{_NAME}"))
    ]


def _heads(repository: Repository, source: str, refs: Iterable[str]) -> dict[str, str]:
    """The commits of these references. Raises Invalid: Git does not fetch from a shallow clone."""
    said = asked(repository, "for-each-ref", "--format=%(refname) %(objectname)", _LOOKED_AT).decode()
    found = dict(line.split(" ") for line in said.splitlines())
    if found.keys() != set(refs):
        rule = "must have the whole history: this is a shallow clone (`git fetch --unshallow` completes it)"
        raise Invalid.one("--from-clone", source, rule)
    return found


def _foreign(repository: Repository, head: str) -> str | None:
    """What tells that not all of that history is Muster's; None if it is."""
    try:
        for logged in GitHistory(repository).log(None, head):
            entry_of(logged)
    except Unavailable as error:
        return error.message
    return None
