"""What can happen to several models at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from muster.domain.changes.base import Change
from muster.domain.changes.placing import Deploy


@dataclass(frozen=True, slots=True)
class Release(Change):
    """Versions of several models are declared to run in one environment, all or none."""

    kind: ClassVar[str] = "release"
    environment: str
    parts: tuple[Deploy, ...]


@dataclass(frozen=True, slots=True)
class ReleaseBack(Change):
    """A release is taken back: of every model in it what it replaced, all or none.

    `expected` are the last commits of these deployments, in the order of the release's
    parts, as they were when what comes back was started. With `empty` a model may be left
    with nothing deployed, as it was before.
    """

    kind: ClassVar[str] = "release-back"
    release: str
    empty: bool = False
    expected: tuple[str | None, ...] | None = None
