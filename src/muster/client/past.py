"""Any past moment: what served, and who set each field of a record."""

from __future__ import annotations

from muster.client.access import Access
from muster.client.calls import path
from muster.client.tables import Record


class Pasts(Access):
    """Questions about what was."""

    def who_served(self, model: str, at: str | None = None, environment: str | None = None) -> Record:
        """What served the model at a time or commit: version, digests, who declared it, approved it, why.

        Each of `items` holds what was observed running then, too.
        """
        return self.calls.record(path("models", model, "served"), at=at, environment=environment)

    def blame(self, model: str, version: str | None = None, at: str | None = None) -> Record:
        """The last change of each field of a model's record, or of one of its versions'."""
        where = path("models", model, "blame")
        if version is not None:
            where = path("models", model, "versions", version, "blame")
        return self.calls.record(where, at=at)
