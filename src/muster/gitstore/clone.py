"""Somebody's clone of a registry: read, never written to, and not believed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from muster.domain.errors import NotFound
from muster.gitstore.bulk import objects
from muster.gitstore.program import GitFolder

# Git fetches from nowhere what a partial clone lacks.
_ALONE = {"GIT_NO_LAZY_FETCH": "1"}


class Clone(GitFolder):
    """A clone of a registry's repository, bare or with a work tree."""

    @classmethod
    def at(cls, path: Path) -> Self:
        """The one in that folder. Raises NotFound."""
        for folder in (path, path / ".git"):
            if (folder / "HEAD").is_file() and (folder / "objects").is_dir():
                return cls(folder)
        raise NotFound("git repository", str(path))

    def head(self, ref: str) -> str:
        """The commit that `ref` leads to. Raises NotFound."""
        asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        with self.start(*asked, surroundings=_ALONE) as asking:
            said = asking.communicate()[0].decode().strip()
        if asking.returncode or not said:
            raise NotFound("branch or commit", f"{ref} in {self.path}")
        return said

    def commits(self, head: str) -> Iterator[tuple[bytes, bytes]]:
        """(id, bytes) of `head` and its first-parent ancestors, the first one first.

        The bytes are what is stored: whether they are those of the id is not looked at.

        Raises:
            OSError: one cannot be read.
        """
        return objects(self, ["rev-list", "--first-parent", "--reverse", head], "%(objectname)")

    def damage(self) -> list[str]:
        """What `git fsck` finds wrong with any object, a line each."""
        asked = ("fsck", "--full", "--no-dangling", "--no-progress")
        with self.start(*asked, stderr=subprocess.STDOUT, surroundings=_ALONE) as checking:
            said = checking.communicate()[0].decode(errors="replace").splitlines()
        return (said or ["git fsck failed"]) if checking.returncode else []
