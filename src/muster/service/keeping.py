"""The port to files that no version has taken yet, and to parts of files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from muster.domain.records import Artifact


class Uploads(Protocol):
    """Which file of the artifact store goes by which path, before any version has it; and parts of files.

    Paths are parsed (`artifact_path`); "" is the root. What is put here may be
    replaced and removed. A folder is there as long as a file is below it. Any
    thread may call.
    """

    def put(self, file: Artifact) -> None:
        """From now on `file` goes by its path; durable on return.

        Raises:
            Conflict: the path, or one above it, would be file and folder at once.
            StorageFull: the disk is full or at its reserve.
        """
        ...

    def get(self, path: str) -> Artifact | None: ...

    def listing(self, folder: str) -> list[tuple[str, Artifact | None]]:
        """The names directly in `folder` with their files (None: a folder), by name; empty if it is none."""
        ...

    def below(self, path: str) -> list[Artifact]:
        """Every file below the folder `path`, or the one that goes by it, as at one moment; by path."""
        ...

    def remove(self, path: str) -> None:
        """Nothing goes by `path` any more, nor by one below it; all at once, and durable on return."""
        ...

    def begin(self) -> str:
        """The id of a new file in parts, which nobody can guess. Forgotten after a week without a part."""
        ...

    def put_part(self, upload: str, number: int, chunks: Iterable[bytes]) -> Artifact:
        """Keep a part, in the place of one with that number; its size and sha256 are the answer.

        Nothing stays behind if it fails.

        Raises:
            NotFound: no such upload.
            StorageFull: the disk is full or at its reserve.
        """
        ...

    def parts(self, upload: str) -> dict[int, Artifact]:
        """What parts there are, by number. Raises NotFound."""
        ...

    def read_parts(self, upload: str, parts: Sequence[tuple[int, str]]) -> Iterator[bytes]:
        """The bytes of the parts of these numbers and sha256s, one after the other. Raises NotFound."""
        ...

    def end(self, upload: str) -> None:
        """Forget the upload and its parts. Raises NotFound."""
        ...
