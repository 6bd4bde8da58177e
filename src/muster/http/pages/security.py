"""What keeps pages safe: the policy that goes with each, and the token of every form.

The token is a cookie that a form repeats in a field (double submit): another site can
neither read nor set it. It comes on top of `Origin` and `Sec-Fetch-Site`, which
`edge.py` checks. In a page it is masked anew each time, so that compressing it beside
what a visitor typed gives nothing away.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from typing import Final

POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
_LENGTH: Final = 16


def new_token() -> bytes:
    """A token for a visitor who has none."""
    return secrets.token_bytes(_LENGTH)


def written(token: bytes) -> str:
    """The token as the cookie holds it."""
    return base64.urlsafe_b64encode(token).decode().rstrip("=")


def read(text: str | None) -> bytes | None:
    """The reverse of `written`; None if it is none."""
    try:
        token = base64.urlsafe_b64decode(f"{text or ''}==")
    except (binascii.Error, ValueError):
        return None
    return token if len(token) == _LENGTH else None


def masked(token: bytes) -> str:
    """The token as a form holds it, never the same twice."""
    pad = secrets.token_bytes(_LENGTH)
    return (pad + _xor(pad, token)).hex()


def agrees(sent: str | None, token: bytes | None) -> bool:
    """Whether a form sent the token, masked."""
    try:
        both = bytes.fromhex(sent or "")
    except ValueError:
        return False
    if token is None or len(both) != 2 * _LENGTH:
        return False
    return hmac.compare_digest(_xor(both[:_LENGTH], both[_LENGTH:]), token)


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
