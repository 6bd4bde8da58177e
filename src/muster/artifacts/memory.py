"""Files in memory, for tests and for what need not last."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from muster.domain.errors import Invalid, NotFound
from muster.domain.records import Artifact


class MemoryStore:
    """An `ArtifactStore` that forgets. `scratch` is a folder for those files whose `path` is asked for."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._files: dict[str, bytes] = {}

    def put(self, chunks: Iterable[bytes], expected: str | None = None) -> Artifact:
        content = b"".join(chunks)
        sha256 = hashlib.sha256(content).hexdigest()
        if expected is not None and sha256 != expected:
            raise Invalid.one("sha256", expected, f"must be the digest of the bytes sent ({sha256})")
        self._files[sha256] = content
        return Artifact("", len(content), sha256)

    def open(self, sha256: str) -> BinaryIO:
        return io.BytesIO(self._content(sha256))

    def path(self, sha256: str) -> Path:
        content = self._content(sha256)
        path = self._scratch / sha256
        if not path.exists():
            path.write_bytes(content)
            path.chmod(0o444)
        return path

    def size(self, sha256: str) -> int | None:
        content = self._files.get(sha256)
        return None if content is None else len(content)

    def verify(self, sha256: str) -> bool:
        return sha256 in self._files

    def digests(self) -> Iterator[str]:
        return iter(list(self._files))

    def _content(self, sha256: str) -> bytes:
        try:
            return self._files[sha256]
        except KeyError as error:
            raise NotFound("file", sha256) from error
