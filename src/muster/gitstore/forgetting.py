"""Objects that nothing leads to any more, removed at once."""

from __future__ import annotations

import subprocess

from muster.gitstore.repository import Repository


def forget(repository: Repository) -> None:
    """Remove every object that no reference leads to. Nobody may be writing or repacking meanwhile.

    Raises:
        OSError: Git did not succeed; what is needed is still there.
    """
    for command in (("repack", "-a", "-d", "-q"), ("prune", "--expire=now")):
        with repository.start(*command, stderr=subprocess.STDOUT) as running:
            said = running.communicate()[0].decode(errors="replace").strip()
        if running.returncode:
            raise OSError(f"git {command[0]} failed: {said}")
    repository.renew()
