"""Health, metrics, and the description of the API."""

from __future__ import annotations

from functools import partial
from itertools import groupby
from typing import Any, Final

from jinja2 import Environment, PackageLoader, select_autoescape
from litestar import Litestar, Request, Response, get
from litestar.handlers import HTTPRouteHandler
from markupsafe import Markup

from muster.http import schemas_deployed
from muster.http.answers import Answer, encoded
from muster.http.metrics import CONTENT_TYPE, exposition
from muster.http.openapi import described, operations
from muster.http.parameters import Given

# The page has no script and loads nothing, so it works without a network.
CSP: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"


@get("/healthz", summary="Say that the server runs")
async def healthz() -> Answer[schemas_deployed.Health]:
    return Answer(encoded({"status": "ok"}))


@get("/readyz", summary="Say whether the index is up to date")
async def readyz(services: Given) -> Answer[schemas_deployed.Health]:
    ready = await services.pools.reads.run(services.up_to_date)
    return Answer(encoded({"status": "ok" if ready else "catching up"}), 200 if ready else 503)


@get("/metrics", summary="Prometheus metrics", opt={"media": "text/plain"})
async def metrics(services: Given, request: Request[Any, Any, Any]) -> Response[bytes]:
    durations = request.app.state["durations"]
    content = await services.pools.reads.run(partial(exposition, durations))
    return Response(content, media_type=CONTENT_TYPE)


@get("/docs", summary="This API, to read", include_in_schema=False)
async def docs(request: Request[Any, Any, Any]) -> Response[bytes]:
    page = _page(request.app)
    return Response(
        page.encode(), media_type="text/html; charset=utf-8", headers={"content-security-policy": CSP}
    )


def _page(app: Litestar) -> str:
    """The document as a page."""
    pages = Environment(loader=PackageLoader("muster.http"), autoescape=select_autoescape())
    groups = [
        (name, list(found)) for name, found in groupby(operations(app), key=lambda each: _group(each[0]))
    ]
    records = sorted(described(app)["components"]["schemas"].items())
    return pages.get_template("docs.html").render(groups=groups, records=records, schema=_schema)


def _group(path: str) -> str:
    """The heading that a path goes under."""
    parts = path.strip("/").split("/")
    return f"/api/v1/{parts[2]}" if parts[:2] == ["api", "v1"] else f"/{parts[0]}"


def _schema(schema: dict[str, Any]) -> Markup:
    """A schema in a few words, with links to records."""
    if name := schema.get("$ref", "").rpartition("/")[2]:
        return Markup('<a href="#record-{0}">{0}</a>').format(name)
    if several := schema.get("anyOf") or schema.get("oneOf"):
        return Markup(" or ").join(_schema(each) for each in several)
    if schema.get("type") == "array":
        return Markup("list of {}").format(_schema(schema.get("items", {})))
    words = schema.get("enum") or [schema.get("type", "any")]
    return Markup(", ").join(str(word) for word in words)


def routes() -> list[HTTPRouteHandler]:
    """All routes of this module."""
    return [healthz, readyz, metrics, docs]
