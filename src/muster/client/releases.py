"""Moving several models at once, and taking that back at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from muster.client.calls import given, path
from muster.client.deployments import Deployments, Steps
from muster.client.tables import Board, Record


class Releases(Deployments):
    """Versions of several models that move at once."""

    def release(
        self,
        environment: str,
        versions: Sequence[str | Mapping[str, Any]],
        reason: str = "",
        *,
        dry_run: bool = False,
        on_step: Steps | None = None,
    ) -> Record:
        """Put versions of several models into the environment, all or none; gives the operation.

        Each is a reference, or `{"ref": …, "config": {…}}`. Blocks until all are started,
        recorded in one commit and given the traffic.

        Raises:
            ApprovalNeeded: others have to approve it first; it names the proposal.
            DidNotStart: one did not become ready; none is deployed.
        """
        body = {"environment": environment, "versions": list(versions)} | given(reason=reason)
        begun = self.calls.write("POST", path("releases"), body, dry_run=dry_run)
        return begun if dry_run else self.followed(begun, on_step)

    def release_back(
        self,
        release: str,
        reason: str = "",
        *,
        empty: bool = False,
        dry_run: bool = False,
        on_step: Steps | None = None,
    ) -> Record:
        """Have every model of a release return to what it replaced, or none; gives the operation.

        Raises:
            NotDeployedThere: something else is deployed there since; it says what.
            NothingToRestore: nothing was deployed there before; `empty` says that this is meant.
        """
        body: dict[str, Any] = given(reason=reason) | ({"empty": True} if empty else {})
        begun = self.calls.write("POST", path("releases", release, "back"), body, dry_run=dry_run)
        return begun if dry_run else self.followed(begun, on_step)

    def releases(self, environment: str | None = None, *, limit: int | None = None) -> Board:
        """Releases, the latest first."""
        return self.calls.board(path("releases"), limit, environment=environment)

    def released(self, release: str) -> Record:
        """A release: its parts, what each replaced, who made it and who took it back."""
        return self.calls.record(path("releases", release))
