"""Signed statements on a branch of a Git remote, in commits that follow one another."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from muster.domain.errors import Conflict, Unavailable
from muster.gitstore.history import GitHistory
from muster.gitstore.repository import BRANCH, Repository
from muster.gitstore.store import GitStore
from muster.service.values import HeadMoved, NewCommit

FILE: Final = "checkpoints.jsonl"
REMOTE_BRANCH: Final = "refs/heads/checkpoints"
PUSH_TIMEOUT_S: Final = 120

_PASSED_ON: Final = ("SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
_USER_INFO: Final = re.compile(r"(?<=://)[^/@]*@")


def is_remote(place: str) -> bool:
    """Whether a place is a Git remote, not a file: an address, `user@host:path`, or `….git`."""
    return "://" in place or place.endswith(".git") or re.match(r"[\w.-]+@[\w.-]+:", place) is not None


class RemoteCopy:
    """The branch `checkpoints` of a remote. It only ever goes forward: nothing is forced."""

    def __init__(self, folder: Path, remote: str, surroundings: Mapping[str, str]) -> None:
        """`folder` is a repository of our own for what is pushed; it is made when it is needed."""
        self._folder = folder
        self._remote = remote
        self._surroundings = {name: surroundings[name] for name in _PASSED_ON if name in surroundings}

    @property
    def where(self) -> str:
        """The remote, without user and password."""
        return _USER_INFO.sub("", self._remote)

    def bring(self, content: bytes) -> None:
        """See `Copy`; the remote must have been reached for this to return."""
        try:
            repository = Repository(self._folder)
            self._record(repository, content)
        except (OSError, HeadMoved) as error:
            raise Unavailable(f"{self._folder} cannot be written: {error}") from error
        self._push(repository)

    def _record(self, repository: Repository, content: bytes) -> None:
        store = GitStore(repository)
        head = store.head()
        there = (GitHistory(repository).read(head, FILE) if head else None) or b""
        if not content.startswith(there):
            raise Conflict(f"{self._folder} holds other statements than the registry: look at both")
        if len(there) < len(content):
            count = content.count(b"\n")
            building = store.begin(head)
            building.add(NewCommit({FILE: content}, f"Statement {count}\n", "muster", datetime.now(UTC)))
            store.publish(head, building.finish())

    def _push(self, repository: Repository) -> None:
        pushing = repository.start(
            "push",
            "--quiet",
            "--",
            self._remote,
            f"{BRANCH}:{REMOTE_BRANCH}",
            stderr=subprocess.STDOUT,
            surroundings=self._surroundings,
        )
        try:
            said = pushing.communicate(timeout=PUSH_TIMEOUT_S)[0].decode(errors="replace")
        except subprocess.TimeoutExpired:
            pushing.kill()
            pushing.communicate()
            raise Unavailable(f"{self.where} did not answer within {PUSH_TIMEOUT_S} s") from None
        if pushing.returncode:
            told = _USER_INFO.sub("", said.strip().splitlines()[-1]) if said.strip() else "git push failed"
            raise Unavailable(f"{self.where} did not take the checkpoints: {told}")
