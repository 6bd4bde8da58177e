"""What can happen to models, versions and their files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from muster.domain.changes.base import UNSET, Change, Unset
from muster.domain.records import Artifact, Fields, Kind


@dataclass(frozen=True, slots=True)
class RegisterVersion(Change):
    """A new version, final at once, or `pending` until its files are finalized.

    `files` are in the artifact store already. Without `new_model` the model must be there.
    An import may say which `number` the version had; then it keeps that one, be it that
    numbers before it are skipped.
    """

    kind: ClassVar[str] = "register"
    model: str
    label: str | None = None
    description: str = ""
    training_data: str | Fields | None = None
    stage: str = "development"
    owner: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Fields = field(default_factory=dict)
    source: Fields | None = None
    model_kind: Kind = "model"
    bases: tuple[Fields, ...] = ()
    external: Fields | None = None
    files: tuple[Artifact, ...] = ()
    signature: Fields | None = None
    pending: bool = False
    imported: Fields | None = None
    number: int | None = None
    new_model: bool = True


@dataclass(frozen=True, slots=True)
class CreateModel(Change):
    """A model without versions."""

    kind: ClassVar[str] = "create-model"
    model: str
    owner: str | None = None
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    card: str | None = None
    imported: Fields | None = None


@dataclass(frozen=True, slots=True)
class UpdateModel(Change):
    """New values for what `UNSET` does not leave alone; `tags` maps a key to None to remove it.

    `imported` is what an import says anew of the times elsewhere, here and where it is below.
    """

    kind: ClassVar[str] = "update-model"
    model: str
    owner: str | Unset | None = UNSET
    description: str | Unset = UNSET
    tags: Mapping[str, str | None] = field(default_factory=dict)
    card: str | Unset | None = UNSET
    imported: Fields | None = None
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class TagModel(Change):
    """Tags of a model set, or with None removed. What the model is stays as it is, and when it changed."""

    kind: ClassVar[str] = "tag-model"
    model: str
    tags: Mapping[str, str | None]
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class RenameModel(Change):
    """The model with all its versions goes by another name; the old one is free.

    `card` is the model's card as it stands, which moves along.
    """

    kind: ClassVar[str] = "rename"
    model: str
    new_name: str
    card: str = ""
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class UpdateVersion(Change):
    """New values for what may change of a version; `tags` as in `UpdateModel`."""

    kind: ClassVar[str] = "update"
    model: str
    number: int
    owner: str | Unset | None = UNSET
    description: str | Unset = UNSET
    tags: Mapping[str, str | None] = field(default_factory=dict)
    imported: Fields | None = None
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class SetStage(Change):
    """A stage set by hand; it never counts as deployed.

    With `archive_others` every other version in that stage becomes archived.
    """

    kind: ClassVar[str] = "stage"
    model: str
    number: int
    stage: str
    archive_others: bool = False
    imported: Fields | None = None
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class SetAlias(Change):
    """`alias` now means version `number`, or nothing if that is None."""

    kind: ClassVar[str] = "alias"
    model: str
    alias: str
    number: int | None
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class AttachFile(Change):
    """A file, in the artifact store already, becomes part of a pending version."""

    kind: ClassVar[str] = "attach"
    model: str
    number: int
    file: Artifact


@dataclass(frozen=True, slots=True)
class DetachFile(Change):
    """A file is taken out of a pending version again."""

    kind: ClassVar[str] = "detach"
    model: str
    number: int
    path: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What made a version, as far as somebody can say."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Fields = field(default_factory=dict)
    training_data: str | Fields | None = None
    source: Fields | None = None


@dataclass(frozen=True, slots=True)
class Finalize(Change):
    """The set of files is fixed for ever; `signature` was read from them.

    `facts` fill in what the record does not say, and change nothing that it says: who
    brings the files may know more than who registered the version.
    """

    kind: ClassVar[str] = "finalize"
    model: str
    number: int
    signature: Fields | None = None
    facts: Facts = field(default_factory=Facts)


@dataclass(frozen=True, slots=True)
class DeleteVersion(Change):
    """The version goes; its record stays as a tombstone."""

    kind: ClassVar[str] = "delete"
    model: str
    number: int
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteModel(Change):
    """The model goes with all its versions; the records stay as tombstones."""

    kind: ClassVar[str] = "delete-model"
    model: str
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class Note(Change):
    """Words about a version; no record changes. `message` becomes the subject, as it is."""

    kind: ClassVar[str] = "note"
    model: str
    number: int
    message: str
