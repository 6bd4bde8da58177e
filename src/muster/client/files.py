"""The bytes of a version: up, down, and a whole registration in one call."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import httpx

from muster.client.calls import PAUSES_S, given, path
from muster.client.past import Pasts
from muster.client.policies import Policies
from muster.client.source import CHUNK_BYTES, sha256_of, work_tree
from muster.client.tables import Board, Record
from muster.client.versions import place
from muster.client.webhooks import Webhooks
from muster.domain.codec import canonical
from muster.domain.errors import ContentDiffers, Invalid, NotFound, Unavailable
from muster.domain.names import artifact_path

Files = str | Path | Mapping[str, "str | Path | bytes"]
_LOADED_AS: Final = "registered_model_meta"  # as which version it was loaded, not what it is
Progress = Callable[[str, int, int], None]
"""Told, for a file's path, how many of how many bytes have gone."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to be sent: its path in the version, where it is here, its size and sha256."""

    path: str
    content: Path | bytes
    size: int
    sha256: str

    @classmethod
    def of(cls, name: str, content: str | Path | bytes) -> LocalFile:
        """Raises Invalid for a path that no version may hold, or a file that cannot be read."""
        artifact_path(name)
        if isinstance(content, bytes):
            return cls(name, content, len(content), hashlib.sha256(content).hexdigest())
        file = Path(content)
        sha256 = sha256_of(file)
        return cls(name, file, file.stat().st_size, sha256)

    def chunks(self, progress: Progress | None) -> Iterator[bytes]:
        """Its bytes in pieces of 1 MiB."""
        sent = 0
        if isinstance(self.content, bytes):
            pieces: Iterator[bytes] = (
                self.content[at : at + CHUNK_BYTES] for at in range(0, len(self.content), CHUNK_BYTES)
            )
        else:
            pieces = _pieces(self.content)
        for piece in pieces:
            yield piece
            sent += len(piece)
            if progress is not None:
                progress(self.path, sent, self.size)


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as content:
        while piece := content.read(CHUNK_BYTES):
            yield piece


def collected(files: Files) -> list[LocalFile]:
    """The files that `files` means: all of a folder, one file, or what a mapping names.

    Links are followed. Raises Invalid, also for a folder that holds no file.
    """
    found: Mapping[str, str | Path | bytes] = files if isinstance(files, Mapping) else paths(Path(files))
    if not found:
        raise Invalid.one("files", str(files), "must hold at least one file")
    return [LocalFile.of(name, content) for name, content in sorted(found.items())]


def paths(files: Path) -> dict[str, Path]:
    """All files of a folder by their paths in it, or the one file. Raises Invalid."""
    return dict(_below(files)) if files.is_dir() else {files.name: files}


def of_model(folder: Path) -> dict[str, Path]:
    """The files of a model's folder, without the note that MLflow leaves in one that it loaded from."""
    return {name: file for name, file in paths(folder).items() if name != _LOADED_AS}


def _below(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file in the folder and below, by its path with `/`."""
    entered: set[str] = set()
    for here, inside, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in entered:
            raise Invalid.one("files", here, "must not lead back into a folder that holds it")
        entered.add(real)
        inside.sort()
        for name in names:
            file = Path(here, name)
            yield file.relative_to(folder).as_posix(), file


class FilesOf(Pasts, Policies, Webhooks):
    """The files of versions."""

    def files(self, ref: str, *, limit: int | None = None) -> Board:
        """Path, size and sha256 of each file of a version."""
        return self.calls.board(f"{self._place(ref)}/files", limit)

    def upload(
        self,
        ref: str,
        name: str,
        content: str | Path | bytes,
        *,
        reason: str = "",
        progress: Progress | None = None,
    ) -> Record:
        """Make a local file, or bytes, the file `name` of a pending version; gives `{path, size, sha256}`."""
        return self._send(self._place(ref), LocalFile.of(name, content), reason, progress)

    def remove_file(self, ref: str, name: str, *, reason: str = "", dry_run: bool = False) -> Record:
        """Take a file out of a pending version again."""
        return self.calls.write("DELETE", _file(self._place(ref), name), reason=reason, dry_run=dry_run)

    def finalize(self, ref: str, *, reason: str = "", dry_run: bool = False) -> Record:
        """Fix the files of a pending version for ever; gives its record."""
        return self.calls.write("POST", f"{self._place(ref)}/finalize", given(reason=reason), dry_run=dry_run)

    def download(
        self, ref: str, name: str, to: str | Path = ".", *, progress: Progress | None = None
    ) -> Path:
        """Fetch a file of a version to the file `to`, or into the folder `to`; gives where it is.

        What was broken off goes on from where it was, in this call and in a later one.
        What arrives is checked against the registry's sha256.
        """
        version = self.version(ref)
        file = next((file for file in version["files"] if file["path"] == name), None)
        if file is None:
            raise NotFound("file", f"{ref}/{name}")
        goal = Path(to) / Path(name).name if Path(to).is_dir() else Path(to)
        try:
            self._bring(_file(place(version), name), goal, file, progress)
        except OSError as error:
            raise Invalid.one("to", str(goal), f"must be writable ({error.strerror})") from error
        return goal

    def _bring(self, where: str, goal: Path, file: Mapping[str, Any], progress: Progress | None) -> None:
        """Have the file at `goal`, whole and checked."""
        if goal.is_file() and goal.stat().st_size == file["size"] and sha256_of(goal) == file["sha256"]:
            return
        part = goal.with_name(f"{goal.name}.{file['sha256'][:16]}.part")
        for pause_s in (*PAUSES_S, None):
            try:
                self._fetch(where, part, file, progress)
                break
            except Unavailable:
                if pause_s is None:
                    raise
                time.sleep(pause_s)
        if sha256_of(part) != file["sha256"]:
            part.unlink()
            raise Unavailable(f"what arrived of {file['path']} is not what is registered; try again")
        part.replace(goal)

    def _fetch(self, where: str, part: Path, file: Mapping[str, Any], progress: Progress | None) -> None:
        """Append to `part` what it still lacks."""
        there = part.stat().st_size if part.exists() else 0
        if there == file["size"] and there > 0:
            return
        headers = {"Range": f"bytes={there}-", "If-Range": f'"sha256:{file["sha256"]}"'} if there else {}
        with self.calls.streamed(where, headers) as response:
            goes_on = response.status_code == httpx.codes.PARTIAL_CONTENT
            done = there if goes_on else 0
            with part.open("ab" if goes_on else "wb") as out:
                for piece in response.iter_bytes(CHUNK_BYTES):
                    out.write(piece)
                    done += len(piece)
                    if progress is not None:
                        progress(str(file["path"]), done, int(file["size"]))

    # ------------------------------------------------------------ all at once

    def register(
        self,
        name: str,
        version: str | None = None,
        *,
        files: Files | None = None,
        description: str = "",
        training_data: str | Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        owner: str | None = None,
        source: Mapping[str, Any] | Literal["auto"] | None = "auto",
        reason: str = "",
        key: str | None = None,
        progress: Progress | None = None,
        dry_run: bool = False,
        **more: Any,
    ) -> Record:
        """Register a version with its files, ready to be deployed, and give its record.

        After a failure call it again, the same way: it goes on from where it was.
        Without a `version` the registry gives a number, and the same call again means
        the same version; give a label, or another `key`, to register the same content
        once more.

        `files` is a folder, a file, or a mapping from paths in the version to files
        or bytes. `source` is taken from the Git work tree that this runs in unless
        given; None leaves it out. `more` may hold `deployment_status`, `kind`,
        `bases` and `external`.

        Raises:
            ContentDiffers: that version is there, with other content or files.
        """
        local = collected(files) if files is not None else []
        body = given(
            version=version,
            description=description,
            training_data=training_data,
            metrics=metrics,
            params=params,
            tags=tags,
            owner=owner,
            source=work_tree() if source == "auto" else source,
            **more,
        )
        if local:
            body["pending"] = True
        if key is None and version is None:
            key = _key(name, body, local, reason)
        found = self.create_version(name, body, reason=reason, key=key, dry_run=dry_run)
        if dry_run or not local:
            return found
        return self._complete(found, local, reason, progress)

    def attach(
        self,
        ref: str,
        files: Files,
        *,
        facts: Mapping[str, Any] | None = None,
        reason: str = "",
        progress: Progress | None = None,
        dry_run: bool = False,
    ) -> Record:
        """Bring the files of a version that was registered without any, and give its record.

        After a failure call it again; if it has these files already, nothing changes.
        `files` are as in `register`. `facts` may hold `metrics`, `params`, `training_data`
        and `source`, which fill in what the record does not say.

        Raises:
            ContentDiffers: it has other files.
        """
        local = collected(files)
        version = self.version(ref)
        if dry_run:
            return self._attaching(version, local)
        return self._complete(version, local, reason, progress, facts, opened=not version["files"])

    def _attaching(self, version: Record, local: list[LocalFile]) -> Record:
        """What `attach` would do."""
        there = {file["path"]: file["sha256"] for file in version["files"]}
        coming = [file for file in local if there.get(file.path) != file.sha256]
        previews = [
            self.calls.write(
                "PUT",
                _file(place(version), file.path),
                content=lambda: iter(()),
                headers={"X-Content-Sha256": file.sha256},
                dry_run=True,
            )
            for file in coming
        ]
        objections = {each["message"]: each for preview in previews for each in preview["objections"]}
        count = f"{len(coming)} file{'' if len(coming) == 1 else 's'}"
        return Record(
            dry_run=True,
            subject=f"Attach {count} to {version['name']} {version['version']}" if coming else "",
            nothing=not coming,
            changes=[change for preview in previews for change in preview["changes"]],
            effects=[],
            objections=list(objections.values()),
        )

    def _complete(
        self,
        version: Record,
        local: list[LocalFile],
        reason: str,
        progress: Progress | None,
        facts: Mapping[str, Any] | None = None,
        *,
        opened: bool = False,
    ) -> Record:
        """Bring the files that are missing, take out those that are too many, and finalize.

        With `opened` a final version that has no file takes them.
        """
        where = place(version)
        # As it is now: an answer that was given before may be repeated.
        version = self.calls.record(where)
        there = {file["path"]: file["sha256"] for file in version["files"]}
        wanted = {file.path: file.sha256 for file in local}
        if version["state"] == "final" and not (opened and not there):
            if there != wanted:
                raise ContentDiffers(version["model_id"], ["files"])
            return version
        for extra in there.keys() - wanted.keys():
            self.calls.write("DELETE", _file(where, extra))
        for file in local:
            if there.get(file.path) != file.sha256:
                # The reason is that of the registration, said there and at the end.
                self._send(where, file, "", progress)
            elif progress is not None:
                progress(file.path, file.size, file.size)
        self.calls.write("POST", f"{where}/finalize", given(reason=reason, **facts or {}))
        return self.calls.record(where)

    def _send(self, where: str, file: LocalFile, reason: str, progress: Progress | None) -> Record:
        return self.calls.write(
            "PUT",
            _file(where, file.path),
            content=lambda: file.chunks(progress),
            headers={
                "X-Content-Sha256": file.sha256,
                "Content-Length": str(file.size),
                "Content-Type": "application/octet-stream",
            },
            reason=reason,
        )


def _file(where: str, name: str) -> str:
    return f"{where}/files/{path(*name.split('/')).removeprefix('/api/v1/')}"


def _key(name: str, body: Mapping[str, Any], local: list[LocalFile], reason: str) -> str:
    """The same for the same registration: a repeat after a lost answer makes no second version."""
    content = {"name": name, "body": dict(body), "reason": reason, "files": {f.path: f.sha256 for f in local}}
    return f"register-{hashlib.sha256(canonical(content)).hexdigest()}"
