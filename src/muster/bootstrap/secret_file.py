"""A file that only its owner may read, replaced as a whole."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import NamedTemporaryFile

from muster.domain.errors import Unavailable


class SecretFile:
    """Bytes in a file of mode 600. What is written is fsynced; a crash leaves the old content or the new."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> bytes | None:
        """The content; None if there is none.

        Raises:
            Unavailable: it cannot be read.
        """
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"{self._path} cannot be read: {error.strerror}") from error

    def write(self, content: bytes) -> None:
        """Replace the content.

        Raises:
            Unavailable: it cannot be written; the old content stays.
        """
        name = ""
        try:
            # Made with mode 600.
            with NamedTemporaryFile(
                dir=self._path.parent, prefix=f".{self._path.name}-", delete=False
            ) as file:
                name = file.name
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self._path)
        except OSError as error:
            if name:
                Path(name).unlink(missing_ok=True)
            raise Unavailable(f"{self._path} cannot be written: {error.strerror}") from error
