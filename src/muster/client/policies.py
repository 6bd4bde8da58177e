"""Policies: expressions that must be true of every change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from muster.client.calls import PAGE, given, path
from muster.client.changes import Changes
from muster.client.tables import Board, Record


class Policies(Changes):
    """What must be true of changes, and what it would have stopped."""

    def policies(self, *, at: str | None = None, limit: int | None = None) -> Board:
        """The policies, by name; now, or at a time or commit."""
        return self.calls.board(path("policies"), limit, at=at)

    def policy(self, name: str, *, at: str | None = None) -> Record:
        """A policy, now or at a time or commit."""
        return self.calls.record(path("policies", name), at=at)

    def set_policy(
        self,
        name: str,
        fields: Mapping[str, Any],
        *,
        reason: str = "",
        if_match: str | None = None,
        dry_run: bool = False,
    ) -> Record:
        """Make a policy or put this one in its place.

        `fields` are `expression` and `message`, and if need be `description`, `on`,
        `environments`, `models`, `enabled`.
        """
        body = dict(fields) | given(reason=reason)
        return self.calls.write("PUT", path("policies", name), body, if_match=if_match, dry_run=dry_run)

    def delete_policy(
        self, name: str, *, reason: str = "", if_match: str | None = None, dry_run: bool = False
    ) -> Record:
        """Take a policy away."""
        return self.calls.write(
            "DELETE", path("policies", name), reason=reason, if_match=if_match, dry_run=dry_run
        )

    def test_policy(self, fields: Mapping[str, Any], *, since: str | None = None) -> Iterator[Record]:
        """What the policy would have stopped since then, oldest first, a page at a time.

        Each page has `items` (changes with `objections`), how many changes were `seen`
        and in how many of them it had a say (`asked`).
        """
        after: str | None = None
        while True:
            page = self.calls.write(
                "POST", path("policies", "test"), fields, since=since, after=after, limit=PAGE
            )
            yield page
            if (after := page["next"]) is None:
                return
