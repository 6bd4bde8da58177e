"""What proves the history: signed checkpoints, and the key to check them with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

import httpx

from muster.client.calls import given, path
from muster.client.changes import Changes
from muster.client.tables import Board, Record


@dataclass(frozen=True, slots=True)
class Exported:
    """An export as it arrives: its bytes, and the commit that it was made at."""

    commit: str
    pieces: Iterator[bytes]


class Wanted(TypedDict, total=False):
    """Which changes an export is to hold; `since` and `until` are RFC 3339 times."""

    model: str | None
    environment: str | None
    actor: str | None
    kinds: Sequence[str]
    since: str | None
    until: str | None


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

    @contextmanager
    def audit_export(
        self, form: str = "jsonl", *, at: str | None = None, **wanted: Unpack[Wanted]
    ) -> Iterator[Exported]:
        """The audit log as `jsonl` or `csv`, newest first: the same bytes for the same `at`, a commit."""
        with self._exported(path("exports", "audit"), _asked(form, at, wanted)) as exported:
            yield exported

    def audit_signature(
        self, form: str = "jsonl", *, at: str | None = None, **wanted: Unpack[Wanted]
    ) -> bytes:
        """The line that signs what `audit_export` gives for the same."""
        return self.calls.get(path("exports", "audit", "signature"), _asked(form, at, wanted)).content

    @contextmanager
    def changelog(self, model: str, *, at: str | None = None) -> Iterator[Exported]:
        """A model's changelog in Markdown, newest first."""
        with self._exported(path("models", model, "changelog"), given(at=at)) as exported:
            yield exported

    def changelog_signature(self, model: str, *, at: str | None = None) -> bytes:
        """The line that signs what `changelog` gives for the same."""
        return self.calls.get(path("models", model, "changelog", "signature"), given(at=at)).content

    @contextmanager
    def _exported(self, where: str, asked: dict[str, Any]) -> Iterator[Exported]:
        query = str(httpx.QueryParams(asked))
        with self.calls.streamed(f"{where}?{query}" if query else where, {}) as response:
            yield Exported(response.headers["muster-head"], response.iter_bytes())


def _asked(form: str, at: str | None, wanted: Wanted) -> dict[str, Any]:
    filters: dict[str, Any] = {**wanted}
    kinds = list(filters.pop("kinds", ()))
    return given(format=form, at=at, kind=kinds or None, **filters)
