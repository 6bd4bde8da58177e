"""What was measured of versions: recorded, with a report, and read."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from muster.client.calls import given
from muster.client.files import FilesOf, LocalFile, Progress
from muster.client.tables import Board, Record
from muster.client.versions import place
from muster.domain.errors import Invalid, NotFound

_LINE: Final = b"\r\n"


class EvaluationsOf(FilesOf):
    """The evaluations of versions, each with an author."""

    def evaluate(
        self,
        ref: str,
        metrics: Mapping[str, float] | None = None,
        *,
        dataset: Mapping[str, Any] | None = None,
        report: str | Path | None = None,
        evaluator: str | None = None,
        notes: str = "",
        tool: str = "",
        reason: str = "",
        progress: Progress | None = None,
        dry_run: bool = False,
    ) -> Record:
        """Record an evaluation of a version and give it; the same again changes nothing.

        `dataset` has `name`, `sha256`, `uri`, or what `muster.client.dataset` gives of a file;
        `report` is a file here. `evaluator` is `team:NAME` to speak for a team of yours.
        """
        data = {key: value for key, value in (dataset or {}).items() if key in ("name", "sha256", "uri")}
        fields = given(evaluator=evaluator, notes=notes, tool=tool, reason=reason)
        fields |= {"metrics": dict(metrics)} if metrics else {}
        fields |= {"dataset": data} if data else {}
        where = f"{self._place(ref)}/evaluations"
        if report is None:
            return self.calls.write("POST", where, fields, dry_run=dry_run)
        file = LocalFile.of(Path(report).name, Path(report))
        form = _Form(fields, file, progress)
        return self.calls.write(
            "POST", where, content=form.chunks, headers={"Content-Type": form.content_type}, dry_run=dry_run
        )

    def evaluations(self, ref: str, *, limit: int | None = None) -> Board:
        """The evaluations of a version, the newest first."""
        return self.calls.board(f"{self._place(ref)}/evaluations", limit)

    def evaluation(self, ref: str, number: int) -> Record:
        """An evaluation of a version by its number."""
        return self.calls.record(f"{self._place(ref)}/evaluations/{number}")

    def download_report(
        self, ref: str, number: int, to: str | Path = ".", *, progress: Progress | None = None
    ) -> Path:
        """Fetch the report of an evaluation to the file `to`, or into the folder `to`; gives where it is."""
        where = f"{place(self.version(ref))}/evaluations/{number}"
        file = self.calls.record(where)["report"]
        if file is None:
            raise NotFound("report", f"of evaluation {number} of {ref}")
        goal = Path(to) / file["path"] if Path(to).is_dir() else Path(to)
        try:
            self._bring(f"{where}/report", goal, file, progress)
        except OSError as error:
            raise Invalid.one("to", str(goal), f"must be writable ({error.strerror})") from error
        return goal


class _Form:
    """An evaluation and its report as multipart/form-data (RFC 7578), a piece at a time."""

    def __init__(self, fields: Mapping[str, Any], file: LocalFile, progress: Progress | None) -> None:
        self._fields, self._file, self._progress = fields, file, progress
        self._boundary = secrets.token_hex(16)

    @property
    def content_type(self) -> str:
        """What says where one part ends and the next begins."""
        return f"multipart/form-data; boundary={self._boundary}"

    def chunks(self) -> Iterator[bytes]:
        """The body, again each time it is called."""
        said = json.dumps(self._fields, ensure_ascii=False).encode()
        yield self._part('name="evaluation"') + said + _LINE
        # No name that a registry takes has a quote in it.
        yield self._part(f'name="report"; filename="{self._file.path}"')
        yield from self._file.chunks(self._progress)
        yield _LINE + f"--{self._boundary}--".encode() + _LINE

    def _part(self, what: str) -> bytes:
        return f"--{self._boundary}\r\nContent-Disposition: form-data; {what}\r\n\r\n".encode()
