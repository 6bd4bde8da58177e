"""Changes as they happen: the live stream, taken up again where it broke."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Final

from httpx_sse import EventSource, SSEError

from muster.client.calls import given, path
from muster.client.changes import Changes
from muster.client.tables import Record
from muster.domain.errors import Unavailable

_SILENCE_S: Final = 60.0  # a server says every 15 s that it is still there
_PAUSES_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0)


class Events(Changes):
    """What happens, while it does."""

    def events(
        self,
        *,
        after: int | str | None = None,
        model: str | None = None,
        number: int | None = None,
        environment: str | None = None,
        actor: str | None = None,
        kinds: Sequence[str] = (),
        since: str | None = None,
        until: str | None = None,
        reconnect: bool = True,
    ) -> Iterator[Record]:
        """Changes that match all of it, oldest first, each once; it ends with `until`, else never.

        It begins after the position or commit `after`, or with the time `since`, or
        now. With `reconnect` a connection that breaks later is made again, and the
        stream goes on where it was; without, `Unavailable` is raised then.
        """
        asked = given(
            model=model,
            number=number,
            environment=environment,
            actor=actor,
            kind=list(kinds) or None,
            since=since,
            until=until,
        )
        # A time in the past says where to begin, and only once: then it is the last event's id.
        last = None if after is None else str(after)
        connected, failed = False, 0
        while True:
            try:
                with self.calls.streamed(
                    path("events"), _headers(last), asked, more_s=_SILENCE_S
                ) as response:
                    for event in EventSource(response).iter_sse():
                        last, connected, failed = event.id or last, True, 0
                        if event.event == "change":
                            yield Record(json.loads(event.data))
                        elif event.event == "end" and json.loads(event.data)["reason"] == "until":
                            return
                if not reconnect:
                    raise Unavailable(f"{self.calls.url} has ended the stream")
            except SSEError as error:
                raise Unavailable(f"{self.calls.url} does not answer with events ({error})") from error
            except Unavailable:
                if not reconnect or not connected:
                    raise
            time.sleep(_PAUSES_S[min(failed, len(_PAUSES_S) - 1)])
            failed += 1


def _headers(last: str | None) -> dict[str, str]:
    headers = {"Accept": "text/event-stream"}
    return headers if last is None else headers | {"Last-Event-ID": last}
