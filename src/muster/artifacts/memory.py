"""Files in memory, for tests and for what need not last."""

from __future__ import annotations

import hashlib
import io
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from muster.domain.errors import Conflict, Invalid, NotFound
from muster.domain.records import Artifact


class MemoryStore:
    """An `ArtifactStore` that forgets. `scratch` is a folder for those files whose `path` is asked for."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._files: dict[str, bytes] = {}
        self._bringing = 0
        self._changed = threading.Condition()

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

    @contextmanager
    def bringing(self) -> Iterator[None]:
        with self._changed:
            self._bringing += 1
        try:
            yield
        finally:
            with self._changed:
                self._bringing -= 1
                self._changed.notify_all()

    def remove(self, sha256: str, used: Callable[[], bool]) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._bringing == 0)
            if used():
                return False
            self._files.pop(sha256, None)
            (self._scratch / sha256).unlink(missing_ok=True)
        return True

    def _content(self, sha256: str) -> bytes:
        try:
            return self._files[sha256]
        except KeyError as error:
            raise NotFound("file", sha256) from error


class MemoryUploads:
    """The port `Uploads`, which forgets."""

    def __init__(self) -> None:
        self._files: dict[str, Artifact] = {}
        self._parts: dict[str, dict[int, bytes]] = {}

    def put(self, file: Artifact) -> None:
        for path in self._files:
            if path.startswith(f"{file.path}/"):
                raise Conflict(f"{file.path!r} is a folder, and cannot be a file")
            if file.path.startswith(f"{path}/"):
                raise Conflict(f"{path!r} is a file, and cannot be a folder")
        self._files[file.path] = file

    def get(self, path: str) -> Artifact | None:
        return self._files.get(path)

    def listing(self, folder: str) -> list[tuple[str, Artifact | None]]:
        start = f"{folder}/" if folder else ""
        found: dict[str, Artifact | None] = {}
        for path, file in self._files.items():
            if path.startswith(start):
                name, _, more = path.removeprefix(start).partition("/")
                found[name] = None if more else file
        return sorted(found.items())

    def below(self, path: str) -> list[Artifact]:
        return [self._files[each] for each in sorted(self._files) if _is_below(each, path)]

    def remove(self, path: str) -> None:
        self._files = {each: file for each, file in self._files.items() if not _is_below(each, path)}

    def begin(self) -> str:
        upload = secrets.token_hex(16)
        self._parts[upload] = {}
        return upload

    def put_part(self, upload: str, number: int, chunks: Iterable[bytes]) -> Artifact:
        self.parts(upload)
        self._parts[upload][number] = b"".join(chunks)
        return self.parts(upload)[number]

    def parts(self, upload: str) -> dict[int, Artifact]:
        if upload not in self._parts:
            raise NotFound("upload", upload)
        return {
            number: Artifact("", len(content), hashlib.sha256(content).hexdigest())
            for number, content in self._parts[upload].items()
        }

    def read_parts(self, upload: str, parts: Sequence[tuple[int, str]]) -> Iterator[bytes]:
        there = self.parts(upload)
        for number, sha256 in parts:
            if number not in there or there[number].sha256 != sha256:
                raise NotFound("part", f"{number} of upload {upload}")
            yield self._parts[upload][number]

    def end(self, upload: str) -> None:
        self.parts(upload)
        del self._parts[upload]


def _is_below(path: str, above: str) -> bool:
    return above in ("", path) or path.startswith(f"{above}/")
