"""Bytes come back as they were put in, or are refused, and nothing is half there."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from resource import RLIMIT_FSIZE, getrlimit, setrlimit
from threading import Thread

import pytest

from muster.artifacts.disk import DiskStore
from muster.artifacts.memory import MemoryStore
from muster.domain.errors import Invalid, NotFound, StorageFull, Unavailable
from muster.service.ports import ArtifactStore

WEIGHTS = b"weights" * 10_000
UNKNOWN = "12" * 32


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def on_disk(folder: Path) -> ArtifactStore:
    return DiskStore(folder / "lfs")


@pytest.fixture(params=[on_disk, MemoryStore])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    make: Callable[[Path], ArtifactStore] = request.param
    return make(tmp_path)


@pytest.mark.parametrize("chunks", [[], [b""], [WEIGHTS], [WEIGHTS[:10], b"", WEIGHTS[10:]]])
def test_what_was_put_comes_back(store: ArtifactStore, chunks: list[bytes]) -> None:
    content = b"".join(chunks)
    made = store.put(iter(chunks))
    assert (made.path, made.size, made.sha256) == ("", len(content), digest_of(content))
    with store.open(made.sha256) as file:
        assert file.read() == content
    assert store.path(made.sha256).read_bytes() == content
    assert store.size(made.sha256) == len(content)
    assert store.verify(made.sha256)
    assert list(store.digests()) == [made.sha256]


def test_any_part_can_be_read(store: ArtifactStore) -> None:
    made = store.put([WEIGHTS])
    with store.open(made.sha256) as file:
        file.seek(50_000)
        assert file.read(100) == WEIGHTS[50_000:50_100]


def test_the_digest_that_was_declared_is_kept_to(store: ArtifactStore) -> None:
    assert store.put([WEIGHTS], digest_of(WEIGHTS)).sha256 == digest_of(WEIGHTS)


def test_wrong_bytes_leave_nothing_behind(store: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="sha256"):
        store.put([b"other"], digest_of(WEIGHTS))
    assert nothing_is_stored(store, tmp_path)


def test_an_upload_that_breaks_off_leaves_nothing_behind(store: ArtifactStore, tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield WEIGHTS
        raise ConnectionResetError("the client is gone")

    with pytest.raises(ConnectionResetError):
        store.put(broken())
    assert nothing_is_stored(store, tmp_path)


def nothing_is_stored(store: ArtifactStore, folder: Path) -> bool:
    return list(store.digests()) == [] and not any(path.is_file() for path in folder.rglob("*"))


def test_equal_bytes_are_stored_once(store: ArtifactStore) -> None:
    assert store.put([WEIGHTS]) == store.put([WEIGHTS[:5], WEIGHTS[5:]])
    assert len(list(store.digests())) == 1


def test_what_is_not_there_is_not_found(store: ArtifactStore) -> None:
    with pytest.raises(NotFound):
        store.open(UNKNOWN)
    with pytest.raises(NotFound):
        store.path(UNKNOWN)
    assert store.size(UNKNOWN) is None
    assert not store.verify(UNKNOWN)


class TestRemoving:
    def test_what_was_removed_is_not_there_any_more(self, store: ArtifactStore) -> None:
        made, other = store.put([WEIGHTS]), store.put([b"other"])
        store.path(made.sha256)
        assert store.remove(made.sha256, lambda: False)
        assert (store.size(made.sha256), store.verify(made.sha256)) == (None, False)
        assert list(store.digests()) == [other.sha256]
        with pytest.raises(NotFound):
            store.path(made.sha256)
        assert store.remove(made.sha256, lambda: False)
        assert store.remove(UNKNOWN, lambda: False)

    def test_what_is_used_stays(self, store: ArtifactStore) -> None:
        made = store.put([WEIGHTS])
        assert not store.remove(made.sha256, lambda: True)
        assert store.verify(made.sha256)

    def test_it_may_come_back(self, store: ArtifactStore) -> None:
        made = store.put([WEIGHTS])
        store.remove(made.sha256, lambda: False)
        assert store.put([WEIGHTS]) == made
        assert store.path(made.sha256).read_bytes() == WEIGHTS

    def test_whoever_reads_it_already_reads_to_the_end(self, store: ArtifactStore) -> None:
        made = store.put([WEIGHTS])
        with store.open(made.sha256) as file:
            first = file.read(10)
            store.remove(made.sha256, lambda: False)
            assert first + file.read() == WEIGHTS

    def test_what_is_being_brought_is_asked_for_only_once_its_use_is_recorded(
        self, store: ArtifactStore
    ) -> None:
        """The bytes are removed from under nobody who put them and is about to say so."""
        made, uses = store.put([WEIGHTS]), list[str]()
        removed: Future[bool] = Future()
        with store.bringing():
            store.put([WEIGHTS])
            remover = Thread(target=lambda: removed.set_result(store.remove(made.sha256, lambda: bool(uses))))
            remover.start()
            with pytest.raises(TimeoutError):
                removed.result(timeout=0.2)
            uses.append("a version")
        assert removed.result(timeout=30) is False
        remover.join()
        assert store.verify(made.sha256)

    def test_who_brings_something_holds_up_nobody_else(self, store: ArtifactStore) -> None:
        with store.bringing(), store.bringing():
            store.put([WEIGHTS])
            done: Future[None] = Future()

            def bring() -> None:
                with store.bringing():
                    store.put([WEIGHTS])
                done.set_result(None)

            other = Thread(target=bring)
            other.start()
            other.join(timeout=30)
            assert done.done()


def test_on_disk_objects_are_where_git_lfs_looks_and_cannot_be_written(tmp_path: Path) -> None:
    made = on_disk(tmp_path).put([WEIGHTS])
    place = tmp_path / "lfs/objects" / made.sha256[:2] / made.sha256[2:4] / made.sha256
    assert place.read_bytes() == WEIGHTS
    assert stat.S_IMODE(place.stat().st_mode) == 0o444


def test_on_disk_damage_is_noticed_and_healed_by_putting_it_again(tmp_path: Path) -> None:
    store = on_disk(tmp_path)
    made = store.put([WEIGHTS])
    place = store.path(made.sha256)
    place.chmod(0o644)
    place.write_bytes(b"damaged")
    assert not store.verify(made.sha256)
    store.put([WEIGHTS])
    assert store.verify(made.sha256)


def test_on_disk_files_stop_before_the_reserve(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "lfs", min_free_bytes=1 << 60)
    with pytest.raises(StorageFull):
        store.put([WEIGHTS])
    assert nothing_is_stored(store, tmp_path)


def test_on_disk_a_refusal_leaves_nothing_behind(tmp_path: Path) -> None:
    store = on_disk(tmp_path)
    before = getrlimit(RLIMIT_FSIZE)
    setrlimit(RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(Unavailable):
            store.put([WEIGHTS])
    finally:
        setrlimit(RLIMIT_FSIZE, before)
    assert nothing_is_stored(store, tmp_path)


def test_on_disk_what_a_crash_left_is_swept(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "lfs")
    made = store.put([WEIGHTS])
    (tmp_path / "lfs/tmp" / f"{os.getpid()}-half").write_bytes(b"half")
    assert store.sweep() == 1
    assert store.sweep() == 0
    assert list(store.digests()) == [made.sha256]
