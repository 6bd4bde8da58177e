"""Removing the bytes of purged versions, as far as nothing else uses them.

    record    the version's record says `purged`, in a commit: from then on they count as gone
    remove    each file that no live version, no evaluation and no upload uses, one by one

A crash between the two is made good at the next start: what is to be removed follows
from Git. Whoever brings the same bytes anew keeps them (`ArtifactStore.remove`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from muster.domain.changes import Actor, Purge
from muster.domain.records import Artifact
from muster.service.keeping import Uploads
from muster.service.ports import ArtifactStore
from muster.service.registry import Registry
from muster.service.submissions import Recorded, Request

CRASH_POINTS: Final = ("purge-recorded", "purge-removed")


@dataclass(frozen=True, slots=True)
class Cleared:
    """What became of the files of a purged version: gone, or kept because of what uses them, in words."""

    removed: tuple[Artifact, ...] = ()
    kept: dict[str, str] = field(default_factory=dict)


class Purger:
    """Has purges recorded and removes the bytes. Everything here blocks."""

    def __init__(
        self,
        registry: Registry,
        artifacts: ArtifactStore,
        uploads: Uploads,
        crash: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._registry = registry
        self._index = registry.index
        self._artifacts = artifacts
        self._uploads = uploads
        self._crash = crash

    def purge(
        self, change: Purge, actor: Actor, reason: str, request: Request | None
    ) -> tuple[Recorded, Cleared]:
        """Record it, then remove what nothing else uses.

        Raises:
            NotFound, Conflict, Denied: refused; nothing was recorded or removed.
            Unavailable: it is recorded, and not all is removed yet; the next start does it.
        """
        recorded = self._registry.submit(change, actor, reason, request).result()
        self._crash("purge-recorded")
        return recorded, self.clear(change.model, change.number)

    def clear(self, model: str, number: int) -> Cleared:
        """Remove the bytes of a version that was purged, as far as nothing else uses them."""
        removed: list[Artifact] = []
        kept: dict[str, str] = {}
        for file in self._registry.version(model, number).files:
            if (user := self.user_of(file.sha256)) or not self._artifacts.remove(
                file.sha256, self._is_used(file)
            ):
                kept[file.path] = user or self.user_of(file.sha256)
            else:
                removed.append(file)
            self._crash("purge-removed")
        return Cleared(tuple(removed), kept)

    def make_good(self) -> None:
        """Remove what is still there of versions that were purged."""
        for model, number in self._index.purged():
            if any(
                self._artifacts.size(file.sha256) is not None
                for file in self._registry.version(model, number).files
            ):
                self.clear(model, number)

    def _is_used(self, file: Artifact) -> Callable[[], bool]:
        return lambda: bool(self.user_of(file.sha256))

    def user_of(self, sha256: str) -> str:
        """Something that uses the bytes, in words; "" if nothing does."""
        for model, number in self._index.holders(sha256):
            return f"{model}/{number} uses it"
        if self._index.reported_in(sha256):
            return "an evaluation names it"
        for file in self._uploads.below(""):
            if file.sha256 == sha256:
                return f"it was uploaded as {file.path}"
        return ""
