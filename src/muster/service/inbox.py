"""Files that clients bring before any version has them; here they may be replaced and removed.

The bytes go to the artifact store at once, so a version takes them without their
being read again, and keeps them whatever becomes of them here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from muster.domain.errors import Invalid, NotFound
from muster.domain.names import artifact_path
from muster.domain.records import Artifact
from muster.service.keeping import Uploads
from muster.service.ports import ArtifactStore

MAX_PATH_BYTES: Final = 1024
MAX_PARTS: Final = 10_000


def inbox_path(value: object, field: str = "path") -> str:
    """A file's or folder's path here: as in a version, and at most 1,024 bytes. Raises Invalid."""
    path = artifact_path(value, field)
    if len(path.encode()) > MAX_PATH_BYTES:
        raise Invalid.one(field, value, f"must be at most {MAX_PATH_BYTES:,} bytes")
    return path


class Inbox:
    """Files by path; all paths are parsed by `inbox_path`, "" is the root. What has `chunks` blocks."""

    def __init__(self, artifacts: ArtifactStore, uploads: Uploads) -> None:
        self._artifacts = artifacts
        self._uploads = uploads

    def put(self, path: str, chunks: Iterable[bytes]) -> Artifact:
        """Have the bytes go by `path`; of what fails nothing is seen.

        Raises:
            Conflict: the path, or one above it, would be file and folder at once.
            StorageFull: the disk is full or at its reserve.
        """
        with self._artifacts.bringing():
            stored = replace(self._artifacts.put(chunks), path=path)
            self._uploads.put(stored)
        return stored

    def get(self, path: str) -> Artifact | None:
        """What goes by `path`; None for a folder and for nothing."""
        return self._uploads.get(path)

    def listing(self, folder: str) -> list[tuple[str, Artifact | None]]:
        """The names directly in `folder` with their files (None: a folder); empty if it is no folder."""
        return self._uploads.listing(folder)

    def below(self, path: str) -> list[Artifact]:
        """Every file below the folder `path`, as at one moment, or the one that goes by it.

        Raises:
            NotFound: the bytes of one are not in the store.
        """
        found = self._uploads.below(path)
        for file in found:
            if self._artifacts.size(file.sha256) != file.size:
                raise NotFound("content of", file.path)
        return found

    def remove(self, path: str) -> None:
        """Nothing goes by `path` any more, nor by one below it."""
        self._uploads.remove(path)

    # ------------------------------------------------------------ in parts

    def begin(self) -> str:
        """The id of a file that will come in parts, 1 to 10,000."""
        return self._uploads.begin()

    def put_part(self, upload: str, number: int, chunks: Iterable[bytes]) -> Artifact:
        """Keep a part, in the place of one with that number. Raises NotFound and StorageFull."""
        return self._uploads.put_part(upload, number, chunks)

    def complete(self, upload: str, path: str, parts: Sequence[tuple[int, str | None]]) -> Artifact:
        """Have `parts` (number, and sha256 where it is known), one after the other, go by `path`.

        Raises:
            NotFound: no such upload.
            Invalid: a part is not there, is another one, or a number is not the next.
            Conflict, StorageFull: as in `put`.
        """
        there = self._uploads.parts(upload)
        wanted: list[tuple[int, str]] = []
        for at, (number, sha256) in enumerate(parts):
            if number != at + 1:
                raise Invalid.one(f"parts[{at}].part_number", number, f"must be {at + 1}, the next")
            if number not in there:
                raise Invalid.one(f"parts[{at}].part_number", number, "must be that of a part that came")
            if sha256 not in (None, there[number].sha256):
                raise Invalid.one(f"parts[{at}].etag", sha256, "must be what the part was answered with")
            wanted.append((number, there[number].sha256))
        if len(wanted) != len(there):
            raise Invalid.one("parts", f"{len(wanted)} parts", f"must name all {len(there)} that came")
        made = self.put(path, self._uploads.read_parts(upload, wanted))
        self._uploads.end(upload)
        return made

    def abort(self, upload: str) -> None:
        """Forget a file that was coming in parts. Raises NotFound."""
        self._uploads.end(upload)
