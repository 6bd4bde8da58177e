"""A request → who asks, and the idempotency key that it comes with.

Before access control the actor is what `X-Muster-Actor` says, or `anonymous`;
both are shown as unverified for ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from muster.domain.changes import Actor
from muster.domain.names import actor_id
from muster.service.committer import Request

ANONYMOUS: Final = Actor("anonymous")


def actor(headers: Mapping[str, str]) -> Actor:
    """Who asks.

    Raises:
        Invalid: the header holds no actor's id.
    """
    said = headers.get("x-muster-actor")
    return ANONYMOUS if said is None else Actor(actor_id(said, "X-Muster-Actor"))


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
