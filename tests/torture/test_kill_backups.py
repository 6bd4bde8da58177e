"""kill -9 in the middle of a backup or a restore: nothing half done looks whole."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import pytest

from muster.artifacts.disk import DiskStore
from muster.bootstrap.backing_up import back_up, verify
from muster.bootstrap.folder import Folder
from muster.bootstrap.home import open_home
from muster.bootstrap.restoring import restore
from muster.domain.errors import Invalid, NotFound
from muster.settings import load
from tests.keeping import files
from tests.servers import SMALL
from tests.serving import wait_for
from tests.torture.proof import assert_sound
from tests.torture.scale import either

pytestmark = [pytest.mark.torture, pytest.mark.timeout(0)]

FILES: Final = 150
_FORKS: Final = get_context("forkserver")
_FORKS.set_forkserver_preload([restore.__module__])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A registry whose store holds many small files."""
    home = tmp_path / "registry"
    with open_home(load({"home": str(home)}, environment=SMALL)):
        pass
    fill(home, range(FILES))
    return home


def fill(home: Path, numbers: range) -> None:
    store = DiskStore(home / "registry.git/lfs")
    for at in numbers:
        store.put([b"%d" % at * 5000])


def killed(work: Callable[..., Any], *given: Any, once: Callable[[], bool]) -> None:
    """Have a process do the work, and kill it once that is so, or let it come to its end before."""
    process = _FORKS.Process(target=work, args=given)
    process.start()
    wait_for(lambda: once() or not process.is_alive(), bool)
    process.kill()
    process.join()


def count(folder: Path) -> int:
    return sum(1 for path in folder.rglob("*") if path.is_file())


def is_larger(path: Path, files: int) -> bool:
    """Whether what there is of a backup at `path` holds more than that many of them."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    if unfinished.exists():
        return unfinished.stat().st_size > files * 6000
    return path.is_dir() and count(path) > files


@pytest.mark.parametrize("name", ["backup", "backup.tar"])
def test_a_backup_that_was_killed_is_none(tmp_path: Path, home: Path, name: str) -> None:
    path = tmp_path / name
    rounds = either(4, 40)
    refused = 0
    for at in range(rounds):
        killed(back_up, home, path, once=partial(is_larger, path, at * FILES // rounds))
        try:
            manifest, problems = verify(path)
        except (Invalid, NotFound):
            refused += 1
        else:  # it was faster
            assert (len(manifest.files), problems) == (FILES, [])
    assert refused
    back_up(home, path)
    assert verify(path)[1] == []


@pytest.mark.parametrize("name", ["backup", "backup.tar"])
def test_a_backup_that_was_killed_leaves_the_one_before(tmp_path: Path, home: Path, name: str) -> None:
    path = tmp_path / name
    back_up(home, path)
    fill(home, range(FILES, FILES + 20))
    killed(back_up, home, path, once=partial(is_larger, path, FILES + 10))
    manifest, problems = verify(path)
    assert problems == []
    assert len(manifest.files) in (FILES, FILES + 20)
    back_up(home, path)
    assert len(verify(path)[0].files) == FILES + 20
    assert [each.name for each in tmp_path.iterdir() if "unfinished" in each.name] == []


def has_more_than(folder: Path, files: int) -> bool:
    return count(folder) > files


def test_a_restore_that_was_killed_is_no_registry_nor_a_place_for_one(tmp_path: Path, home: Path) -> None:
    back_up(home, tmp_path / "backup")
    rounds = either(4, 40)
    unfinished = 0
    for at in range(rounds):
        new = tmp_path / f"new{at}"
        settings = load({"home": str(new)}, environment=SMALL)
        killed(restore, settings, tmp_path / "backup", once=partial(has_more_than, new, at * FILES // rounds))
        if (new / "registry.git").exists():
            assert files(new) == files(home)
            assert_sound(new)
        elif new.exists():
            unfinished += 1
            with pytest.raises(Invalid, match="must be empty"):
                Folder(new)
            with pytest.raises(Invalid, match="remove it"):
                restore(settings, tmp_path / "backup")
    assert unfinished
