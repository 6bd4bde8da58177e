"""The audit log and changelogs, written out piece by piece, and signed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from muster.domain import exports
from muster.domain.checkpoints import signed_line
from muster.domain.codec import canonical
from muster.domain.errors import NotFound
from muster.domain.exports import ExportSignature, Written
from muster.domain.messages import rfc3339
from muster.service.notary import Signer
from muster.service.past import Past
from muster.service.ports import IndexReads
from muster.service.registry import change_view
from muster.service.values import ChangeFilter, Logged

PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Export:
    """What is to be written: the changes that `wanted` asks for, up to those of `head`.

    `written` is `markdown` for the changelog of the one model that is asked for.
    """

    wanted: ChangeFilter
    written: Written
    head: Logged

    def asked(self) -> dict[str, str]:
        """What was asked for, as texts: what is not there was not asked for."""
        wanted = self.wanted
        said = {
            "what": "changelog" if self.written == "markdown" else "audit",
            "model": wanted.model,
            "environment": wanted.environment,
            "actor": wanted.actor,
            "kinds": ",".join(sorted(wanted.kinds)) or None,
            "since": None if wanted.since is None else rfc3339(wanted.since),
            "until": None if wanted.until is None else rfc3339(wanted.until),
        }
        return {name: value for name, value in said.items() if value is not None}


class Exports:
    """Writes exports. What it gives is read from the index a thousand changes at a time, and blocks."""

    def __init__(self, index: IndexReads, past: Past, signer: Signer, *, whole: bool) -> None:
        """`whole`: whether `index` shows the whole registry, or what somebody may see of it."""
        self._index = index
        self._whole = whole
        self._past = past
        self._signer = signer

    def export(self, wanted: ChangeFilter, written: Written, at: str | None) -> Export:
        """An export as of a time or commit, by default now.

        Raises:
            Invalid, NotFound: `at` is no such moment, or the changelog's model was not there.
        """
        export = Export(wanted, written, self._head() if at is None else self._past.at(at))
        if written == "markdown" and next(self._of_model(export), None) is None:
            raise NotFound("model", wanted.model or "")
        return export

    def _head(self) -> Logged:
        """The newest change that can be seen."""
        newest = self._index.changes(ChangeFilter(), limit=1)
        if not newest:
            raise NotFound("change", "there is none yet that you may see")
        return newest[0]

    def pieces(self, export: Export) -> Iterator[bytes]:
        """Its bytes, newest change first."""
        if export.written == "markdown":
            changes = ((each.commit, each.entry) for each in self._of_model(export))
            head = (export.head.commit, export.head.entry)
            for piece in exports.changelog(export.wanted.model or "", head, changes):
                yield piece.encode()
            return
        if export.written == "csv":
            yield exports.csv_head().encode()
        lines = exports.csv_lines if export.written == "csv" else exports.json_lines
        for page in self._pages(export):
            yield lines(map(change_view, page)).encode()

    def signature(self, export: Export) -> bytes:
        """The line that signs its bytes, the same for the same commit; see `domain.exports`."""
        seen, size = sha256(), 0
        for piece in self.pieces(export):
            seen.update(piece)
            size += len(piece)
        head = export.head
        asked = export.asked() | ({} if self._whole else {"sight": "part"})
        signed = ExportSignature(
            asked, export.written, head.commit, head.position, size, seen.hexdigest()
        ).fields()
        return signed_line(signed, self._signer.sign(canonical(signed)))

    def _pages(self, export: Export) -> Iterator[list[Logged]]:
        before = export.head.position + 1
        while page := self._index.changes(export.wanted, before=before, limit=PAGE):
            yield page
            if len(page) < PAGE:
                return
            before = page[-1].position

    def _of_model(self, export: Export) -> Iterator[Logged]:
        """The changes of the model that had that name then, also by the names that it had before."""
        name, before = export.wanted.model or "", export.head.position + 1
        more = True
        while more:
            page = self._index.changes(ChangeFilter(model=name), before=before, limit=PAGE)
            more = len(page) == PAGE
            for logged in page:
                yield logged
                before = logged.position
                if logged.entry.renamed is not None:
                    # What is older and has this name is another model's.
                    name, more = logged.entry.renamed, True
                    break
