"""The mirror of a home, put together, and what is remembered of it."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from muster.bootstrap import references
from muster.bootstrap.secret_file import SecretFile
from muster.domain.messages import rfc3339
from muster.gitstore.mirror import GitRemote
from muster.gitstore.remotes import Access, access_to
from muster.gitstore.repository import Repository
from muster.service.mirroring import Held, Mirror
from muster.service.ports import Clock, Index, Publisher
from muster.settings import Settings


def mirror(
    settings: Settings, repository: Repository, publisher: Publisher, index: Index, run: Path, clock: Clock
) -> Mirror | None:
    """The home's mirror; None if the settings name none."""
    url = settings.mirror_url
    if not url:
        return None
    remote = GitRemote(repository, url, lambda: access(settings, url))
    return Mirror(remote, publisher, index, Note(run / "mirror.json", url), clock)


def access(settings: Settings, url: str) -> Access:
    """What opens the remote at `url`: the mirror's password, if it is on the mirror's machine.

    Raises:
        Unavailable: the password is not where it should be.
    """
    there = settings.mirror_url and urlsplit(url)[:2] == urlsplit(settings.mirror_url)[:2]
    password = (
        references.found("mirror_password", settings.mirror_password, settings.surroundings) if there else ""
    )
    return access_to(url, settings.surroundings, settings.mirror_user, password)


class Note:
    """A `Memory` in a file, of one mirror: what it says of another is not recalled."""

    def __init__(self, path: Path, url: str) -> None:
        self._path = path
        self._url = url

    def recall(self) -> Held | None:
        try:
            said = json.loads(self._path.read_text())
            return (
                Held(said["commit"], datetime.fromisoformat(said["time"]))
                if said["url"] == self._url
                else None
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None  # then the mirror is asked

    def keep(self, held: Held) -> None:
        said = {"url": self._url, "commit": held.commit, "time": rfc3339(held.time)}
        SecretFile(self._path).write(json.dumps(said).encode())
