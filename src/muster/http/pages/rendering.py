"""Templates → HTML → an answer."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response

from muster.http.pages import security
from muster.http.pages.assets import asset
from muster.http.pages.links import NAVIGATION, address
from muster.http.pages.visitor import Visitor

_WORTH_ZIPPING: Final = 1024  # bytes
_UNITS: Final = ("kB", "MB", "GB", "TB")


@cache
def templates() -> Environment:
    """All templates; a name that is not there is an error, and everything is escaped."""
    found = Environment(
        loader=PackageLoader("muster.http.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    found.globals |= {"asset": asset, "address": address, "navigation": NAVIGATION}
    found.filters |= {"size": size, "figure": figure}
    return found


def rendered(name: str, values: Mapping[str, object]) -> bytes:
    """The page that the template `name` makes of `values`."""
    return templates().get_template(name).render(values).encode()


def answer(content: bytes, visitor: Visitor, status: int = 200) -> Response[bytes]:
    """A page, as it is sent."""
    headers = security.HEADERS | visitor.greeting() | {"vary": "Accept-Encoding, Cookie"}
    if visitor.zipped and len(content) > _WORTH_ZIPPING:
        content = gzip.compress(content, 4, mtime=0)
        headers["content-encoding"] = "gzip"
    return Response(content, status_code=status, media_type="text/html", headers=headers)


def size(size_bytes: int) -> str:
    """A size as people say it: `112 B`, `38 kB`, `4.8 MB`."""
    if size_bytes < 1000:
        return f"{size_bytes} B"
    power = min(len(_UNITS), (len(str(size_bytes)) - 1) // 3)
    value = size_bytes / 1000**power
    return f"{value:.1f} {_UNITS[power - 1]}" if value < 9.95 else f"{value:.0f} {_UNITS[power - 1]}"


def figure(value: float) -> str:
    """A number with thousands apart and a proper minus, with the digits it was given."""
    text = f"{value:,}" if isinstance(value, int) else repr(value)
    return text.replace("-", "\N{MINUS SIGN}")
