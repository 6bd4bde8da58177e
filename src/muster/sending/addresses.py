"""Where a webhook may go: https to public addresses, and to hosts that the settings allow.

An address is judged when the webhook is made and again at each connection, so that a
name cannot mean a public address when it is judged and a private one when it is called.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from typing import Final
from urllib.parse import SplitResult, urlsplit

from muster.domain import parse
from muster.domain.errors import Invalid
from muster.service.hooks import Unreachable

MAX_URL: Final = 2_048

Address = tuple[socket.AddressFamily, str]


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
    exempt = _exempt(host, port or port_of(parts), allowed)
    if parts.scheme not in (("https", "http") if exempt else ("https",)):
        raise Invalid.one(field, value, "must begin with https://")
    if not host or not text.isprintable() or " " in text or not text.isascii():
        raise Invalid.one(field, value, "must be an address such as https://host/path")
    if parts.username is not None or parts.password is not None:
        raise Invalid.one(field, f"{parts.scheme}://…", "must not hold credentials; use the secret")
    if not exempt:
        try:
            _public(host, port_of(parts))
        except Unreachable as reason:
            raise Invalid.one(field, value, f"must lead to public addresses ({reason})") from None
    return text


def port_of(parts: SplitResult) -> int:
    """The port that is written, or the scheme's own."""
    return parts.port or (443 if parts.scheme == "https" else 80)


def _exempt(host: str, port: int, allowed: Collection[str]) -> bool:
    shown = f"[{host}]" if ":" in host else host
    return bool({shown, f"{shown}:{port}"} & {each.lower() for each in allowed})


def _public(host: str, port: int) -> list[Address]:
    """The addresses of a host, all of them public. Raises Unreachable."""
    found = _looked_up(host, port)
    for _, address in found:
        if not _is_public(address):
            raise Unreachable(f"{host} is at {address}, which is not public")
    return found


def _looked_up(host: str, port: int) -> list[Address]:
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


def reached(parts: SplitResult, allowed: Collection[str]) -> list[Address]:
    """The addresses to connect to, looked up now. Raises Unreachable: there is none, or one is not public."""
    host, port = parts.hostname or "", port_of(parts)
    return (_looked_up if _exempt(host, port, allowed) else _public)(host, port)
