"""A Git remote that is told of every commit, by the program git."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from muster.domain.errors import Conflict, Unavailable
from muster.gitstore.remotes import Access
from muster.gitstore.repository import BRANCH, Repository
from muster.gitstore.talking import answered, asked, complained

ASKING_S: Final = 60.0
PUSHING_S: Final = 1800.0

_PACKING: Final = ("-c", "pack.threads=1", "-c", "pack.windowMemory=64m")
# What Git calls a push that would lose commits; "[remote rejected]" is something else.
_REJECTED: Final = "[rejected]"


class GitRemote:
    """A `Remote`: the registry's branch in another repository, moved forward only.

    `access` gives what Git may show there, asked anew each time. One thread pushes.
    """

    def __init__(self, repository: Repository, url: str, access: Callable[[], Access]) -> None:
        self._repository = repository
        self._url = url
        self._access = access
        self._running: subprocess.Popen[bytes] | None = None
        self._stopped = False

    @property
    def where(self) -> str:
        return self._url

    def head(self) -> str | None:
        access = self._access()
        with access.hiding():
            said = asked(
                self._repository,
                *("ls-remote", "--refs", "--", self._url, BRANCH),
                surroundings=access.surroundings,
                timeout_s=ASKING_S,
                started=self._started,
            )
        return said.decode().partition("\t")[0] or None

    def push(self, commit: str) -> None:
        access = self._access()
        with access.hiding():
            code, said, complaint = answered(
                self._repository,
                *(*_PACKING, "push", "--porcelain", "--no-verify", "--no-follow-tags", "--no-signed"),
                *("--no-recurse-submodules", "--", self._url, f"{commit}:{BRANCH}"),
                surroundings=access.surroundings,
                timeout_s=PUSHING_S,
                started=self._started,
            )
            if not code:
                return
            refused = [
                line.split("\t")[-1] for line in said.decode(errors="replace").splitlines() if line[:1] == "!"
            ]
            if any(reason.startswith(_REJECTED) for reason in refused):
                raise Conflict(
                    f"{self.where} has commits that this registry does not have ({refused[0]}). Nothing was "
                    "overwritten: look at both, then move one of them by hand"
                )
            raise Unavailable(f"git push did not succeed: {'; '.join(refused) or complained(complaint)}")

    def stop(self) -> None:
        self._stopped = True
        if (running := self._running) is not None:
            with suppress(ProcessLookupError):
                running.terminate()

    def _started(self, running: subprocess.Popen[bytes]) -> None:
        self._running = running
        if self._stopped:
            running.terminate()
