"""Query parameters that nobody asked for are refused: a misspelt filter must not answer with everything."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from muster.domain.errors import Invalid, Problem, shown
from muster.http.problems import is_api


class KnownQuery:
    """A `before_request` hook; it knows what each route takes from Litestar, and remembers it."""

    def __init__(self) -> None:
        self._known: dict[HTTPRouteHandler, frozenset[str]] = {}

    async def __call__(self, request: Request[Any, Any, Any]) -> None:
        """Raises Invalid, naming each unknown parameter and what there is."""
        path = request.scope["path"]
        # Not for /metrics and /healthz: scrapers and probes add parameters of their own.
        if not request.query_params or not (is_api(path) or path.startswith("/models")):
            return
        known = self._of(request)
        there = ", ".join(sorted(known))
        rule = f"is not a query parameter here; there {f'are {there}' if known else 'is none'}"
        unknown = [name for name in dict(request.query_params) if name not in known]
        if unknown:
            raise Invalid(
                Problem(name if name.isprintable() else shown(name), shown(request.query_params[name]), rule)
                for name in unknown
            )

    def _of(self, request: Request[Any, Any, Any]) -> frozenset[str]:
        if not self._known:
            for route in request.app.routes:
                if isinstance(route, HTTPRoute):
                    for handler, model in route.route_handler_map.values():
                        taken = frozenset(each.field_alias for each in model.expected_query_params)
                        self._known[handler] = taken
        return self._known[request.route_handler]
