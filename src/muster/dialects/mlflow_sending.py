"""Sending to a webhook's address: signed, to public addresses only, never redirected.

The address is looked up and judged where the connection is made, so that a name
cannot mean a public address when it is judged and a private one when it is called.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from muster.domain import parse
from muster.domain.errors import Invalid

TIMEOUT_S: Final = 10.0
MAX_ANSWER: Final = 16_384  # bytes of a receiver's answer that are looked at
MAX_URL: Final = 2_048


class Unreachable(Exception):
    """Nothing was sent; the message says why."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What the receiver said."""

    status: int
    body: str

    @property
    def success(self) -> bool:
        return 200 <= self.status < 300


def url(value: object, field: str = "url", *, allowed: Collection[str] = ()) -> str:
    """The address of a webhook.

    `allowed` are hosts (with a port, or for all their ports) that need neither TLS
    nor a public address.

    Raises:
        Invalid: it is not https, names credentials, or no public address.
    """
    text = parse.text(value, field, MAX_URL)
    try:
        parts, port = urlsplit(text), urlsplit(text).port
    except ValueError:
        raise Invalid.one(field, value, "must be an address such as https://host/path") from None
    host = parts.hostname or ""
    exempt = _exempt(host, port or _port(parts), allowed)
    if parts.scheme not in (("https", "http") if exempt else ("https",)):
        raise Invalid.one(field, value, "must begin with https://")
    if not host or not text.isprintable() or " " in text or not text.isascii():
        raise Invalid.one(field, value, "must be an address such as https://host/path")
    if parts.username is not None or parts.password is not None:
        raise Invalid.one(field, f"{parts.scheme}://…", "must not hold credentials; use the secret")
    if not exempt:
        try:
            _public(host, _port(parts))
        except Unreachable as reason:
            raise Invalid.one(field, value, f"must lead to public addresses ({reason})") from None
    return text


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _exempt(host: str, port: int, allowed: Collection[str]) -> bool:
    shown = f"[{host}]" if ":" in host else host
    return bool({shown, f"{shown}:{port}"} & {each.lower() for each in allowed})


def _public(host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
    """The addresses of a host, all of them public. Raises Unreachable."""
    found = _looked_up(host, port)
    for _, address in found:
        if not _is_public(address):
            raise Unreachable(f"{host} is at {address}, which is not public")
    return found


def _looked_up(host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"{host} cannot be looked up") from error
    return [(family, str(address[0])) for family, _, _, _, address in found]


def _is_public(text: str) -> bool:
    """Whether an address is, in whatever form of IPv6 an IPv4 one comes."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and address in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return inner.is_global and not inner.is_multicast
    return address.is_global and not address.is_multicast


def signature(secret: str, delivery: str, timestamp: str, body: bytes) -> str:
    """The `X-MLflow-Signature` of a delivery."""
    signed = f"{delivery}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256)).decode()


def post(address: str, body: bytes, headers: Mapping[str, str], *, allowed: Collection[str]) -> Answered:
    """Send `body`; what was answered, a redirect too. Blocks for some `TIMEOUT_S`.

    Raises:
        Unreachable: it could not be sent, or nothing was answered.
    """
    parts = urlsplit(address)
    host, port = parts.hostname or "", _port(parts)
    look_up = _looked_up if _exempt(host, port, allowed) else _public
    connection = _Connection(parts, look_up(host, port))
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", target, body, {**headers, "Content-Type": "application/json"})
        answer = connection.getresponse()
        return Answered(answer.status, answer.read(MAX_ANSWER).decode(errors="replace"))
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"{host} did not answer ({str(error) or type(error).__name__})") from error
    finally:
        connection.close()


class _Connection(http.client.HTTPConnection):
    """A connection to addresses that were looked up, and judged, before."""

    def __init__(self, parts: SplitResult, addresses: list[tuple[socket.AddressFamily, str]]) -> None:
        super().__init__(parts.hostname or "", _port(parts), timeout=TIMEOUT_S)
        self._secure = parts.scheme == "https"
        self._addresses = addresses

    def connect(self) -> None:
        failed: OSError | None = None
        for _, address in self._addresses:
            try:
                self.sock = socket.create_connection((address, self.port), TIMEOUT_S)
                break
            except OSError as error:
                failed = error
        else:
            raise failed or OSError("no address")
        if self._secure:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)
