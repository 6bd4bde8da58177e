"""Errors in MLflow's words: its codes, their status, and the phrases that people look for."""

from __future__ import annotations

from typing import Final

import msgspec

from muster.dialects.mlflow_call import Refused
from muster.domain.errors import (
    Conflict,
    Denied,
    Invalid,
    MusterError,
    NotFound,
    StorageFull,
    Taken,
    TooManyAttempts,
    Unauthenticated,
    Unavailable,
)

# MLflow answers "already exists" with 400, not 409; its client goes by the word.
MLFLOW: Final[dict[type[MusterError], tuple[int, str]]] = {
    Invalid: (400, "INVALID_PARAMETER_VALUE"),
    NotFound: (404, "RESOURCE_DOES_NOT_EXIST"),
    Taken: (400, "RESOURCE_ALREADY_EXISTS"),
    Conflict: (409, "RESOURCE_CONFLICT"),
    Unauthenticated: (401, "UNAUTHENTICATED"),
    TooManyAttempts: (429, "REQUEST_LIMIT_EXCEEDED"),
    Denied: (403, "PERMISSION_DENIED"),
    Unavailable: (503, "TEMPORARILY_UNAVAILABLE"),
    StorageFull: (507, "RESOURCE_EXHAUSTED"),
    MusterError: (500, "INTERNAL_ERROR"),
}
INTERNAL: Final = (500, b'{"error_code":"INTERNAL_ERROR","message":"internal error"}')


def answer_to(error: MusterError | Refused) -> tuple[int, bytes]:
    """The status and the body that say so."""
    if isinstance(error, Refused):
        return error.status, msgspec.json.encode({"error_code": error.code, "message": error.message})
    status, code = next(MLFLOW[kind] for kind in type(error).__mro__ if kind in MLFLOW)
    return status, msgspec.json.encode({"error_code": code, "message": said(error)})


def said(error: MusterError) -> str:
    """The message, in the words that people look for."""
    match error:
        case NotFound(kind="model"):
            return f"Registered Model with name={error.name} not found"
        case NotFound(kind="version"):
            name, _, number = error.name.rpartition("/")
            return f"Model Version (name={name}, version={number}) not found"
        case Taken(kind="model"):
            return f"Registered Model (name={error.name}) already exists."
    return error.message
