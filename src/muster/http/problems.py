"""Errors → status and body, in the shape that goes with the path. No stack trace leaves here.

`/api/v1` answers problem+json (RFC 9457) with a stable `code`; everything else
`{"error": …}`, whose one exact case is `{"error": "Model not found"}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, cast

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from muster.domain.errors import (
    NOTHING,
    ApprovalNeeded,
    Conflict,
    Denied,
    DidNotStart,
    Invalid,
    MusterError,
    NotFound,
    OutcomeUnknown,
    Problem,
    Purged,
    Stale,
    StorageFull,
    TooLarge,
    TooManyAttempts,
    Unauthenticated,
    Unavailable,
    shown,
)

STATUS: Final[dict[type[MusterError], int]] = {
    Invalid: 400,
    TooLarge: 413,
    NotFound: 404,
    Purged: 410,
    Conflict: 409,
    Stale: 412,
    Unauthenticated: 401,
    TooManyAttempts: 429,
    Denied: 403,
    DidNotStart: 422,
    Unavailable: 503,
    StorageFull: 507,
    OutcomeUnknown: 503,
    MusterError: 500,
}
API: Final = "/api/v1"
_STALE_PLAIN: Final = 409  # the plain API has no If-Match, so nothing that could have failed before

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error as it is answered, in either shape; `waits` is the proposal that was made instead."""

    status: int
    message: str
    code: str
    facts: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    waits: Mapping[str, object] | None = None

    def body(self, path: str, request_id: str) -> tuple[int, str, bytes]:
        """Status, content type and body for a request of `path`."""
        if self.waits is not None:
            answer = self.waits if is_api(path) else {"message": self.message, "proposal": self.waits}
            return self.status, "application/json", msgspec.json.encode(answer)
        if is_api(path):
            title = HTTPStatus(self.status).phrase
            shown = {"type": "about:blank", "title": title, "status": self.status, "detail": self.message}
            shown |= {"code": self.code, "request_id": request_id, **self.facts}
            return self.status, "application/problem+json", msgspec.json.encode(shown)
        if self.code == NotFound.code and self.facts.get("kind") == "model":
            return self.status, "application/json", b'{"error":"Model not found"}'
        status = _STALE_PLAIN if self.code == Stale.code else self.status
        plain = {"error": self.message, "code": self.code, **self.facts}
        if self.status >= 500:
            plain["request_id"] = request_id
        return status, "application/json", msgspec.json.encode(plain)


def is_api(path: str) -> bool:
    """Whether problem+json is what the callers of `path` expect."""
    return path == API or path.startswith(f"{API}/")


def refusal(error: Exception) -> Refusal:
    """How `error` is answered; one that nobody raised on purpose says nothing of itself."""
    match error:
        case ApprovalNeeded() if error.record is not None:
            where = {"location": f"{API}/proposals/{error.proposal}", "muster-proposal": str(error.proposal)}
            return Refusal(202, error.message, error.code, error.facts(), where, error.record)
        case MusterError():
            status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
            headers = {"retry-after": "1"} if status == 503 else {}
            if isinstance(error, TooManyAttempts):
                headers = {"retry-after": str(error.wait_s)}
            if isinstance(error, Unauthenticated):
                headers = {"www-authenticate": 'Bearer realm="muster", Basic realm="muster"'}
            return Refusal(status, error.message, error.code, error.facts(), headers)
        case HTTPException():
            phrase = HTTPStatus(error.status_code).phrase
            code = phrase.lower().replace(" ", "_")
            allowed = {key: value for key, value in (error.headers or {}).items() if key.lower() == "allow"}
            return Refusal(error.status_code, phrase, code, headers=allowed)
        case _:
            return Refusal(500, "internal error", "internal")


def answered(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The answer to a request whose handler raised `error`."""
    if isinstance(error, ValidationException):
        error = unusable(error, request.query_params)
    refused = refusal(error)
    if refused.status >= 500:
        log.error("request failed", path=request.scope["path"], error=str(error), exc_info=error)
    request_id = cast(Mapping[str, Any], request.scope)["request_id"]  # put there by `Edge`
    status, media_type, body = refused.body(request.scope["path"], request_id)
    return Response(body, status_code=status, media_type=media_type, headers=refused.headers)


def unusable(error: ValidationException, given: Mapping[str, Any]) -> Invalid:
    """What Litestar found wrong with the parameters of a request, in our words; `given` is its query."""
    if missing := re.match(r"Missing required query parameter '(\w+)'", error.detail):
        return Invalid([Problem(missing[1], NOTHING, "is required")])
    extra = error.extra if isinstance(error.extra, list) else []
    found = [(str(each.get("key", "request")), str(each.get("message"))) for each in extra]
    return Invalid(
        [
            Problem(key, shown(given[key]) if key in given else NOTHING, _rule(message))
            for key, message in found
        ]
        or [Problem("request", NOTHING, error.detail)]
    )


_KINDS: Final = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}
_BOUNDS: Final = {">=": "at least", "<=": "at most"}


def _rule(message: str) -> str:
    """msgspec's sentence (as in "Expected `int | null` >= 1") as the other rules are written."""
    expected = re.match(r"Expected `(\w+)(?: \| null)?`(?: ([<>]=) (\S+))?", message)
    if expected is None or expected[1] not in _KINDS:
        return message
    bound = f" of {_BOUNDS[expected[2]]} {expected[3]}" if expected[2] else ""
    return f"must be {_KINDS[expected[1]]}{bound}"
