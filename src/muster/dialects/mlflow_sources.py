"""Where a version's files are: what a client may say, and where a client is sent to read them.

Muster never reads what a client's source points to, so it takes any address; it
refuses what could lead out of a folder for those who do. Only files that Muster
holds itself have digests; all else is elsewhere, and not verified.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from muster.dialects import mlflow_places as places
from muster.dialects import mlflow_shapes as shapes
from muster.domain import parse
from muster.domain.errors import Invalid, NotFound
from muster.domain.names import Reference
from muster.domain.records import Artifact, Fields, Json
from muster.service.registry import Registry

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # one letter alone is a drive
_UNQUOTINGS: Final = 16
_PLACEHOLDERS: Final = frozenset({"dummy-source", "prompt-template"})
_PASSWORD: Final = re.compile(r"(?<=://)[^/@:?#\s]*:[^/@\s]*@")
_COPY: Final = re.compile(r"models:/+([^/@]+)(?:/([^/]+)|@([^/]+))")


def address(value: object, field: str) -> str:
    """An address as it may be recorded for ever: without user and password."""
    return _PASSWORD.sub("", parse.text(value, field))


def source(value: object, field: str = "source") -> str:
    """Where the files are said to be: any address that resolves to itself, without user and password.

    Raises:
        Invalid: it holds `..`, a NUL, or a path with `.` in it, however it is encoded.
    """
    text = address(value, field)
    plain = text
    for _ in range(_UNQUOTINGS):
        if (once := unquote(plain)) == plain:
            break
        plain = once
    else:
        raise Invalid.one(field, value, "must not be percent-encoded so many times")
    if "\0" in plain:
        raise Invalid.one(field, value, "must not hold NUL")
    if ".." in re.split(r"[/\\?#&=]", plain):
        raise Invalid.one(field, value, "must not hold '..'")
    scheme = _SCHEME.match(plain)
    path = plain[scheme.end() :] if scheme else plain
    path = re.sub("/+", "/", re.split(r"[?#]", path)[0]).rstrip("/")
    if path and posixpath.normpath(path) != path:
        raise Invalid.one(field, value, "must be a path that resolves to itself")
    return text


def check_place(uri: str, *, of_run: bool, prompt: bool) -> None:
    """Refuse what nobody could find again.

    Raises:
        Invalid: a local path that no run vouches for, or a prompt with files.
    """
    if prompt:
        if uri not in _PLACEHOLDERS:
            raise Invalid.one("source", uri, f"of a prompt must be one of {', '.join(sorted(_PLACEHOLDERS))}")
        return
    scheme = _SCHEME.match(uri)
    local = scheme is None or scheme[1].lower() == "file"
    if local and not of_run:
        raise Invalid.one(
            "source", uri, "is a local path, which needs the run_id or model_id that it belongs to"
        )
    if scheme is None and not uri.startswith("/") and not re.match(r"[A-Za-z]:[\\/]", uri):
        raise Invalid.one("source", uri, "must be an absolute path or an address")


@dataclass(frozen=True, slots=True)
class Copied:
    """What a version takes from the one that its source names."""

    uri: str
    location: str | None
    files: tuple[Artifact, ...]
    signature: Fields | None
    run_id: str
    tracked_as: str
    base: Fields


def copied(registry: Registry, uri: str) -> Copied | None:
    """The version that `uri` names, if it is one here; None for any other address.

    Raises:
        NotFound: there is no such version.
    """
    named = _COPY.fullmatch(uri)
    if named is None:
        return None
    model, what, alias = (part and unquote(part) for part in named.groups())
    number = _meant(registry, model, what, alias)
    version = registry.usable(model, number)
    said = version.source or {}
    return Copied(
        f"models:/{named[1]}/{number}",
        said.get("location") or said.get("uri"),
        version.files,
        version.signature,
        said.get("run_id", ""),
        said.get("tracked_as", ""),
        {"ref": f"{model}/{number}"},
    )


def _meant(registry: Registry, model: str, what: str | None, alias: str | None) -> int:
    """The number that `models:/model/what` or `models:/model@alias` means now. Raises NotFound."""
    listed = registry.index.listed(model)
    if listed is None:
        raise NotFound("model", model)
    if alias is not None:
        if alias.lower() == "latest":
            return shapes.newest_number(listed)
        found = registry.index.resolve(Reference(model, "alias", alias))
        if found is None:
            raise NotFound("version", f"{model}/{alias}")
        return found[1]
    assert what is not None
    if what.lower() == "latest":
        return shapes.newest_number(listed)
    if what.capitalize() in shapes.STAGES:
        of_stage = shapes.newest(listed, [shapes.stage(what)])
        if not of_stage:
            raise NotFound("version", f"{model}/{what}")
        return int(of_stage[0]["version"])
    return shapes.number(what, "source")


def location(shown: Fields, base: str) -> str:
    """Where a client reads the files of a version; `base` is this server's address as it knows it.

    Raises:
        NotFound: it has none anywhere.
    """
    if shown["files"]:
        return f"{base}{places.ARTIFACTS}/{places.held_path(shown['name'], shown['number'])}"
    said: dict[str, Json] = shown["source"] or {}
    found = said.get("location") or said.get("uri")
    if not found:
        raise NotFound("files", f"{shown['name']}/{shown['number']}")
    return str(found)
