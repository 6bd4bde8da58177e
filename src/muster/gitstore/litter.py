"""What a crash leaves in the repository, told from what somebody is writing at this moment.

A Git that was started by hand beside us (`git gc`, `git repack`, a push) has files
of the same kinds, and no lock says whose they are. So what is surely ours goes at
once, and the rest when nobody can be at it any more.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from muster.gitstore.branch import remove_left_lock
from muster.gitstore.packing import WORKSHOP
from muster.gitstore.repository import KEPT, TEMPORARY, Repository, fsync_folder

OTHERS_BEAR_S: Final = 3600
"""How old a file must be, if not ours, before nobody is believed to be writing it."""

_ID_BYTES: Final = 20


def sweep(repository: Repository) -> list[Path]:
    """Remove what a crash left behind, and say what it was.

    The caller holds the home's lock, and no `Upkeep` runs.
    """
    workshop = repository.path / WORKSHOP
    # First the packs: what names them as ours is among the rest.
    litter = [*_packs(repository), *_files(repository)]
    for path in litter:
        path.unlink(missing_ok=True)
    if workshop.exists():
        litter += workshop.iterdir()
        shutil.rmtree(workshop)
    litter += remove_left_lock(repository)
    if litter:
        fsync_folder(repository.packs)
    return litter


def _packs(repository: Repository) -> Iterator[Path]:
    """Packs without an idx: those whose idx was about to come, and others if they are old."""
    coming = {f"pack-{_checksum(idx)}" for idx in repository.packs.glob(f"{TEMPORARY}*_idx")}
    coming |= {idx.stem for idx in (repository.path / WORKSHOP).glob("*/pack/*.idx")}
    for pack in repository.packs.glob("*.pack"):
        if not pack.with_suffix(".idx").exists() and (pack.stem in coming or _is_old(pack)):
            yield pack


def _checksum(idx: Path) -> str:
    """That of its pack, which is the pack's name: gitformat-pack(5), the trailer of an idx."""
    return idx.read_bytes()[-2 * _ID_BYTES : -_ID_BYTES].hex()


def _files(repository: Repository) -> Iterator[Path]:
    """Temporary files, marks and locks: our own, and others if they are old."""
    own = set(repository.packs.glob(f"{TEMPORARY}*"))
    yield from own
    yield from (mark for mark in repository.packs.glob("pack-*.keep") if mark.read_bytes() == KEPT)
    for pattern in (
        *("*.lock", "refs/**/*.lock", "objects/??/tmp_obj_*"),
        *("objects/pack/*.lock", "objects/pack/tmp_*", "objects/pack/.tmp-*"),
    ):
        for path in repository.path.glob(pattern):
            if path not in own and _is_old(path):
                yield path


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > OTHERS_BEAR_S
    except FileNotFoundError:
        return False
