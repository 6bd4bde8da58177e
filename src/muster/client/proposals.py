"""What waits for approval, and what was done with the break-glass role."""

from __future__ import annotations

from typing import Any

from muster.client.calls import given, path
from muster.client.events import Events
from muster.client.tables import Board, Record


class Proposals(Events):
    """Proposals by id (`P-12`). A write that needs approval raises `ApprovalNeeded`, which names one."""

    def proposals(
        self,
        *,
        state: str | None = None,
        environment: str | None = None,
        model: str | None = None,
        waiting_for: str | None = None,
        limit: int | None = None,
    ) -> Board:
        """What waits or waited, newest first; with `waiting_for` what that account could approve now."""
        return self.calls.board(
            path("proposals"),
            limit,
            state=state,
            environment=environment,
            model=model,
            waiting_for=waiting_for,
        )

    def proposal(self, proposal: str) -> Record:
        """One, with its exact effect, who said what, and who is needed yet."""
        return self.calls.record(path("proposals", proposal))

    def propose(
        self,
        kind: str,
        model: str,
        *,
        version: str | None = None,
        environment: str | None = None,
        config: Record | None = None,
        stage: str | None = None,
        alias: str | None = None,
        reason: str = "",
        dry_run: bool = False,
    ) -> Record:
        """Have others asked about a `deploy`, `undeploy`, `stage` or `alias`, without trying it first."""
        body: dict[str, Any] = {"kind": kind, "model": model} | given(
            version=version, environment=environment, config=config, stage=stage, alias=alias, reason=reason
        )
        return self.calls.write("POST", path("proposals"), body, dry_run=dry_run)

    def approve(self, proposal: str, *, comment: str = "", dry_run: bool = False) -> Record:
        """Approve it as it stands. The last approval needed carries it out: `operation` is the deployment."""
        return self._say(proposal, "approve", comment, dry_run=dry_run)

    def reject(self, proposal: str, *, comment: str = "", dry_run: bool = False) -> Record:
        """Reject it, which ends it."""
        return self._say(proposal, "reject", comment, dry_run=dry_run)

    def withdraw(self, proposal: str, *, comment: str = "", dry_run: bool = False) -> Record:
        """Take back one's own."""
        return self._say(proposal, "withdraw", comment, dry_run=dry_run)

    def _say(self, proposal: str, word: str, comment: str, *, dry_run: bool) -> Record:
        body = given(comment=comment)
        return self.calls.write("POST", path("proposals", proposal, word), body, dry_run=dry_run)

    def reviews(self, *, state: str | None = None, limit: int | None = None) -> Board:
        """What was done with the break-glass role, newest first; `open` until two others have reviewed it."""
        return self.calls.board(path("reviews"), limit, state=state)

    def review(self, review: str, *, comment: str = "", dry_run: bool = False) -> Record:
        """Say what one found of it."""
        where = path("reviews", review, "review")
        return self.calls.write("POST", where, given(comment=comment), dry_run=dry_run)
