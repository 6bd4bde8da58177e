"""A server's problem+json → the error class that was raised there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx

from muster.domain import errors
from muster.domain.errors import ApprovalNeeded, MusterError, Problem


def _tree(root: type[MusterError]) -> Iterator[type[MusterError]]:
    yield root
    for below in root.__subclasses__():
        yield from _tree(below)


BY_CODE: Final = {cls.code: cls for cls in _tree(MusterError)}

# For answers that Muster did not write (a proxy's), and codes of a newer server.
_BY_STATUS: Final[Mapping[int, type[MusterError]]] = {
    400: errors.Invalid,
    403: errors.Denied,
    404: errors.NotFound,
    409: errors.Conflict,
    410: errors.Purged,
    412: errors.Stale,
    413: errors.TooLarge,
    422: errors.DidNotStart,
    502: errors.Unavailable,
    503: errors.Unavailable,
    504: errors.Unavailable,
    507: errors.StorageFull,
}

# What every instance has, also where the answer does not say it.
_DEFAULTS: Final[Mapping[type[MusterError], Mapping[str, Any]]] = {
    errors.Invalid: {"problems": ()},
    errors.NotFound: {"kind": "thing", "name": ""},
    errors.ContentDiffers: {"model_id": "", "fields": ()},
    errors.Incomplete: {"report": {}},
    errors.UnderWay: {"environment": "", "model": "", "what": "", "operation": ""},
    errors.Denied: {"objections": ()},
    errors.ApprovalNeeded: {"demands": (), "proposal": None, "record": None},
    errors.DidNotStart: {"reason": "", "output": ""},
}


def rebuilt(code: str, message: str, facts: Mapping[str, Any], status: int = 500) -> MusterError:
    """The error with that code, its message and its facts as they were where it was raised."""
    cls = BY_CODE.get(code) or _BY_STATUS.get(status, MusterError)
    error = cls.__new__(cls)
    # Not the class's own constructor: that would compose the message anew.
    MusterError.__init__(error, message)
    for ancestor in cls.__mro__:
        for name, default in _DEFAULTS.get(ancestor, {}).items():
            value = facts.get(name, default)
            if name == "problems":
                value = tuple(Problem(p["field"], p["value"], p["rule"]) for p in value)
            elif name == "objections":
                value = tuple(errors.Objection(o["rule"], o["message"], o["help"]) for o in value)
            setattr(error, name, tuple(value) if isinstance(value, list) else value)
    return error


def waiting(response: httpx.Response) -> ApprovalNeeded:
    """The refusal for which there is a way on: a proposal was made, or is open, for what was asked."""
    body = response.json()
    record = body.get("proposal", body)
    needed = " and ".join(
        f"{each['count']} of {each['from']} in {each['environment']}" for each in record["missing"]
    )
    message = f"{record['subject']} waits for approval: {record['id']}" + (f" ({needed})" if needed else "")
    error = ApprovalNeeded(errors.Objection("approvals", message), record["demands"], record["id"])
    error.record = record
    return error


def raised(response: httpx.Response) -> MusterError:
    """The error that an answer with a status of 400 or more stands for."""
    try:
        body = response.json()
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    url = response.request.url
    message = body.get("detail") or body.get("error") or f"{url} answered {response.status_code}"
    error = rebuilt(str(body.get("code", "")), str(message), body, response.status_code)
    if request_id := body.get("request_id") or response.headers.get("x-request-id"):
        error.add_note(f"request id: {request_id}")
    return error
