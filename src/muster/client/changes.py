"""The history of the whole registry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from muster.client.bans import Bans
from muster.client.calls import path
from muster.client.tables import Board, Record


class Changes(Bans):
    """What happened, newest first; `since` and `until` are RFC 3339 times."""

    def changes(
        self,
        *,
        model: str | None = None,
        number: int | None = None,
        environment: str | None = None,
        actor: str | None = None,
        kinds: Sequence[str] = (),
        since: str | None = None,
        until: str | None = None,
        limit: int | None = 100,
    ) -> Board:
        """The last changes that match all of it; None for `limit` gives every one."""
        return self.calls.board(
            path("changes"),
            limit,
            model=model,
            number=number,
            environment=environment,
            actor=actor,
            kind=list(kinds) or None,
            since=since,
            until=until,
        )

    def every_change(
        self,
        *,
        model: str | None = None,
        environment: str | None = None,
        actor: str | None = None,
        kinds: Sequence[str] = (),
        since: str | None = None,
        until: str | None = None,
    ) -> Iterator[Record]:
        """Like `changes` without a limit, one by one, for a registry of any size."""
        return self.calls.pages(
            path("changes"),
            model=model,
            environment=environment,
            actor=actor,
            kind=list(kinds) or None,
            since=since,
            until=until,
        )

    def change(self, commit: str) -> Record:
        """A change and its `diff`, field by field."""
        return self.calls.record(path("changes", commit))
