"""A home made of a backup."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from muster.backups.archive import Archive, chunks, is_whole
from muster.backups.manifest import Kept, Manifest, Missing
from muster.backups.place import opened
from muster.bootstrap.archived import archived_history
from muster.bootstrap.backing_up import Tell
from muster.bootstrap.needs import Need, accounts, referred_to
from muster.bootstrap.new_home import Report, building, fill, require_empty
from muster.bootstrap.outside import SECRETS
from muster.gitstore.bundles import count, take_bundle
from muster.gitstore.history import GitHistory
from muster.gitstore.named_files import named_files
from muster.gitstore.program import require_git
from muster.gitstore.repository import Repository
from muster.settings import Settings


def restore(
    settings: Settings,
    source: Path,
    *,
    allow_missing: bool = False,
    dry_run: bool = False,
    tell: Tell = lambda _: None,
) -> Report:
    """Make a home, empty or not there yet, of the backup at `source`; what is missing is looked for first.

    Raises:
        Invalid: the home is not empty, or `source` is no whole backup.
        NotFound: nothing is at `source`.
        Incomplete: something is missing and is not allowed to be; nothing was touched.
    """
    require_git()
    require_empty(settings.home)
    with opened(source) as (archive, manifest), archived_history(archive, manifest) as (bundle, twin):
        tell("Reading the backup")
        report = _looked_at(source, archive, manifest, twin, settings.surroundings)
        if dry_run:
            return report
        report.require(allow_missing=allow_missing)
        lost = {each.sha256 for each in report.missing}
        tell("Restoring")
        with building(settings.home) as place:
            fill(
                place,
                lambda repository: take_bundle(repository, bundle),
                ((p.sha256, partial(archive.open, p.place)) for p in manifest.files if p.sha256 not in lost),
            )
            (place / SECRETS).mkdir(mode=0o700)
            for kept in manifest.kept:
                if kept.path not in report.damaged:
                    _put_back(archive, kept, place)
        return report


def _looked_at(
    source: Path, archive: Archive, manifest: Manifest, twin: Repository, surroundings: Mapping[str, str]
) -> Report:
    """All of the backup, read."""
    whole = [part for part in manifest.files if is_whole(archive, part)]
    there = {part.sha256 for part in whole}
    needed = [each for each in named_files(twin, manifest.head).values() if not each.purged]
    missing = [each for each in needed if each.sha256 not in there]
    history = GitHistory(twin)
    return Report(
        source=str(source),
        head=manifest.head,
        changes=count(twin, manifest.head),
        files=len(whole),
        size=sum(part.size for part in whole),
        missing=tuple(Missing(each.sha256, each.size, each.paths) for each in missing),
        damaged=tuple(kept.path for kept in manifest.kept if not is_whole(archive, kept.part)),
        needs=(*_left_out(manifest, history), *referred_to(history, manifest.head, surroundings)),
        notes=(f"made {manifest.made}",),
    )


def _left_out(manifest: Manifest, history: GitHistory) -> Iterator[Need]:
    """What there must be instead of the secrets, if they were left out."""
    if not manifest.secrets:
        yield Need("secrets/ (webhooks, tokens, the key of checkpoints)", (), False)
        yield from tokens(history, manifest.head)


def tokens(history: GitHistory, head: str) -> Iterator[Need]:
    """The tokens of the accounts, if there are accounts."""
    if number := accounts(history, head):
        of = "1 account" if number == 1 else f"{number:,} accounts"
        yield Need(f"tokens of {of}: `muster serve` prints one for an admin, who makes others", (), False)


def _put_back(archive: Archive, kept: Kept, place: Path) -> None:
    """A file of the home, as it was, durably."""
    goal = place / kept.path
    goal.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(kept.part.place) as file, goal.open("xb") as written:
        os.fchmod(written.fileno(), kept.mode)
        for chunk in chunks(file):
            written.write(chunk)
        written.flush()
        os.fsync(written.fileno())
