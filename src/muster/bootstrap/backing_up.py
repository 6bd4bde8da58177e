"""A backup of a home, made while others write to it, and proof that a backup is whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Final

from muster.artifacts.disk import DiskStore
from muster.backups.archive import Archive, Draft, is_whole, sha256_of
from muster.backups.manifest import Kept, Manifest, Missing, Part
from muster.backups.place import drafted, opened
from muster.bootstrap import outside
from muster.bootstrap.archived import archived_history
from muster.bootstrap.home import now
from muster.domain.errors import Invalid, MusterError, NotFound, Unavailable
from muster.domain.messages import rfc3339
from muster.gitstore.bundles import heads, take_bundle, write_bundle
from muster.gitstore.named_files import named_files
from muster.gitstore.program import require_git
from muster.gitstore.repository import BRANCH, Repository

Tell = Callable[[str], None]

_TOLD_EVERY: Final = 1000


def back_up(home: Path, to: Path, *, secrets: bool = True, tell: Tell = lambda _: None) -> Manifest:
    """Make a backup of `home` at `to`; with `secrets` of what is kept there, too.

    A server may run on it and writes may go on. What the backup holds is one commit
    of the registry's, with all that is before it and every file that these name; read
    again from where it was written before it becomes the backup. `tell` is given a
    sentence now and then.

    Raises:
        Invalid: `to` holds something else, or is in the home.
        Conflict: another backup goes on there.
        StorageFull: there is no room for it.
        Unavailable: it cannot be written, or is not what was written when read again.
    """
    require_git()
    home, to = home.absolute(), to.absolute()
    if to.resolve().is_relative_to(home.resolve()):
        raise Invalid.one("--to", str(to), f"must not be in the registry's home ({home})")
    with drafted(to) as draft, TemporaryDirectory(prefix="muster-") as work:
        made = rfc3339(now())
        tell("Reading the history")
        bundle = Path(work) / "history.bundle"
        refs = write_bundle(Repository(home / "registry.git"), bundle)
        twin = Repository(Path(work) / "twin.git")
        take_bundle(twin, bundle)  # proves it: Git checks every object
        adding = _Adding(draft)
        history = adding.history(bundle)
        # The history first: a file is in the store before a commit names it.
        files, missing = adding.files(home, twin, refs[BRANCH], tell)
        kept = adding.kept(home, secrets=secrets)
        manifest = Manifest(made, refs[BRANCH], refs, secrets, history, files, kept, missing)
        tell("Reading the backup again")
        with draft.seal(manifest) as archive:
            if problems := list(_damaged(archive, manifest, adding.held)):
                raise Unavailable(
                    f"the backup is not what was written, and was given up: {'; '.join(problems)}"
                )
        draft.publish()
        return manifest


class _Adding:
    """Adds the parts of a home to a backup. `held` are the places of those that were there, and are whole."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._added: set[str] = set()
        self.held: set[str] = set()

    def history(self, bundle: Path) -> Part:
        with bundle.open("rb") as file:
            sha256 = sha256_of(file)
            part = Part(f"history/{sha256}.bundle", sha256, bundle.stat().st_size)
            self._put(part, file)
        return part

    def files(
        self, home: Path, twin: Repository, head: str, tell: Tell
    ) -> tuple[tuple[Part, ...], tuple[Missing, ...]]:
        """Every file in the store, whoever names it; and which the history names that are not there whole."""
        named = named_files(twin, head)
        store = DiskStore(home / "registry.git" / "lfs")
        parts: list[Part] = []
        purged = {each.sha256 for each in named.values() if each.purged}
        wanted = sorted({*named, *store.digests()} - purged)
        for at, sha256 in enumerate(wanted):
            if at % _TOLD_EVERY == 0:
                tell(f"Copying files, {at:,} of {len(wanted):,} done" if at else "Copying files")
            if (part := self._file(store, sha256)) is not None:
                parts.append(part)
        there = {part.sha256 for part in parts}
        missing = (
            Missing(each.sha256, each.size, each.paths)
            for each in named.values()
            if each.sha256 not in there and not each.purged
        )
        return tuple(parts), tuple(sorted(missing, key=lambda each: (each.paths, each.sha256)))

    def _file(self, store: DiskStore, sha256: str) -> Part | None:
        """Its part of the backup; None if it is not in the store, or damaged there."""
        size = store.size(sha256)
        if size is None:
            return None
        part = Part(f"files/{sha256[:2]}/{sha256[2:4]}/{sha256}", sha256, size)
        try:
            with store.open(sha256) as file:
                return part if self._put(part, file) else None
        except NotFound:  # it was purged just now
            return None

    def kept(self, home: Path, *, secrets: bool) -> tuple[Kept, ...]:
        """What is neither in Git nor a version's file."""
        kept = []
        for path in outside.files(home, secrets=secrets):
            with outside.steady(home / path) as file:
                if file is None:
                    continue
                sha256 = sha256_of(file)
                part = Part(f"kept/{sha256}", sha256, file.tell())
                self._put(part, file)
                kept.append(Kept(path.as_posix(), os.fstat(file.fileno()).st_mode & 0o777, part))
        return tuple(kept)

    def _put(self, part: Part, file: BinaryIO) -> bool:
        """Have the backup hold `part`; False if that is not what is in `file`."""
        if part.place in self.held or part.place in self._added:
            return True
        if self._draft.holds(part):
            self.held.add(part.place)
            return True
        self._added.add(part.place)
        return self._draft.add(part.place, file) == part.sha256


def verify(path: Path) -> tuple[Manifest, list[str]]:
    """What the backup at `path` says that it holds, and what of it is not so; reads all of it.

    Raises:
        NotFound: nothing is there.
        Invalid: it is no backup, or was never finished.
    """
    require_git()
    with opened(path) as (archive, manifest):
        problems = [*_damaged(archive, manifest), *_history(archive, manifest)]
    return manifest, problems


def _damaged(archive: Archive, manifest: Manifest, known: Collection[str] = ()) -> Iterator[str]:
    """Which parts are not there, or not what they were; those at the places `known` are whole."""
    for part in manifest.parts():
        if part.place not in known and not is_whole(archive, part):
            yield f"{part.place} is missing or damaged"


def _history(archive: Archive, manifest: Manifest) -> Iterator[str]:
    """Whether Git finds the history whole, and the manifest lists every file that it names."""
    try:
        with archived_history(archive, manifest) as (bundle, twin):
            if dict(heads(twin, bundle)) != dict(manifest.refs):
                yield "the history ends elsewhere than the manifest says"
                return
            listed = {part.sha256 for part in manifest.files} | {each.sha256 for each in manifest.missing}
            for named in named_files(twin, manifest.head).values():
                if named.sha256 not in listed and not named.purged:
                    yield f"the manifest does not list sha256:{named.sha256}, which the history names"
    except (MusterError, OSError) as error:
        yield f"the history cannot be read: {error}"
