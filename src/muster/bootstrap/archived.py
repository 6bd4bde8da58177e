"""The history in a backup, as a repository."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from muster.backups.archive import Archive
from muster.backups.manifest import Manifest
from muster.gitstore.bundles import take_bundle
from muster.gitstore.repository import Repository


@contextmanager
def archived_history(archive: Archive, manifest: Manifest) -> Iterator[tuple[Path, Repository]]:
    """The bundle as a file, and a repository of what is in it, for as long as it is looked at.

    Raises:
        NotFound: it is not there.
        Unavailable: it is damaged, or not whole.
    """
    with TemporaryDirectory(prefix="muster-") as work:
        bundle = Path(work) / "history.bundle"
        with archive.open(manifest.history.place) as packed, bundle.open("xb") as file:
            shutil.copyfileobj(packed, file)
        twin = Repository(Path(work) / "twin.git")
        take_bundle(twin, bundle)
        yield bundle, twin
