"""Errors as pages: what happened, what was not touched, what to do."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, cast
from urllib.parse import quote

from litestar import Request, Response

from muster.domain.changes import Actor
from muster.http.pages.rendering import answer, rendered
from muster.http.pages.visitor import visitor
from muster.http.problems import Refusal, answered, refusal
from muster.http.writes import caller

# Where programs ask: they get JSON, whatever they say that they accept.
_NOT_PAGES: Final = frozenset(
    {"api", "models", "serve", "healthz", "readyz", "metrics", "docs", "schema", "static", "live"}
)
_REMEDY: Final = {
    400: "Go back, put right what is named above, and send it again.",
    403: "Nothing was changed.",
    404: "It may have been deleted, or the address has a slip in it. Look for it in the overview.",
    409: "Nothing was changed. Look at how it stands now, then decide again.",
    410: "The record of its version is still there, and says who removed it and why.",
    412: "Nothing was changed. Look at how it stands now, then decide again.",
    422: "Nothing else is affected.",
    500: "It is in the server's log under the request id below.",
    503: "Nothing was changed. Try again in a moment.",
    507: "Nothing was changed. Somebody has to make room on the server's disk.",
}


def wants_page(path: str, headers: Mapping[str, str]) -> bool:
    """Whether who asks for `path` is to see a page."""
    return "text/html" in headers.get("accept", "") and path[1:].partition("/")[0] not in _NOT_PAGES


def answered_page(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The answer to a request whose handler raised `error`: a page to who wants one, else as in the API."""
    as_program = answered(request, error)
    request_id = cast(Mapping[str, Any], request.scope)["request_id"]
    scheme, path = request.scope["scheme"], request.scope["path"]
    page = refusal_page(refusal(error), request.headers, scheme, path, request_id, caller(request))
    return page or as_program


def refusal_page(
    refused: Refusal,
    headers: Mapping[str, str],
    scheme: str,
    path: str,
    request_id: str,
    actor: Actor | None = None,
) -> Response[bytes] | None:
    """The page that says why the request was refused; None if who sent `headers` wants none."""
    if not wants_page(path, headers):
        return None
    looking = visitor(headers, scheme, actor)
    if refused.status == HTTPStatus.UNAUTHORIZED:
        return Response(
            b"", status_code=303, headers={"location": f"/login?to={quote(path)}", **refused.headers}
        )
    values = {
        "page": None,
        "visitor": looking,
        "status": refused.status,
        "phrase": HTTPStatus(refused.status).phrase,
        "refused": refused,
        "remedy": _REMEDY.get(refused.status, "Nothing was changed."),
        "request_id": request_id,
    }
    page = answer(rendered("error.html", values), looking, refused.status)
    page.headers.update(refused.headers)
    return page
