"""What `plan` may ask of the state before a change, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from muster.domain.messages import Entry, Moved
from muster.domain.records import Deployment, Environment, Json, Model, Version

DECLARED: Final = "declared"


@dataclass(frozen=True, slots=True)
class Trace:
    """What the log says of a model in an environment: from `time` on, version `number` was in `state`.

    The state is `DECLARED` (`number` None: nothing was), or what the target was seen to be.
    """

    time: datetime
    state: str
    number: int | None


class Records(Protocol):
    """What the registry said at one moment, be it now or long ago, to those who know what to ask for.

    Deleted models and versions are there, as tombstones.
    """

    def model(self, name: str) -> Model | None: ...

    def version(self, model: str, number: int) -> Version | None:
        """With its files."""
        ...

    def version_record(self, model: str, number: int) -> dict[str, Json] | None:
        """A live version as the API shows it."""
        ...

    def environment(self, name: str) -> Environment | None: ...

    def every_environment(self) -> tuple[Environment, ...]:
        """All of them, by name."""
        ...

    def deployment(self, environment: str, model: str) -> Deployment | None: ...

    def document(self, path: str) -> bytes | None:
        """One of the records of `domain.documents`, by its path."""
        ...

    def documents(self, under: str) -> tuple[tuple[str, bytes], ...]:
        """All such records below the folder `under`, with their paths, in the order of these."""
        ...


class Snapshot(Records, Protocol):
    """The registry at one moment, and what is to be found in it."""

    def numbers(self, model: str) -> tuple[int, ...]:
        """The numbers of all its versions, tombstones too, ascending."""
        ...

    def labelled(self, model: str, label: str) -> int | None:
        """The number of the version with that label, a tombstone's too."""
        ...

    def identified(self, model_id: str) -> tuple[str, int] | None:
        """The model and number that go by that model id, a tombstone's too."""
        ...

    def in_stage(self, model: str, stage: str) -> tuple[int, ...]:
        """The numbers of the model's live versions in that stage, ascending."""
        ...

    def deployments_of(self, model: str) -> tuple[Deployment, ...]:
        """Its deployments in all environments, emptied ones too."""
        ...

    def deployed_in(self, environment: str) -> tuple[str, ...]:
        """The models that have a version deployed there."""
        ...

    def placed_in(self, environment: str) -> tuple[str, ...]:
        """The models that have a deployment's record there, emptied ones too."""
        ...

    def was_deployed(self, environment: str, model: str, number: int) -> bool:
        """Whether that version is or ever was declared there, by the name that the model has now."""
        ...

    def authors(self, model: str, number: int) -> tuple[str, ...]:
        """Who registered the version or changed what it is: record, files, and when they were fixed."""
        ...

    def traces(self, environment: str, model: str) -> tuple[Trace, ...]:
        """What was declared for the model there and what its target was seen to be, in that order.

        Since the name is that model's. What instances outside report is not among it.
        """
        ...

    def model_touched(self, name: str) -> str | None:
        """The last commit that touched the model's own record; None if there is none.

        The `touched` methods give "" for a change of the batch under way,
        whose commit nobody can have seen.
        """
        ...

    def version_touched(self, model: str, number: int) -> str | None:
        """The last commit that touched the version: its record, its files, or where it is deployed."""
        ...

    def deployment_touched(self, environment: str, model: str) -> str | None:
        """The last commit that touched the deployment."""
        ...

    def environment_touched(self, name: str) -> str | None:
        """The last commit that touched the environment's record."""
        ...

    def document_touched(self, path: str) -> str | None:
        """The last commit that touched such a record; None if it is not there."""
        ...

    def document_log(self, path: str) -> tuple[Entry, ...]:
        """What every change said that wrote or removed such a record, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What a change does: files to write or (None) remove, and what its commit says.

    No edits and no `subject` means that it is done already: no commit.
    `deployed` is what is declared for the model in the environment from then on: a
    version's number or `none`. `renamed` is the name that `model` had before,
    `proposal` the one that it carries out, `mark` what sets the change apart for ever,
    `moved` what it does for each of several models that it moves at once.
    """

    subject: str
    model: str | None = None
    number: int | None = None
    environment: str | None = None
    also: tuple[int, ...] = ()
    edits: Mapping[str, bytes | None] = field(default_factory=dict)
    deployed: str | None = None
    body: str = ""
    renamed: str | None = None
    proposal: str | None = None
    mark: str | None = None
    moved: tuple[Moved, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether the state is as the change wants it, so that no commit is needed."""
        return not self.subject
