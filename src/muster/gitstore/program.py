"""Git as a program, run on one repository.

What the user's or the system's Git configuration says has no effect here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO, Final

from muster.domain.errors import Unavailable

_SURROUNDINGS: Final[Mapping[str, str]] = {
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
}
_OLDEST_GIT = (2, 36)
_NEEDED = "install the package 'git', version 2.36 or newer"


def require_git() -> None:
    """Raises Unavailable: there is no Git in PATH, or it is too old."""
    try:
        asked = [_git(), "--version"]
        said = subprocess.run(
            asked, env=_SURROUNDINGS, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        ).stdout
    except OSError as error:
        raise Unavailable(f"git cannot be run ({error.strerror}): {_NEEDED}") from error
    numbers = re.findall(r"[0-9]+", said)[:2]
    if tuple(map(int, numbers)) < _OLDEST_GIT:
        raise Unavailable(f"{said.strip() or 'git'} is too old: {_NEEDED}")


def _git() -> str:
    git = shutil.which("git")
    if git is None:
        raise Unavailable(f"git is not installed (or not in PATH): {_NEEDED}")
    return git


class GitFolder:
    """A repository's own folder (not its work tree); nothing is written to it here."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def command(self, *arguments: str) -> Sequence[str]:
        """The command line that runs Git on this repository."""
        return (_git(), "-c", "safe.directory=*", "--git-dir", str(self.path), *arguments)

    @property
    def environment(self) -> Mapping[str, str]:
        """What Git is told of its surroundings: as good as nothing."""
        return {**_SURROUNDINGS, "PATH": os.pathsep.join(os.get_exec_path()), "HOME": str(self.path)}

    def start(
        self,
        *arguments: str,
        stdin: IO[bytes] | int | None = subprocess.DEVNULL,
        stderr: int = subprocess.DEVNULL,
        surroundings: Mapping[str, str] = MappingProxyType({}),
        buffer_bytes: int = -1,
    ) -> subprocess.Popen[bytes]:
        """Git running on this repository, its output a pipe; told of further `surroundings`.

        Raises:
            Unavailable: Git is not installed.
        """
        return subprocess.Popen(
            self.command(*arguments),
            env={**self.environment, **surroundings},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            bufsize=buffer_bytes,
        )
