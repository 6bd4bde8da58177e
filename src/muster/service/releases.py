"""Releases as they are shown: what moved at once, who did it and who took it back."""

from __future__ import annotations

from muster.domain import releases
from muster.domain.errors import NotFound
from muster.domain.records import Json
from muster.service.ports import IndexReads
from muster.service.registry import change_view
from muster.service.submissions import Recorded
from muster.service.values import Document

_TOUCHES = 2  # it is made, and taken back


class Releases:
    """Reads of releases."""

    def __init__(self, index: IndexReads) -> None:
        self._index = index

    def one(self, release: str) -> dict[str, Json]:
        """The release of that id, as the API shows it. Raises NotFound."""
        found = self._index.document(releases.release_path(release))
        if found is None:
            raise NotFound("release", release)
        return self._view(found)

    def all(
        self, environment: str | None = None, *, before: str | None = None, limit: int
    ) -> list[dict[str, Json]]:
        """The latest first, before that id, at most `limit`."""
        found: list[dict[str, Json]] = []
        for each in reversed(self._of(environment)):
            if len(found) == limit:
                break
            if before is None or each.path < releases.release_path(before):
                found.append(self._view(each))
        return found

    def count(self, environment: str | None = None) -> int:
        """How many there are."""
        return len(self._of(environment))

    def _of(self, environment: str | None) -> list[Document]:
        """Those of the environment, or all, the oldest first."""
        return [
            each
            for each in self._index.documents(releases.FOLDER)
            if each.path != releases.LAST
            and (environment is None or releases.from_bytes(each.record).environment == environment)
        ]

    def _view(self, found: Document) -> dict[str, Json]:
        record = releases.from_bytes(found.record)
        log = self._index.document_history(found.path, limit=_TOUCHES)
        back = log[0] if record.state == "taken-back" else None
        return releases.to_dict(record) | {
            "by": change_view(log[-1]),
            "taken_back": change_view(back) if back is not None else None,
        }


def released(recorded: Recorded) -> str | None:
    """The id of the release that was made or taken back; None if nothing had to be done."""
    records = recorded.logged.entry.records if recorded.logged is not None else ()
    paths = [each for each in records if each.startswith("releases/R-")]
    return paths[0].removeprefix("releases/").removesuffix(".json") if paths else None
