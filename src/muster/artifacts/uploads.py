"""Files before any version has them, in a folder of the home.

files/<path>          a Git LFS pointer: which file of the store goes by that path
parts/<id>/<n>.<sha>  part `n` of a file that comes in parts
tmp/, gone/           what is being written, and being removed

No path here comes from outside unless it was parsed (`names.artifact_path`), and
nothing here is ever a link.
"""

from __future__ import annotations

import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from muster.artifacts.writing import Incoming, fsync_folder, make_folders, refusals
from muster.domain import lfs
from muster.domain.errors import Conflict, NotFound
from muster.domain.records import Artifact

PARTS_KEPT_S: Final = 7 * 24 * 3600.0  # of an upload in parts that nobody went on with
_ID: Final = re.compile(r"[0-9a-f]{32}")
_CHUNK: Final = 1 << 20


class DiskUploads:
    """The port `Uploads`, for one process at a time."""

    def __init__(self, folder: Path, min_free_bytes: int = 0) -> None:
        self._files, self._parts, self._gone = folder / "files", folder / "parts", folder / "gone"
        with refusals():
            for each in (self._files, self._parts, self._gone):
                each.mkdir(parents=True, exist_ok=True)
        self._incoming = Incoming(folder / "tmp", min_free_bytes)
        # What goes by which path changes, and is read for more than one path, one at a time.
        self._lock = threading.Lock()

    # ------------------------------------------------------------ files

    def put(self, file: Artifact) -> None:
        place = self._files / file.path
        with self._lock, self._incoming.written([lfs.pointer(file.sha256, file.size)]) as written:
            self._check_place(file.path)
            with refusals():
                make_folders(place.parent, self._files)
                written.path.rename(place)
                fsync_folder(place.parent)

    def _check_place(self, path: str) -> None:
        if (self._files / path).is_dir():
            raise Conflict(f"{path!r} is a folder, and cannot be a file")
        while path := path.rpartition("/")[0]:
            if (self._files / path).is_file():
                raise Conflict(f"{path!r} is a file, and cannot be a folder")

    def get(self, path: str) -> Artifact | None:
        try:
            return self._read(path)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def _read(self, path: str) -> Artifact:
        sha256, size = lfs.parse_pointer((self._files / path).read_bytes())
        return Artifact(path, size, sha256)

    def listing(self, folder: str) -> list[tuple[str, Artifact | None]]:
        place = self._files / folder
        with self._lock:
            if not place.is_dir():
                return []
            found = sorted(place.iterdir())
            return [(each.name, None if each.is_dir() else self._artifact(each)) for each in found]

    def _artifact(self, place: Path) -> Artifact:
        return self._read(place.relative_to(self._files).as_posix())

    def below(self, path: str) -> list[Artifact]:
        place = self._files / path
        with self._lock:
            if place.is_file():
                return [self._artifact(place)]
            return sorted(
                (self._artifact(each) for each in place.rglob("*") if each.is_file()),
                key=lambda file: file.path,
            )

    def remove(self, path: str) -> None:
        place = self._files / path
        with self._lock, refusals():
            if place.is_dir():
                gone = self._gone / secrets.token_hex(8)
                place.rename(gone)  # all at once; what a crash leaves of it is swept
                fsync_folder(place.parent)
                shutil.rmtree(gone, ignore_errors=True)
            elif place.is_file():
                place.unlink()
            else:
                return
            while place.parent != self._files and not any(place.parent.iterdir()):
                place = place.parent
                place.rmdir()
            fsync_folder(place.parent)

    # ------------------------------------------------------------ parts

    def begin(self) -> str:
        upload = secrets.token_hex(16)
        with self._lock, refusals():
            self._forget_old()
            (self._parts / upload).mkdir()
        return upload

    def _forget_old(self) -> None:
        for folder in self._parts.iterdir():
            if folder.stat().st_mtime < time.time() - PARTS_KEPT_S:
                shutil.rmtree(folder, ignore_errors=True)

    def put_part(self, upload: str, number: int, chunks: Iterable[bytes]) -> Artifact:
        folder = self._begun(upload)
        with self._incoming.written(chunks) as written, self._lock:
            name = f"{number}.{written.sha256}"
            self._begun(upload)  # it may have ended meanwhile
            with refusals():
                written.path.rename(folder / name)
                for other in folder.glob(f"{number}.*"):
                    if other.name != name:
                        other.unlink()
            return Artifact("", written.size, written.sha256)

    def parts(self, upload: str) -> dict[int, Artifact]:
        folder = self._begun(upload)
        found: dict[int, Artifact] = {}
        with self._lock:
            for each in folder.iterdir():
                number, _, sha256 = each.name.partition(".")
                found[int(number)] = Artifact("", each.stat().st_size, sha256)
        return found

    def read_parts(self, upload: str, parts: Sequence[tuple[int, str]]) -> Iterator[bytes]:
        folder = self._begun(upload)
        for number, sha256 in parts:
            try:
                file = (folder / f"{number}.{sha256}").open("rb")
            except FileNotFoundError as error:
                raise NotFound("part", f"{number} of upload {upload}") from error
            with file:
                while chunk := file.read(_CHUNK):
                    yield chunk

    def end(self, upload: str) -> None:
        with self._lock:
            folder = self._begun(upload)
            shutil.rmtree(folder, ignore_errors=True)

    def _begun(self, upload: str) -> Path:
        folder = self._parts / upload
        if not _ID.fullmatch(upload) or not folder.is_dir():
            raise NotFound("upload", upload)
        return folder

    def sweep(self) -> int:
        """Remove what a crash left half written, and say how many; nothing may be writing meanwhile."""
        half_removed = list(self._gone.iterdir())
        for each in half_removed:
            shutil.rmtree(each, ignore_errors=True)
        return len(half_removed) + self._incoming.sweep()
