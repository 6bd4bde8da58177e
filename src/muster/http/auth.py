"""A request → who asks, and the idempotency key that it comes with.

Before access control the actor is the user whose credentials come along (RFC 7617),
or what `X-Muster-Actor` says, or `anonymous`; all are shown as unverified for ever. With
`X-Muster-Import: true` it is said that an import does it, by that actor. No secret is
looked at, kept or repeated.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from muster.domain.changes import Actor
from muster.domain.errors import NOTHING, Invalid, Problem
from muster.domain.names import actor_id
from muster.service.submissions import Request

ANONYMOUS: Final = Actor("anonymous")


def actor(headers: Mapping[str, str]) -> Actor:
    """Who asks.

    Raises:
        Invalid: a header holds no actor's id, or what it must not.
    """
    found = _named(headers)
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
    if scheme.lower() != "basic":
        return ""
    try:
        user, colon, _ = base64.b64decode(encoded.strip(), validate=True).decode("latin-1").partition(":")
    except ValueError:
        return ""
    return user if colon else ""


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
