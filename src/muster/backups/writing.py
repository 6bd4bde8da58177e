"""What the disk of a backup refuses, as errors of the domain; and names made durable."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from muster.domain.errors import StorageFull, Unavailable


@contextmanager
def refusals(path: Path) -> Iterator[None]:
    """Raises StorageFull or Unavailable in the place of an OSError of what is written below `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"the disk of {path} is full: there is no new backup") from error
        raise Unavailable(f"{path} cannot be written: {error.strerror}") from error


def fsync_folder(path: Path) -> None:
    """Make the names in the folder `path` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
