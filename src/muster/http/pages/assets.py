"""Styles and scripts, each at an address that holds its digest, so that a browser keeps it for ever."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from muster.domain.errors import NotFound
from muster.http.answers import etag, matches
from muster.http.parameters import InPath

_TYPES: Final = {"css": "text/css", "js": "text/javascript"}
_FOR_EVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file: its digest (the part that the address holds), its bytes, plain and compressed."""

    digest: str
    media_type: str
    plain: bytes
    zipped: bytes


@cache
def _assets() -> dict[str, Asset]:
    """All of `static/`, by name."""
    found = {}
    for file in (files("muster.http.pages") / "static").iterdir():
        kind = file.name.rpartition(".")[2]
        if kind in _TYPES:
            content = file.read_bytes()
            digest = hashlib.sha256(content).hexdigest()[:12]
            found[file.name] = Asset(digest, _TYPES[kind], content, gzip.compress(content, 9, mtime=0))
    return found


def asset(name: str) -> str:
    """The address of `static/{name}`."""
    stem, _, kind = name.rpartition(".")
    return f"/static/{stem}.{_assets()[name].digest}.{kind}"


@get("/static/{file:str}")
async def static(request: Request[Any, Any, Any], file: InPath) -> Response[bytes]:
    """A style or script; the digest in its name must be the one it has."""
    stem, digest, kind = [*file.rsplit(".", 2), "", ""][:3]
    found = _assets().get(f"{stem}.{kind}")
    if found is None or found.digest != digest:
        raise NotFound("file", file)
    tag = etag(found.digest)
    headers = {"etag": tag, "cache-control": _FOR_EVER, "vary": "Accept-Encoding"}
    if matches(request.headers.get("if-none-match"), tag):
        return Response(b"", status_code=304, headers=headers)
    zipped = "gzip" in request.headers.get("accept-encoding", "")
    if zipped:
        headers["content-encoding"] = "gzip"
    return Response(found.zipped if zipped else found.plain, media_type=found.media_type, headers=headers)


def routes() -> list[HTTPRouteHandler]:
    """All routes of assets."""
    return [static]
