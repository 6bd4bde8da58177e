"""Places below the artifact proxy: files that clients keep there, and those of versions.

    muster-models/<model>/<number>/…   the files of a version, which never change
    everything else                    the inbox: clients write, replace and remove

A model's name that holds more than letters, digits, `_`, `-` and dots inside is written
as `~` and the base64url of its UTF-8: MLflow's client percent-encodes a path once when it reads a file
and twice when it lists a folder, and a name may hold what looks percent-encoded.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from muster.domain.errors import Denied, Invalid, NotFound
from muster.domain.names import artifact_path
from muster.domain.records import Artifact
from muster.http import Services
from muster.http.services import LOOPBACK
from muster.service.inbox import inbox_path

PREFIXES: Final = ("/api/2.0/mlflow-artifacts", "/ajax-api/2.0/mlflow-artifacts")
ARTIFACTS: Final = f"{PREFIXES[0]}/artifacts"
HELD: Final = "muster-models"

_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}")
_UNQUOTINGS: Final = 16


def held_path(model: str, number: int) -> str:
    """The folder in which the files of a version are."""
    if _PLAIN.fullmatch(model):
        return f"{HELD}/{model}/{number}"
    return f"{HELD}/~{base64.urlsafe_b64encode(model.encode()).decode().rstrip('=')}/{number}"


def _held_model(segment: str) -> str:
    """The reverse. Raises NotFound."""
    if not segment.startswith("~"):
        return segment
    try:
        return base64.urlsafe_b64decode(segment[1:] + "=" * (-len(segment[1:]) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise NotFound("folder", f"{HELD}/{segment}") from None


# ------------------------------------------------------------ paths


def decoded(raw: str, field: str = "path") -> str:
    """The path that is percent-encoded in `raw`. Raises Invalid."""
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise Invalid.one(field, raw, "must be percent-encoded UTF-8") from None


def parsed(path: str, field: str = "path") -> str:
    """`path` if it stays below the root, however often somebody decodes it; "" is the root.

    A `/` at its end says no more than that it is a folder.

    Raises:
        Invalid: it leads elsewhere, or no clone could hold it.
    """
    path = path.removesuffix("/")
    if path in ("", "."):
        return ""
    plain = path
    for _ in range(_UNQUOTINGS):
        if (once := unquote(plain)) == plain:
            break
        plain = once
    else:
        raise Invalid.one(field, path, "must not be percent-encoded so many times")
    if plain.startswith("/") or ".." in re.split(r"[/\\]", plain) or "\0" in plain:
        raise Invalid.one(field, path, "must stay below the root")
    # A version's folder may have a longer name than any in the inbox; `Place` reads it.
    return path if path.startswith(f"{HELD}/") else inbox_path(path, field)


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder: `path` in the inbox, or in what `model` and `number` say; both None with HELD."""

    path: str
    held: bool = False
    model: str | None = None
    number: int | None = None

    @classmethod
    def of(cls, path: str) -> Place:
        """Where a parsed path leads. Raises NotFound for what can be no version's."""
        first, _, below = path.partition("/")
        if first != HELD:
            return cls(path)
        model, _, below = below.partition("/")
        number, _, below = below.partition("/")
        if not number:
            return cls("", True, _held_model(model) if model else None)
        if not _NUMBER.fullmatch(number):
            raise NotFound("folder", path)
        return cls(below and artifact_path(below), True, _held_model(model), int(number))

    @property
    def version(self) -> tuple[str, int] | None:
        """Model and number of the version that it is in, if it is in one."""
        return None if self.model is None or self.number is None else (self.model, self.number)

    def writable(self) -> str:
        """The path in the inbox, of a file or folder but the root.

        Raises:
            Denied: it is a version's, or the folder of all versions.
            Invalid: it is the root.
        """
        if self.held:
            raise Denied.one(
                "files", f"{HELD}/ holds the files of versions, which never change; register a new version"
            )
        if not self.path:
            raise Invalid.one("path", self.path, "must name a file or folder")
        return self.path


# ------------------------------------------------------------ what is there


def _of_version(services: Services, place: Place) -> tuple[Artifact, ...]:
    """The files of the version that the place is in; none of what is above all versions. Raises NotFound."""
    if place.model is None or place.number is None:
        return ()
    return services.registry.version(place.model, place.number).files


def file_at(services: Services, place: Place) -> Artifact | None:
    """The file that goes by the place. Blocks."""
    if not place.held:
        return services.inbox.get(place.path)
    return next((file for file in _of_version(services, place) if file.path == place.path), None)


def listing(services: Services, place: Place) -> list[tuple[str, Artifact | None]]:
    """The names directly in a folder with their files (None: a folder); empty if it is none. Blocks.

    What versions there are is not listed: there may be very many.
    """
    if not place.held:
        return services.inbox.listing(place.path)
    try:
        return sorted(_level(_of_version(services, place), place.path).items())
    except NotFound:
        return []


def _level(files: Iterable[Artifact], folder: str) -> Mapping[str, Artifact | None]:
    start = f"{folder}/" if folder else ""
    found: dict[str, Artifact | None] = {}
    for file in files:
        if file.path.startswith(start):
            name, _, more = file.path.removeprefix(start).partition("/")
            found[name] = None if more else file
    return found


def files_below(services: Services, place: Place) -> tuple[Artifact, ...]:
    """Every file of a folder by its path in there, or the one file by its name. Blocks; raises NotFound."""
    if not place.held:
        files: Iterable[Artifact] = services.inbox.below(place.path)
    else:
        if place.version is not None:
            services.registry.usable(*place.version)
        files = [
            file
            for file in _of_version(services, place)
            if place.path in ("", file.path) or file.path.startswith(f"{place.path}/")
        ]
    if not files:
        raise NotFound("folder", place.path or HELD)
    above = len(place.path) + 1 if place.path else 0
    return tuple(replace(file, path=file.path[above:] or file.path.rpartition("/")[2]) for file in files)


# ------------------------------------------------------------ sources


@dataclass(frozen=True, slots=True)
class Source:
    """A place that a source names. It is `surely` here if the source names this server.

    One that names no server means the tracking server, which may be another.
    """

    place: Place
    surely: bool


def of_source(uri: str, host: str, allowed: Iterable[str]) -> Source | None:
    """The place below this server's proxy that a source names; None for any other address.

    `host` is what this server is called by who sent it, `allowed` its other names.

    Raises:
        Invalid, NotFound: it names this server, and what can be no place here.
    """
    try:
        parts = urlsplit(uri)
    except ValueError:  # no address at all
        return None
    scheme, named = parts.scheme.lower(), parts.netloc.rpartition("@")[2].lower()
    surely = bool(named) and _is_here(named, host.lower(), allowed)
    if scheme not in ("mlflow-artifacts", "http", "https") or surely != bool(named):
        return None
    roots = [f"{each}/artifacts/" for each in PREFIXES if parts.path.startswith(f"{each}/artifacts/")]
    if scheme != "mlflow-artifacts" and not (surely and roots):
        return None
    path = parts.path.removeprefix(roots[0]) if roots else parts.path.lstrip("/")
    try:
        return Source(_folder(path, uri), surely)
    except (Invalid, NotFound):
        if surely:
            raise
        return None


def _folder(path: str, uri: str) -> Place:
    found = parsed(decoded(path, "source"), "source")
    if not found:
        raise Invalid.one("source", uri, "must name a folder below the root")
    return Place.of(found)


def _is_here(named: str, host: str, allowed: Iterable[str]) -> bool:
    if named == host:
        return True
    name, port = _split(named)
    return port == _split(host)[1] and name in LOOPBACK | {each.lower() for each in allowed}


def _split(authority: str) -> tuple[str, str]:
    found = re.fullmatch(r"(.*?)(?::([0-9]*))?", authority, re.DOTALL)
    assert found is not None
    return found[1], found[2] or ""
