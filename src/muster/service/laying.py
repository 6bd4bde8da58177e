"""A version's files in a folder, under their paths, as those who load them want them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from muster.domain.records import Artifact


def lay_out(folder: Path, files: Iterable[Artifact], local: Callable[[str], Path]) -> None:
    """Put `files` into `folder` without a copy; what is there already stays. `local` is by sha256.

    Hard links, because onnxruntime refuses external data behind a symbolic link
    that leads out of the model's folder. So `folder` should be on the file
    system of the store.

    Raises:
        OSError: the disk refused.
        NotFound: a file is not in the store.
    """
    for file in files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            continue
        stored = local(file.sha256)
        try:
            path.hardlink_to(stored)
        except OSError:  # the store is on another file system, or has no hard links
            path.symlink_to(stored.resolve())
