"""A home made of any clone of a registry, with the files that can be found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Final
from urllib.parse import unquote, urlsplit

from muster.artifacts.finding import Finder
from muster.backups.manifest import Missing
from muster.bootstrap import mirroring
from muster.bootstrap.backing_up import Tell
from muster.bootstrap.needs import Need, referred_to
from muster.bootstrap.new_home import Report, building, fill, require_empty
from muster.bootstrap.restoring import tokens
from muster.domain.errors import Invalid
from muster.gitstore.bundles import count, fetch
from muster.gitstore.cloned import Cloned, take_clone
from muster.gitstore.history import GitHistory
from muster.gitstore.named_files import NamedFile, named_files
from muster.gitstore.program import require_git
from muster.gitstore.repository import Repository
from muster.settings import Settings

_ALL: Final = "+refs/*:refs/*"
_NOT_IN_A_CLONE: Final = (
    Need("secrets/ (webhooks, tokens, the key of checkpoints)", (), False),
    Need("checkpoints.jsonl (signed checkpoints)", (), False),
)


def restore_clone(
    settings: Settings,
    source: str,
    *,
    files: Path | None = None,
    allow_missing: bool = False,
    dry_run: bool = False,
    tell: Tell = lambda _: None,
) -> Report:
    """Make a home, empty or not there yet, of the clone at a path or an address.

    Files are taken from the clone's Git LFS store and its work tree, if it is on this
    machine, and from the folder `files`, whatever they are called there. The
    mirror is asked with its password.

    Raises:
        Invalid: the home is not empty, or `source` is no clone of a registry.
        Incomplete: files are missing and are not allowed to be; nothing was touched.
        Unavailable: Git cannot read `source`.
    """
    require_git()
    require_empty(settings.home)
    if files is not None and not files.is_dir():
        raise Invalid.one("--files", str(files), "must be a folder")
    with TemporaryDirectory(prefix="muster-") as work:
        tell("Fetching the history")
        twin = Repository(Path(work) / "twin.git")
        access = mirroring.access(settings, source)
        with access.hiding():
            cloned = take_clone(twin, _address(source), access.surroundings)
        tell("Looking for files")
        finder = _finder(_local(source), files)
        needed = [each for each in named_files(twin, cloned.head).values() if not each.purged]
        found = {each.sha256: finder.find(each.sha256, each.size) for each in needed}
        report = _report(source, twin, cloned, needed, found, settings.surroundings)
        if dry_run:
            return report
        report.require(allow_missing=allow_missing)
        tell("Restoring")
        with building(settings.home) as place:
            fill(
                place,
                lambda repository: fetch(repository, str(twin.path), _ALL),
                ((sha256, partial(_opened, path)) for sha256, path in found.items() if path is not None),
            )
        return report


def _report(
    source: str,
    twin: Repository,
    cloned: Cloned,
    needed: Sequence[NamedFile],
    found: Mapping[str, Path | None],
    surroundings: Mapping[str, str],
) -> Report:
    history = GitHistory(twin)
    there = [each for each in needed if found[each.sha256] is not None]
    missing = [each for each in needed if found[each.sha256] is None]
    return Report(
        source=source,
        head=cloned.head,
        changes=count(twin, cloned.head),
        files=len(there),
        size=sum(each.size for each in there),
        missing=tuple(Missing(each.sha256, each.size, each.paths) for each in missing),
        needs=(
            *_NOT_IN_A_CLONE,
            *tokens(history, cloned.head),
            *referred_to(history, cloned.head, surroundings),
        ),
        notes=(f"from {cloned.ref}", *(f"passed over {each}" for each in cloned.passed_over)),
    )


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


def _local(source: str) -> Path | None:
    """The clone's folder, if it is on this machine."""
    if source.startswith("file://"):
        return Path(unquote(urlsplit(source).path))
    path = Path(source)
    return path if path.is_dir() else None


def _address(source: str) -> str:
    """As Git is told of it: it works in another folder."""
    path = Path(source)
    return str(path.absolute()) if path.is_dir() else source


def _finder(clone: Path | None, files: Path | None) -> Finder:
    """Looks in the clone's Git LFS store, its work tree and the folder `files`, as far as they are there."""
    folders = [] if files is None else [files]
    if clone is None:
        return Finder((), folders)
    repository = _repository_of(clone)
    work_tree = [] if repository == clone else [clone]
    return Finder([repository / "lfs"], [*work_tree, *folders])


def _repository_of(clone: Path) -> Path:
    """The repository's own folder; gitrepository-layout(5) says how a work tree names it."""
    dot = clone / ".git"
    if not dot.exists():
        return clone
    if dot.is_dir():
        return dot
    said = dot.read_text().removeprefix("gitdir:").strip()
    own = (clone / said).resolve()
    shared = own / "commondir"
    return (own / shared.read_text().strip()).resolve() if shared.exists() else own
