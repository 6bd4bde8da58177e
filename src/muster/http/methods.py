"""OPTIONS: which methods a path takes. Litestar's own answer knows only the first handler of a path."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response
from litestar.routes import HTTPRoute

from muster.http.queries import KnownQuery


class BeforeHandler:
    """The `before_request` hook of all routes."""

    def __init__(self) -> None:
        self._known = KnownQuery()
        self._methods: dict[str, str] = {}

    async def __call__(self, request: Request[Any, Any, Any]) -> Response[None] | None:
        """The answer to OPTIONS. Raises Invalid for a query parameter that nobody asked for."""
        await self._known(request)
        if request.method != "OPTIONS":
            return None
        return Response(None, status_code=204, headers={"allow": self._of(request)})

    def _of(self, request: Request[Any, Any, Any]) -> str:
        if not self._methods:
            for route in request.app.routes:
                if isinstance(route, HTTPRoute):
                    # `Edge` makes a GET of each HEAD.
                    head = {"HEAD"} if "GET" in route.methods else set()
                    self._methods[route.path_format] = ", ".join(sorted({*route.methods, *head}))
        return self._methods[request.scope["path_template"]]
