"""What goes by which path before any version has it, and files in parts."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from muster.artifacts.memory import MemoryUploads
from muster.artifacts.uploads import PARTS_KEPT_S, DiskUploads
from muster.domain.errors import Conflict, NotFound, StorageFull
from muster.domain.records import Artifact
from muster.service.keeping import Uploads


def a_file(path: str, content: bytes = b"content") -> Artifact:
    return Artifact(path, len(content), hashlib.sha256(content).hexdigest())


def on_disk(folder: Path) -> Uploads:
    return DiskUploads(folder / "uploads")


def in_memory(folder: Path) -> Uploads:
    return MemoryUploads()


@pytest.fixture(params=[on_disk, in_memory])
def uploads(request: pytest.FixtureRequest, tmp_path: Path) -> Uploads:
    make: Callable[[Path], Uploads] = request.param
    return make(tmp_path)


def test_what_was_put_goes_by_its_path_until_it_is_replaced(uploads: Uploads) -> None:
    uploads.put(a_file("1/run/model/MLmodel"))
    assert uploads.get("1/run/model/MLmodel") == a_file("1/run/model/MLmodel")
    uploads.put(a_file("1/run/model/MLmodel", b"other"))
    assert uploads.get("1/run/model/MLmodel") == a_file("1/run/model/MLmodel", b"other")
    for nothing in ("1", "1/run", "1/run/model/MLmodel/x", "2", ""):
        assert uploads.get(nothing) is None


def test_a_listing_is_one_level_by_name(uploads: Uploads) -> None:
    for path in ("m/b.txt", "m/a dir/é.bin", "m/a dir/deeper/x", "m/B", "n"):
        uploads.put(a_file(path))
    assert uploads.listing("m") == [("B", a_file("m/B")), ("a dir", None), ("b.txt", a_file("m/b.txt"))]
    assert uploads.listing("") == [("m", None), ("n", a_file("n"))]
    assert uploads.listing("m/a dir") == [("deeper", None), ("é.bin", a_file("m/a dir/é.bin"))]
    assert uploads.listing("m/b.txt") == uploads.listing("nowhere") == uploads.listing("nowhere/x") == []


def test_all_that_is_below_a_folder_is_listed_by_path(uploads: Uploads) -> None:
    paths = ["m/a/x", "m/b", "mm/c"]
    for path in reversed(paths):
        uploads.put(a_file(path))
    assert [file.path for file in uploads.below("m")] == paths[:2]
    assert [file.path for file in uploads.below("")] == paths
    assert uploads.below("m/b") == [a_file("m/b")]
    assert uploads.below("m/a/x/y") == uploads.below("nowhere") == []


def test_what_is_removed_takes_what_is_below_it_along_and_no_more(uploads: Uploads) -> None:
    for path in ("m/a/x", "m/a/y", "m/ab", "n/z"):
        uploads.put(a_file(path))
    uploads.remove("m/a")
    uploads.remove("nowhere/at/all")
    assert [file.path for file in uploads.below("")] == ["m/ab", "n/z"]
    uploads.remove("n/z")
    assert uploads.listing("") == [("m", None)]  # an empty folder is none
    uploads.put(a_file("n"))


def test_nothing_is_file_and_folder_at_once(uploads: Uploads) -> None:
    uploads.put(a_file("m/a/x"))
    with pytest.raises(Conflict, match="'m/a' is a folder"):
        uploads.put(a_file("m/a"))
    with pytest.raises(Conflict, match="'m/a/x' is a file"):
        uploads.put(a_file("m/a/x/y/z"))
    assert uploads.below("") == [a_file("m/a/x")]


# ------------------------------------------------------------ parts


def test_parts_come_in_any_order_and_are_read_in_the_one_asked_for(uploads: Uploads) -> None:
    upload = uploads.begin()
    second = uploads.put_part(upload, 2, [b"wor", b"ld"])
    uploads.put_part(upload, 1, [b"replaced"])
    first = uploads.put_part(upload, 1, [b"hello "])
    assert (
        uploads.parts(upload) == {1: first, 2: second} == {1: a_file("", b"hello "), 2: a_file("", b"world")}
    )
    wanted = [(1, first.sha256), (2, second.sha256)]
    assert b"".join(uploads.read_parts(upload, wanted)) == b"hello world"
    with pytest.raises(NotFound, match="Part not found: 1 of"):
        list(uploads.read_parts(upload, [(1, second.sha256)]))


def test_an_upload_that_ended_is_forgotten(uploads: Uploads) -> None:
    upload = uploads.begin()
    assert uploads.begin() != upload
    uploads.put_part(upload, 1, [b"x"])
    uploads.end(upload)
    for call in (
        lambda: uploads.parts(upload),
        lambda: uploads.put_part(upload, 1, [b"x"]),
        lambda: list(uploads.read_parts(upload, [])),
        lambda: uploads.end(upload),
        lambda: uploads.parts("../files"),
    ):
        with pytest.raises(NotFound, match="Upload not found"):
            call()


def test_a_part_that_breaks_off_leaves_nothing(uploads: Uploads, tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionResetError("the client is gone")

    upload = uploads.begin()
    with pytest.raises(ConnectionResetError):
        uploads.put_part(upload, 1, broken())
    assert uploads.parts(upload) == {}
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


# ------------------------------------------------------------ on disk


def test_on_disk_it_is_there_again_when_opened_again(tmp_path: Path) -> None:
    on_disk(tmp_path).put(a_file("m/a"))
    assert on_disk(tmp_path).below("") == [a_file("m/a")]


def test_on_disk_what_a_crash_left_is_swept(tmp_path: Path) -> None:
    uploads = DiskUploads(tmp_path / "uploads")
    uploads.put(a_file("m/a"))
    (tmp_path / "uploads/tmp/1-half").write_bytes(b"half")
    (tmp_path / "uploads/gone/1/m").mkdir(parents=True)
    assert uploads.sweep() == 2
    assert uploads.sweep() == 0
    assert uploads.below("") == [a_file("m/a")]


def test_on_disk_parts_that_nobody_went_on_with_are_forgotten(tmp_path: Path) -> None:
    uploads = DiskUploads(tmp_path / "uploads")
    old, new = uploads.begin(), uploads.begin()
    long_ago = (tmp_path / "uploads/parts" / old).stat().st_mtime - PARTS_KEPT_S - 60
    os.utime(tmp_path / "uploads/parts" / old, (long_ago, long_ago))
    uploads.begin()
    with pytest.raises(NotFound):
        uploads.parts(old)
    assert uploads.parts(new) == {}


def test_on_disk_nothing_is_taken_into_the_reserve(tmp_path: Path) -> None:
    uploads = DiskUploads(tmp_path / "uploads", min_free_bytes=1 << 60)
    with pytest.raises(StorageFull):
        uploads.put(a_file("m/a"))
    with pytest.raises(StorageFull):
        uploads.put_part(uploads.begin(), 1, [b"x"])
    assert uploads.below("") == []


def test_on_disk_who_reads_while_a_folder_is_removed_sees_all_or_nothing(tmp_path: Path) -> None:
    uploads = DiskUploads(tmp_path / "uploads")
    paths = [f"m/{at % 5}/{at}" for at in range(50)]
    seen: set[int] = set()
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            seen.add(len(uploads.below("m")))

    reader = threading.Thread(target=read)
    for path in paths:
        uploads.put(a_file(path))
    reader.start()
    uploads.remove("m")
    ended.set()
    reader.join()
    assert seen <= {0, len(paths)}
