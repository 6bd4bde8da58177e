"""What the index says of records as they are, and of the log of changes: parts of the port `Index`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from muster.domain.names import Reference
from muster.domain.records import Deployment, Environment, Model
from muster.domain.views import Times
from muster.service.values import ChangeFilter, Document, Found, Logged, Placed, VersionFilter


class Records(Protocol):
    """Versions, models, environments and deployments, as last committed."""

    # --- versions

    def find(self, model_id: str) -> Found | None:
        """The live version of that model id."""
        ...

    def find_number(self, model: str, number: int) -> Found | None: ...

    def resolve(self, reference: Reference) -> tuple[str, int] | None:
        """The model and number of the live version that `reference` means now."""
        ...

    def versions(
        self,
        wanted: VersionFilter,
        *,
        after: int = 0,
        limit: int,
        descending: bool = False,
        order: str = "sequence",
    ) -> list[Found]:
        """At most `limit` live versions whose sequence is beyond `after` in the direction asked for."""
        ...

    def count_versions(self, wanted: VersionFilter) -> int: ...

    def model_ids(self, wanted: VersionFilter, *, after: int = 0, limit: int) -> list[tuple[int, str]]:
        """(sequence, model id) of live versions in the order of registration."""
        ...

    def version_with_file(self, model: str, sha256: str) -> int | None:
        """The number of the newest live version of the model that holds a file with that digest."""
        ...

    # --- models, environments, deployments

    def model_record(self, name: str) -> tuple[Model, str, str, str] | None:
        """The live model, the last commit that touched it, when it was created and last updated."""
        ...

    def models(
        self,
        *,
        text: str | None = None,
        owner: str | None = None,
        tags: Mapping[str, str] | None = None,
        after: str = "",
        limit: int,
    ) -> list[Model]:
        """Live models in order of their names, beyond the name `after`."""
        ...

    def count_models(
        self,
        *,
        text: str | None = None,
        owner: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> int: ...

    def environments(self) -> list[tuple[Environment, str]]:
        """All environments by falling rank, and the last commit that touched each."""
        ...

    def deployments(
        self,
        environment: str | None = None,
        model: str | None = None,
        *,
        after: tuple[str, str] | None = None,
        limit: int | None = None,
    ) -> list[tuple[Deployment, Logged]]:
        """What is deployed now (emptied ones left out), and the change that declared each.

        By environment and model, beyond the place `after`, at most `limit`.
        """
        ...

    def count_deployments(self, environment: str | None = None, model: str | None = None) -> int: ...

    # --- the smaller records (`domain.documents`)

    def document(self, path: str) -> Document | None: ...

    def documents(self, under: str, *, after: str = "", limit: int | None = None) -> list[Document]:
        """Those below the folder `under`, by path, beyond the path `after`, at most `limit`."""
        ...

    def count_documents(self, under: str) -> int: ...

    def models_with_access(self) -> list[str]:
        """The models on which somebody has a role of their own, by name."""
        ...

    def document_history(self, path: str, *, before: int | None = None, limit: int) -> list[Logged]:
        """The changes that wrote or removed it, newest first, from below position `before`."""
        ...


class ChangeLog(Protocol):
    """The changes in their order, each at its position, and what was so at any of these."""

    def changes(self, wanted: ChangeFilter, *, before: int | None = None, limit: int) -> list[Logged]:
        """Newest first, from below position `before`."""
        ...

    def count_changes(self, wanted: ChangeFilter) -> int: ...

    def change(self, commit: str) -> Logged | None:
        """By its commit id or an unambiguous prefix of at least 7 digits."""
        ...

    def changes_after(self, position: int, limit: int) -> list[Logged]:
        """Oldest first, for followers of the log."""
        ...

    def at(self, time: datetime) -> Logged | None:
        """The newest change at or before `time`."""
        ...

    def placed_at(
        self,
        position: int,
        environment: str | None = None,
        model: str | None = None,
        *,
        after: tuple[str, str] | None = None,
        limit: int | None = None,
    ) -> list[Placed]:
        """What was declared at that position (emptied ones left out), in pages as `deployments`."""
        ...

    def count_placed_at(
        self, position: int, environment: str | None = None, model: str | None = None
    ) -> int: ...

    def reported_at(self, position: int, environment: str, model: str) -> list[Logged]:
        """The newest observation of each instance that reported there, by instance, up to that position."""
        ...

    def undeclared_at(
        self, position: int, environment: str | None = None, model: str | None = None
    ) -> list[tuple[str, str]]:
        """Where instances had reported anything and nothing was declared at that position, by place."""
        ...

    def last_placing(self, environment: str, model: str) -> Logged | None:
        """The newest change that declared anything for the model there, be it nothing."""
        ...

    def times_at(self, position: int, model: str, number: int) -> Times | None:
        """The times of a version as they were at that position; None if it was not registered yet."""
        ...

    def model_times_at(self, position: int, model: str) -> Times | None:
        """When the model itself was created and last updated, as of that position."""
        ...

    def newest(self) -> Logged | None: ...
