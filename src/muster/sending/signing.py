"""Messages as Standard Webhooks has them, and the port `Sender` that sends them.

The scheme, with its headers `webhook-id`, `webhook-timestamp` and `webhook-signature`, is
that of https://www.standardwebhooks.com (specification 1.0.0).
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Final

from standardwebhooks import Webhook

from muster.domain.errors import NOTHING, Invalid, Problem
from muster.sending import addresses, posting
from muster.service.hooks import Answered

PREFIX: Final = "whsec_"
_NEW_BYTES: Final = 32
_LEAST_BYTES, _MOST_BYTES = 24, 64  # as the specification asks


def signed(key: str | bytes, message: str, at: datetime, body: bytes) -> str:
    """The signature of a message. `key` is a secret of the scheme, or the bytes to sign with."""
    return Webhook(key).sign(message, at, body.decode())


def headers(secret: str, message: str, at: datetime, body: bytes) -> Mapping[str, str]:
    """What goes along with a message."""
    return {
        "webhook-id": message,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signed(secret, message, at, body),
        "User-Agent": "Muster",
    }


class StandardSender:
    """The port `Sender`. `allowed` are hosts that need neither TLS nor a public address."""

    def __init__(self, allowed: Collection[str], timeout_s: float) -> None:
        self._allowed = allowed
        self._timeout_s = timeout_s

    def check(self, url: str) -> None:
        addresses.url(url, allowed=self._allowed)

    def check_secret(self, secret: str) -> None:
        try:
            key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except (ValueError, binascii.Error):
            key = b""
        if not secret.startswith(PREFIX) or not _LEAST_BYTES <= len(key) <= _MOST_BYTES:
            rule = f"must be {PREFIX} and {_LEAST_BYTES} to {_MOST_BYTES} bytes in base64"
            raise Invalid([Problem("secret", NOTHING, rule)])

    def new_secret(self) -> str:
        return PREFIX + base64.b64encode(secrets.token_bytes(_NEW_BYTES)).decode()

    def send(self, url: str, secret: str, message: str, at: datetime, body: bytes) -> Answered:
        at = at.astimezone(UTC)
        told = headers(secret, message, at, body)
        return posting.post(url, body, told, allowed=self._allowed, timeout_s=self._timeout_s)
