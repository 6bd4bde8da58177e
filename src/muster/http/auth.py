"""A request → who asks, and the idempotency key that it comes with.

While access is controlled that is whoever the token is of: `Authorization: Bearer` (RFC 6750),
the password of `Basic` credentials (RFC 7617, whatever the user's name says), or the
session of a browser. Nobody takes another's name.

Else it is the user whose credentials come along, or what `X-Muster-Actor` says, or
`anonymous`; all are shown as unverified for ever. No secret is then looked at.

With `X-Muster-Import: true` it is said that an import does it, by that actor.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from muster.domain.changes import Actor
from muster.domain.errors import NOTHING, Denied, Invalid, Problem
from muster.domain.names import actor_id
from muster.service.gate import Gate
from muster.service.submissions import Request

ANONYMOUS: Final = Actor("anonymous")
# With the prefix a browser takes it from no sibling domain; without https it must do without.
SESSION_COOKIES: Final = ("__Host-muster_session", "muster_session")


def identified(gate: Gate, headers: Mapping[str, str], address: str) -> Actor | None:
    """Who asks; None if access is controlled and they did not say.

    Raises:
        Invalid: a header holds no actor's id, or what it must not.
        Unauthenticated: what they say is not so.
        TooManyAttempts: from that address.
        Denied: they say that they are somebody else.
    """
    if not gate.controlled():
        return _importing(headers, _named(headers))
    secret = secret_in(headers)
    if secret is None:
        return None
    found, _ = gate.identify(secret, address)
    said = headers.get("x-muster-actor")
    if said is not None and said != found.name:
        raise Denied.one("identity", f"X-Muster-Actor says {said!r}, and the token is {found.name}'s")
    return _importing(headers, found)


def secret_in(headers: Mapping[str, str]) -> str | None:
    """The token or session that comes along; None without one."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and given.strip():
        return given.strip()
    if scheme.lower() == "basic":
        return _basic(given)[1] or None
    return session_in(headers)


def session_in(headers: Mapping[str, str]) -> str | None:
    """The session in a browser's cookies."""
    found = headers.get("cookie", "")
    if "muster_session" not in found:
        return None
    for pair in found.split(";"):
        name, _, value = pair.strip().partition("=")
        if name in SESSION_COOKIES and value:
            return value
    return None


def _importing(headers: Mapping[str, str], found: Actor) -> Actor:
    said = headers.get("x-muster-import")
    if said is None:
        return found
    if said != "true":
        raise Invalid.one("X-Muster-Import", said, "must be true, or absent")
    return replace(found, auth="import")


def _named(headers: Mapping[str, str]) -> Actor:
    name = _user(headers.get("authorization", ""))
    if name:
        try:
            return Actor(actor_id(name))
        except Invalid as invalid:
            rule = f"must come with a user's name that {invalid.problems[0].rule}"
            raise Invalid([Problem("Authorization", NOTHING, rule)]) from None
    said = headers.get("x-muster-actor")
    return ANONYMOUS if said is None else Actor(actor_id(said, "X-Muster-Actor"))


def _user(authorization: str) -> str:
    """The name in `Basic` credentials; "" if there is none."""
    scheme, _, encoded = authorization.partition(" ")
    return _basic(encoded)[0] if scheme.lower() == "basic" else ""


def _basic(encoded: str) -> tuple[str, str]:
    """User and password of `Basic` credentials; empty if they are none."""
    try:
        user, colon, password = (
            base64.b64decode(encoded.strip(), validate=True).decode("latin-1").partition(":")
        )
    except ValueError:
        return "", ""
    return (user, password) if colon else ("", "")


def idempotency(headers: Mapping[str, str], method: str, target: str, content: bytes) -> Request | None:
    """The key and the digest of the request it came with; None without a key.

    `target` is path and query as they were sent, `content` the body, or what
    stands for it.

    Raises:
        Invalid: the key is not 1 to 128 visible ASCII characters.
    """
    key = headers.get("idempotency-key")
    if key is None:
        return None
    sent = hashlib.sha256(f"{method} {target}\n".encode() + content)
    return Request(key, sent.hexdigest())
