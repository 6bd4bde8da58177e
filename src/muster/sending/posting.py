"""Posting to a webhook's address, looked up and judged for this very connection; no redirect is followed."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import SplitResult, urlsplit

from muster.sending.addresses import Address, port_of, reached
from muster.service.hooks import Answered, Unreachable

TIMEOUT_S: Final = 10.0
MAX_ANSWER: Final = 16_384  # bytes of a receiver's answer that are looked at


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allowed: Collection[str],
    timeout_s: float = TIMEOUT_S,
) -> Answered:
    """Send `body`; what was answered, a redirect too. Takes at most some twice `timeout_s`.

    Raises:
        Unreachable: it could not be sent, or nothing was answered in time.
    """
    parts = urlsplit(url)
    connection = _Connection(parts, reached(parts, allowed), timeout_s)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # The time-out is for each read: a receiver that sends a byte now and then would last for ever.
    watch = threading.Timer(2 * timeout_s, connection.cut)
    watch.start()
    try:
        connection.request("POST", target, body, {**headers, "Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read(MAX_ANSWER).decode(errors="replace")
        if connection.was_cut:  # what was read so far may look like all of it
            raise TimeoutError("it took too long")
        return Answered(answer.status, content, _seconds(answer.getheader("Retry-After")))
    except (OSError, http.client.HTTPException) as error:
        why = str(error) or type(error).__name__
        raise Unreachable(f"{parts.hostname} did not answer ({why})") from error
    finally:
        watch.cancel()
        connection.close()


def _seconds(retry_after: str | None) -> float | None:
    """What a receiver asks for in seconds; a date is passed over."""
    return float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else None


class _Connection(http.client.HTTPConnection):
    """A connection to addresses that were looked up, and judged, before."""

    def __init__(self, parts: SplitResult, addresses: list[Address], timeout_s: float) -> None:
        super().__init__(parts.hostname or "", port_of(parts), timeout=timeout_s)
        self._secure = parts.scheme == "https"
        self._addresses = addresses
        self.was_cut = False
        self._opened: socket.socket | None = None

    def connect(self) -> None:
        failed: OSError | None = None
        for _, address in self._addresses:
            try:
                self.sock = socket.create_connection((address, self.port), self.timeout)
                break
            except OSError as error:
                failed = error
        else:
            raise failed or OSError("no address")
        if self._secure:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)
        self._opened = self.sock

    def cut(self) -> None:
        """End whatever is being waited for; any thread may call."""
        self.was_cut = True
        # Not `sock`, which is None while the end of an answer is read.
        if self._opened is not None:
            with suppress(OSError):
                self._opened.shutdown(socket.SHUT_RDWR)
