"""What proves the history: signed checkpoints, and the key to check them with."""

from __future__ import annotations

from muster.client.calls import path
from muster.client.changes import Changes
from muster.client.tables import Board, Record


class Proofs(Changes):
    """Signed statements about the history."""

    def checkpoint(self, *, dry_run: bool = False) -> Record:
        """Sign where the history is now; the last checkpoint, if nothing was recorded since."""
        return self.calls.write("POST", path("checkpoints"), dry_run=dry_run)

    def checkpoints(self, *, limit: int | None = 100) -> Board:
        """The signed statements, newest first; None for `limit` gives every one."""
        return self.calls.board(path("checkpoints"), limit)

    def mirror(self) -> Record:
        """How far the mirror is behind. Raises NotFound: there is none."""
        return self.calls.record(path("mirror"))

    def checkpoint_file(self) -> bytes:
        """All signed statements as they are kept, a line each: what `muster verify --against` takes."""
        return self.calls.get(path("checkpoints", "file")).content

    def checkpoint_key(self) -> Record:
        """The registry's public key: `key` to pass on, `pem` for OpenSSL."""
        return self.calls.record(path("checkpoints", "key"))
