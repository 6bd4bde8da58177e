"""`/compare`: two moments, or two versions."""

from __future__ import annotations

from dataclasses import dataclass

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from muster.http.pages import compare_view, versions_view
from muster.http.pages.forms import status_of
from muster.http.pages.page import Viewed


@dataclass(frozen=True, slots=True)
class CompareView:
    """Both forms, each with what came of it."""

    moments: compare_view.Asked
    versions: versions_view.Asked


@get("/compare")
async def compare(page: Viewed) -> Response[bytes]:
    def work() -> CompareView:
        return CompareView(compare_view.compare(page), versions_view.versions(page))

    view = await page.services.pools.reads.run(work)
    refused = view.moments.refused or view.versions.refused
    return await page.shown("compare.html", lambda: view, status_of(refused))


def routes() -> list[HTTPRouteHandler]:
    """All routes of comparisons."""
    return [compare]
