"""One request to a server and its answer: paths, safe repeats, errors."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from muster.client.problems import raised, waiting
from muster.client.tables import Board, Record
from muster.domain.errors import OutcomeUnknown, Unavailable

API: Final = "/api/v1"
PAGE: Final = 1000
PAUSES_S: Final = (0.1, 0.3, 0.9)  # before each repeat
_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

Content = Callable[[], Iterator[bytes]]


def path(*segments: str) -> str:
    """A path of the API, each segment percent-encoded whole."""
    return "/".join((API, *(quote(segment, safe="") for segment in segments)))


def given(**fields: Any) -> dict[str, Any]:
    """The fields that are not None and not empty texts."""
    return {name: value for name, value in fields.items() if value is not None and value != ""}


class Calls:
    """Sends requests; every write carries an idempotency key, so that it can be sent again.

    Every method that asks the server may raise what the server raised, by the
    same class, and `Unavailable` if it cannot be reached.
    """

    def __init__(
        self,
        url: str,
        actor: str | None = None,
        *,
        timeout_s: float = 60.0,
        transport: httpx.BaseTransport | None = None,
        authorization: str | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._always: Mapping[str, str] = {}
        headers = given(**{"X-Muster-Actor": actor, "Authorization": authorization})
        self._http = httpx.Client(
            headers=headers,
            timeout=timeout_s,
            transport=transport,
            # A server on this machine is never behind the proxy that the environment names.
            trust_env=not self.url.startswith(("http://127.", "http://localhost", "http://[::1]")),
        )

    def importing(self) -> Self:
        """The same connections, for an import: that it is one is said with every write."""
        twin = copy(self)
        twin._always = {"X-Muster-Import": "true"}
        return twin

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # ------------------------------------------------------------ reads

    def get(
        self,
        where: str,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        more_s: float = 0,
    ) -> httpx.Response:
        """The answer to a GET; 304 is one, too. It may take `more_s` seconds longer than others."""
        return self._ask("GET", where, params=params, headers=headers, more_s=more_s)

    def record(self, where: str, **params: Any) -> Record:
        """The record there, with its ETag."""
        return _record(self.get(where, given(**params)))

    def board(self, where: str, limit: int | None = None, **params: Any) -> Board:
        """The items of a list, at most `limit`, from as many pages as it takes."""
        asked = given(**params)
        items: list[Any] = []
        while True:
            wanted = PAGE if limit is None else min(PAGE, limit - len(items))
            page = self.get(where, asked | {"limit": max(1, wanted)}).json()
            items += page["items"]
            if page.get("next") is None or (limit is not None and len(items) >= limit):
                return Board(items[:limit], page.get("count"))
            asked["after"] = page["next"]

    def pages(self, where: str, **params: Any) -> Iterator[Record]:
        """The items of a list one by one, a page at a time."""
        asked = given(**params) | {"limit": PAGE}
        while True:
            page = self.get(where, asked).json()
            yield from (Record(item) for item in page["items"])
            if page.get("next") is None:
                return
            asked["after"] = page["next"]

    @contextmanager
    def streamed(
        self,
        where: str,
        headers: Mapping[str, str],
        params: Mapping[str, Any] | None = None,
        *,
        more_s: float = 0,
    ) -> Iterator[httpx.Response]:
        """The answer to a GET, its body not read yet; sent once. A read may take `more_s` seconds longer."""
        try:
            with self._http.stream(
                "GET",
                self.url + where,
                params=params or None,
                headers=dict(headers),
                timeout=self._timeout_s + more_s,
            ) as response:
                if response.status_code >= 400 and response.status_code != 416:
                    response.read()
                    raise raised(response)
                yield response
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    # ------------------------------------------------------------ writes

    def write(
        self,
        method: str,
        where: str,
        body: Mapping[str, Any] | None = None,
        *,
        dry_run: bool = False,
        if_match: str | None = None,
        key: str | None = None,
        content: Content | None = None,
        headers: Mapping[str, str] | None = None,
        **params: Any,
    ) -> Record:
        """The answer to a write (empty if it has no body); with `dry_run` what it would do."""
        asked = given(**params)
        if dry_run:
            asked["dry_run"] = "true"
        sent = {**self._always, **(headers or {})}
        # A key of one's own for each write: a repeat after a lost answer is then no second write.
        sent["Idempotency-Key"] = key or uuid.uuid4().hex
        if if_match is not None:
            sent["If-Match"] = if_match
        response = self._ask(
            method, where, params=asked, headers=sent, body=body, content=content, write=True
        )
        return _record(response)

    # ------------------------------------------------------------ sending

    def _ask(
        self,
        method: str,
        where: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content: Content | None = None,
        write: bool = False,
        more_s: float = 0,
    ) -> httpx.Response:
        """Send, and send again while nobody answers or the answer says that a repeat may succeed."""
        perhaps_done = False
        for pause_s in (*PAUSES_S, None):
            try:
                response = self._http.request(
                    method,
                    self.url + where,
                    params=params or None,
                    headers=dict(headers or {}),
                    json=body,
                    content=content() if content is not None else None,
                    timeout=self._timeout_s + more_s,
                )
            except httpx.TransportError as error:
                perhaps_done = perhaps_done or not isinstance(error, _NEVER_SENT)
                # After a time-out it has been waited for long enough.
                if pause_s is None or isinstance(error, httpx.ReadTimeout):
                    raise self._unreachable(error, unknown=write and perhaps_done) from error
            except httpx.InvalidURL as error:
                raise self._unreachable(error) from error
            else:
                if response.status_code != 503 or pause_s is None:
                    if response.status_code >= 400:
                        raise raised(response)
                    if response.status_code == 202 and "muster-proposal" in response.headers:
                        raise waiting(response)
                    return response
            time.sleep(pause_s)
        raise AssertionError("the last turn answers or raises")

    def _unreachable(self, error: Exception, *, unknown: bool = False) -> Unavailable:
        what = str(error) or type(error).__name__
        if unknown:
            return OutcomeUnknown(f"{self.url} took the request and did not answer ({what})")
        return Unavailable(f"{self.url} does not answer ({what})")


def _record(response: httpx.Response) -> Record:
    found = Record(response.json() if response.content else {})
    found.etag = response.headers.get("etag")
    return found
