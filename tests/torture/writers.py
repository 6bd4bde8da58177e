"""Clients that write without pause, and note down what was acknowledged to them."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.servers import PATIENCE_S, registration

CLIENTS = 16
_UPDATES_EVERY = 4


@dataclass
class Noted:
    """What the server has said it wrote, and what it was asked to write without answering."""

    registered: dict[str, str] = field(default_factory=dict)
    """Commit by model id."""
    in_order: list[str] = field(default_factory=list)
    """Their model ids, as they were acknowledged."""
    described: dict[str, str] = field(default_factory=dict)
    """The last acknowledged description by model."""
    asked: dict[str, set[str]] = field(default_factory=dict)
    """Every description by model that was asked for since then, without an answer."""
    refused: list[str] = field(default_factory=list)


class Writers:
    """`CLIENTS` threads; inside the block they write, until the server is gone or the block ends.

    Each registers models of its own, and every fourth request describes the last
    one anew. Several `Writers` may share one `Noted`.
    """

    _rounds = itertools.count(1)

    def __init__(self, url: str, noted: Noted, clients: int = CLIENTS) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._address = (parts.hostname, parts.port)
        self._noted = noted
        self._stop = threading.Event()
        self._round = next(self._rounds)
        self._threads = [threading.Thread(target=self._write, args=(each,)) for each in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int = CLIENTS) -> None:
        """Wait until that many more registrations were acknowledged."""
        seen = len(self._noted.registered)
        enough, deadline = seen + count, time.monotonic() + PATIENCE_S
        while (now := len(self._noted.registered)) < enough:
            if now > seen:
                seen, deadline = now, time.monotonic() + PATIENCE_S
            assert time.monotonic() < deadline, f"no more writes; refused: {self._noted.refused[:3]}"
            time.sleep(0.005)

    def until_the_server_is_gone(self) -> None:
        """Wait until no client has a server any more."""
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive(), "the server still answers"

    def _write(self, client: int) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=PATIENCE_S)
        try:
            for at in itertools.count():
                if self._stop.is_set():
                    return
                name = f"r{self._round} c{client} n{at}"
                if self._register(connection, name) and at % _UPDATES_EVERY == 0:
                    self._describe(connection, name, f"described {at}")
        except (OSError, http.client.HTTPException):
            return  # the server is gone
        finally:
            connection.close()

    def _register(self, connection: http.client.HTTPConnection, name: str) -> bool:
        status, headers, body = _send(connection, "POST", "/models", registration(name, tags={"of": name}))
        if status == 201:
            self._noted.registered[body["model_id"]] = headers["muster-commit"]
            self._noted.in_order.append(body["model_id"])
        else:
            self._noted.refused.append(f"{status} {body}")
        return status == 201

    def _describe(self, connection: http.client.HTTPConnection, name: str, text: str) -> None:
        path = f"/api/v1/models/{name.replace(' ', '%20')}/versions/1"
        self._noted.asked.setdefault(f"{name}_v1", set()).add(text)
        status, _, body = _send(connection, "PATCH", path, {"description": text})
        if status == 200:
            self._noted.described[f"{name}_v1"] = text
            self._noted.asked[f"{name}_v1"].clear()
        else:
            self._noted.refused.append(f"{status} {body}")


def _send(
    connection: http.client.HTTPConnection, method: str, path: str, body: dict[str, Any]
) -> tuple[int, http.client.HTTPMessage, Any]:
    connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, response.headers, json.loads(response.read())
