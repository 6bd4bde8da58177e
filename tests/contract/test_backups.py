"""The two forms of a backup: nothing half done counts, nothing damaged passes."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import pytest

from muster.artifacts.finding import Finder
from muster.backups.archive import is_whole
from muster.backups.manifest import Manifest, Part
from muster.backups.place import drafted, opened
from muster.bootstrap import outside
from muster.domain.errors import Conflict, Invalid, NotFound

HISTORY = b"a bundle"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def part(place: str, content: bytes) -> Part:
    return Part(place, sha256(content), len(content))


def a_manifest(files: Mapping[str, bytes]) -> Manifest:
    parts = tuple(part(place, content) for place, content in files.items())
    return Manifest("2026-01-01T00:00:00Z", "a" * 40, {}, True, part("history/h", HISTORY), parts, (), ())


def back_up(path: Path, files: Mapping[str, bytes]) -> None:
    """A backup with these files, by their places."""
    manifest = a_manifest(files)
    with drafted(path) as draft:
        for place, content in {"history/h": HISTORY, **files}.items():
            assert draft.add(place, BytesIO(content)) == sha256(content)
        with draft.seal(manifest) as archive:
            assert all(is_whole(archive, each) for each in manifest.parts())
        draft.publish()


@pytest.fixture(params=["folder", "file.tar"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    name: str = request.param
    return tmp_path / name


def contents(path: Path) -> dict[str, bytes]:
    with opened(path) as (archive, manifest):
        found = {}
        for each in manifest.files:
            with archive.open(each.place) as file:
                found[each.place] = file.read()
        return found


def test_a_backup_gives_back_what_was_put_into_it(path: Path) -> None:
    files = {"files/a": b"", "files/b/c": b"weights" * 100_000}
    back_up(path, files)
    assert contents(path) == files
    with opened(path) as (archive, _), pytest.raises(NotFound):
        archive.open("files/nowhere")


def test_one_that_was_given_up_is_no_backup(path: Path) -> None:
    with drafted(path) as draft:
        draft.add("history/h", BytesIO(HISTORY))
    with pytest.raises((Invalid, NotFound)), opened(path):
        pass
    back_up(path, {"files/a": b"1"})
    assert contents(path) == {"files/a": b"1"}


def test_one_that_is_given_up_before_it_is_published_leaves_the_one_before(path: Path) -> None:
    back_up(path, {"files/a": b"1"})
    with drafted(path) as draft:
        draft.add("history/h", BytesIO(HISTORY))
        draft.add("files/b", BytesIO(b"2"))
        with draft.seal(a_manifest({"files/b": b"2"})):
            pass
    assert contents(path) == {"files/a": b"1"}


def test_the_next_one_takes_the_place_of_the_one_before_and_leaves_nothing_of_it(path: Path) -> None:
    back_up(path, {"files/x/a": b"1"})
    back_up(path, {"files/b": b"2"})
    assert contents(path) == {"files/b": b"2"}
    if path.is_dir():
        assert sorted(each.name for each in (path / "files").iterdir()) == ["b"]


def test_bytes_that_changed_are_seen(path: Path) -> None:
    back_up(path, {"files/a": b"weights of a model"})
    file = path / "files/a" if path.is_dir() else path
    file.write_bytes(file.read_bytes().replace(b"weights", b"weighty"))
    with opened(path) as (archive, manifest):
        assert [is_whole(archive, each) for each in manifest.files] == [False]


def test_a_file_that_was_cut_off_is_no_backup(tmp_path: Path) -> None:
    path = tmp_path / "backup.tar"
    back_up(path, {"files/a": b"weights" * 10_000})
    whole = path.read_bytes()
    for length in (0, 100, 512, 20_000, len(whole) - 12_000):
        path.write_bytes(whole[:length])
        with pytest.raises(Invalid, match="must be a whole"), opened(path):
            pass


def test_nobody_else_can_read_a_backup(path: Path) -> None:
    back_up(path, {"files/a": b"1"})
    assert path.stat().st_mode & 0o077 == 0


def test_two_backups_into_one_folder_do_not_go_on_at_once(tmp_path: Path) -> None:
    with drafted(tmp_path / "folder"), pytest.raises(Conflict), drafted(tmp_path / "folder"):
        pass


def test_a_folder_that_a_tar_was_unpacked_to_is_a_backup(tmp_path: Path) -> None:
    import tarfile

    back_up(tmp_path / "backup.tar", {"files/a": b"1"})
    with tarfile.open(tmp_path / "backup.tar") as archive:
        archive.extractall(tmp_path / "unpacked")
    assert contents(tmp_path / "unpacked") == {"files/a": b"1"}
    back_up(tmp_path / "unpacked", {"files/b": b"2"})
    assert contents(tmp_path / "unpacked") == {"files/b": b"2"}


def test_everything_in_a_home_is_kept_that_is_not_known_to_be_made_anew(tmp_path: Path) -> None:
    kept = [
        "muster.toml",
        "checkpoints.jsonl",
        "secrets/tokens.json",
        "uploads/files/.b-wal",
        "something/new",
    ]
    left = ["registry.git/HEAD", "index.db", "index.db-wal", "run/server.lock", ".gitignore"]
    left += ["uploads/parts/x/1.y", "uploads/tmp/1", "secrets/.tokens.json-x1", "new/thing.db-wal"]
    for name in (*kept, *left):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert sorted(map(str, outside.files(tmp_path, secrets=True))) == sorted(kept)
    without = sorted(map(str, outside.files(tmp_path, secrets=False)))
    assert without == sorted(name for name in kept if not name.startswith("secrets/"))


def test_a_database_that_is_being_written_to_is_copied_as_it_was_at_one_moment(tmp_path: Path) -> None:
    path = tmp_path / "deliveries.db"
    writing = sqlite3.connect(path)
    writing.execute("PRAGMA journal_mode = WAL")
    writing.execute("CREATE TABLE t (n)")
    writing.execute("INSERT INTO t VALUES (1)")
    writing.commit()
    writing.execute("INSERT INTO t VALUES (2)")  # never committed
    with outside.steady(path) as copied:
        assert copied is not None
        copy = tmp_path / "copy.db"
        copy.write_bytes(copied.read())
    writing.close()
    reading = sqlite3.connect(copy)
    assert reading.execute("SELECT n FROM t").fetchall() == [(1,)]
    reading.close()


def test_a_file_is_found_by_its_content_whatever_it_is_called(tmp_path: Path) -> None:
    store, folder = tmp_path / "lfs", tmp_path / "shelf"
    in_store, on_shelf = b"in the store", b"on a shelf"
    place = store / "objects" / sha256(in_store)[:2] / sha256(in_store)[2:4] / sha256(in_store)
    place.parent.mkdir(parents=True)
    place.write_bytes(in_store)
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/best model.bin").write_bytes(on_shelf)
    (folder / "same size").write_bytes(bytes(len(on_shelf)))
    finder = Finder([store], [folder])
    assert finder.find(sha256(in_store), len(in_store)) == place
    assert finder.find(sha256(on_shelf), len(on_shelf)) == folder / "deep/best model.bin"
    assert finder.find(sha256(bytes(len(on_shelf))), len(on_shelf)) == folder / "same size"
    assert finder.find(sha256(b"elsewhere"), len(on_shelf)) is None
    place.write_bytes(b"damaged data")
    assert finder.find(sha256(in_store), len(in_store)) is None
