"""Who sent a request, found before anything else of it is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from muster.domain.changes import Actor
from muster.domain.errors import NotFound, Unauthenticated
from muster.http import auth
from muster.http.services import Scope
from muster.service.gate import Gate

# What tells nothing of the registry, or lets somebody in.
_OPEN: Final = frozenset({"healthz", "readyz", "health", "version", "static", "login", "docs", "schema"})
JOBS: Final = "/api/v1/login"  # where a program shows its CI's token
_SAYING: Final = (b"authorization", b"cookie", b"x-muster-actor", b"x-muster-import")
_HOW: Final = (
    "say who you are: `Authorization: Bearer TOKEN`, or the token as the password of Basic credentials; "
    "in the CLI `muster login` or MUSTER_TOKEN"
)


def caller(gate: Gate, scope: Scope, headers: Mapping[bytes, bytes], path: str) -> Actor:
    """Who asks for `path`.

    Raises:
        Unauthenticated: access is controlled, and they do not say who they are, or not truly.
        Invalid, Denied, TooManyAttempts: as in `auth`.
    """
    if gate.controlled() and (path[1:].partition("/")[0] in _OPEN or path == JOBS):
        return auth.ANONYMOUS  # and a token that is good once stays so
    found = auth.identified(gate, _said(headers), address(scope))
    if found is None:
        raise Unauthenticated(_HOW)
    return found


def check_may_predict(gate: Gate, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
    """Let pass whose requests may go to what is served at the path.

    Raises:
        Unauthenticated: nobody knows whose it is.
        NotFound: it is not theirs to ask.
    """
    if not gate.controlled():
        return
    parts: list[str] = scope["raw_path"].decode("latin-1").split("/", 4)
    environment, model = (unquote(part) for part in [*parts, ""][2:4])
    said = _said(headers)
    if auth.secret_in(said) is None:
        if not gate.may_predict(None, environment, model):
            raise Unauthenticated(_HOW)
        return
    found = auth.identified(gate, said, address(scope))
    if not gate.may_predict(found, environment, model):
        raise NotFound("deployment", f"nothing of {model!r} is deployed in {environment}")


def address(scope: Mapping[str, Any]) -> str:
    """The network address that it came from, as the server knows it; "" if it does not."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _said(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    return {
        name.decode(): value.decode("latin-1") for name in _SAYING if (value := headers.get(name)) is not None
    }
