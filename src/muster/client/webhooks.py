"""Webhooks: who is told of what happens, and what became of each message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from muster.client.calls import path
from muster.client.proposals import Proposals
from muster.client.tables import Board, Record


class Webhooks(Proposals):
    """Webhooks by name. None of this is in the history: they are the server's, not the registry's."""

    def webhooks(self, *, limit: int | None = None) -> Board:
        """All webhooks by name, with what waits for each."""
        return self.calls.board(path("webhooks"), limit)

    def webhook(self, name: str) -> Record:
        """A webhook: all but its secret."""
        return self.calls.record(path("webhooks", name))

    def add_webhook(
        self,
        name: str,
        url: str,
        *,
        kinds: Sequence[str] = (),
        models: Sequence[str] = (),
        environments: Sequence[str] = (),
        description: str = "",
        secret: str | None = None,
        dry_run: bool = False,
    ) -> Record:
        """Make one that is told of what happens from now on, of everything unless it is said what.

        The answer's `secret` is shown only here; receivers check signatures with it.
        """
        body: dict[str, Any] = {
            "name": name,
            "url": url,
            "kinds": list(kinds),
            "models": list(models),
            "environments": list(environments),
            "description": description,
            "secret": secret,
        }
        return self.calls.write("POST", path("webhooks"), body, dry_run=dry_run)

    def update_webhook(
        self,
        name: str,
        fields: Mapping[str, Any],
        *,
        if_match: str | None = None,
        dry_run: bool = False,
    ) -> Record:
        """Change `url`, `kinds`, `models`, `environments`, `description`, or whether it is `active`."""
        where = path("webhooks", name)
        return self.calls.write("PATCH", where, fields, if_match=if_match, dry_run=dry_run)

    def remove_webhook(self, name: str, *, dry_run: bool = False) -> Record:
        """Forget it, its secret and what waits for it."""
        return self.calls.write("DELETE", path("webhooks", name), dry_run=dry_run)

    def renew_webhook_secret(self, name: str, *, dry_run: bool = False) -> Record:
        """Sign with a new secret from now on; the answer's `secret` is shown only here."""
        return self.calls.write("POST", path("webhooks", name, "secret"), dry_run=dry_run)

    def test_webhook(self, name: str, *, dry_run: bool = False) -> Record:
        """Send it a ping now: what was answered, or why nothing was."""
        return self.calls.write("POST", path("webhooks", name, "test"), dry_run=dry_run)

    def deliveries(self, name: str, *, state: str | None = None, limit: int | None = 100) -> Board:
        """What it was told, newest first, with every attempt.

        `state` is `pending`, `delivered`, or `failed`: not tried again by itself.
        """
        return self.calls.board(path("webhooks", name, "deliveries"), limit, state=state)

    def delivery(self, name: str, delivery: str) -> Record:
        """One of them, by its id."""
        return self.calls.record(path("webhooks", name, "deliveries", delivery))

    def redeliver(self, name: str, delivery: str, *, dry_run: bool = False) -> Record:
        """Send it once more, now, under the same id; how it stands then."""
        where = path("webhooks", name, "deliveries", delivery, "redeliver")
        return self.calls.write("POST", where, dry_run=dry_run)

    def recover_webhook(self, name: str, *, dry_run: bool = False) -> Record:
        """Put all that failed for good in line again; `recovered` is how many those are."""
        return self.calls.write("POST", path("webhooks", name, "recover"), dry_run=dry_run)
