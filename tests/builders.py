"""Small makers of changes, and a registry that lives in an index alone: for tests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import muster.domain.break_glass
import muster.domain.evaluations
import muster.domain.filing
import muster.domain.granting
import muster.domain.placing
import muster.domain.proposing
import muster.domain.purging
import muster.domain.redacting
import muster.domain.releasing
import muster.domain.requirements
import muster.domain.ruling  # noqa: F401  they register their plans
from muster.domain import changes as c
from muster.domain import documents
from muster.domain.errors import MusterError
from muster.domain.messages import Entry
from muster.domain.names import model_id
from muster.domain.plan import plan
from muster.domain.records import Artifact, Config, Environment, Version
from muster.domain.snapshot import Plan
from muster.service.ports import Index, Transaction
from muster.service.values import Logged

ADA = c.Actor("ada")
START = datetime(2026, 1, 1, 9, tzinfo=UTC)


def a_version(model: str = "digits", number: int = 1, label: str | None = "v1", **fields: Any) -> Version:
    """A version's record."""
    fields.setdefault("model_id", model_id(model, label, number))
    return Version(model, number, label, **fields)


def register(model: str = "digits", label: str | None = "v1", **fields: Any) -> c.RegisterVersion:
    """A registration, complete unless told otherwise."""
    fields.setdefault("description", "handwritten digits")
    fields.setdefault("training_data", "digits of 1,797 forms")
    return c.RegisterVersion(model, label, **fields)


def deploy(
    model: str = "digits", number: int = 1, environment: str = "production", **fields: Any
) -> c.Deploy:
    """A deployment."""
    return c.Deploy(model, number, environment, **fields)


def an_environment(name: str = "canary", **fields: Any) -> Environment:
    """An environment of one's own."""
    return Environment(name, **fields)


def an_artifact(path: str = "model.onnx", content: bytes = b"weights") -> Artifact:
    """A file of that content."""
    return Artifact(path, len(content), hashlib.sha256(content).hexdigest())


def a_config(**fields: Any) -> Config:
    """How a version runs."""
    return Config(**fields)


def an_entry(
    change: c.Change,
    planned: Plan,
    time: datetime,
    *,
    actor: c.Actor = ADA,
    reason: str = "",
    request: tuple[str, str] | None = None,
) -> Entry:
    """What the commit of a planned change says."""
    seen = change if isinstance(change, c.Observe) else None
    return Entry(
        kind=change.kind,
        subject=planned.subject,
        reason=reason or planned.body,
        actor=actor.name,
        auth=actor.auth,
        time=time,
        model=planned.model,
        number=planned.number,
        environment=planned.environment,
        also=planned.also,
        deployed=planned.deployed,
        request=request,
        observed=seen.state if seen else None,
        instance=seen.instance if seen else None,
        digest=seen.digest if seen else None,
        renamed=planned.renamed,
        records=documents.named(planned.edits),
        proposal=planned.proposal,
        mark=planned.mark,
        moved=planned.moved,
    )


def project(transaction: Transaction, change: c.Change, time: datetime = START, **said: Any) -> int:
    """Plan and project one change: its position. Whoever calls seals."""
    planned = plan(change, transaction)
    return transaction.project(an_entry(change, planned, time, **said), planned.edits)


def a_commit(position: int) -> str:
    """An id for the commit at that position: 40 hex digits, no two alike."""
    return hashlib.sha256(f"commit {position}".encode()).hexdigest()[:40]


@dataclass
class Story:
    """Changes as they happen: planned, projected and sealed, one transaction each.

    It keeps the log and the tree as Git would, so that an index can be rebuilt
    from it. Each change comes a second after the one before.
    """

    index: Index
    log: list[tuple[str, Entry]] = field(default_factory=list)
    tree: dict[str, bytes] = field(default_factory=dict)
    edits: list[Mapping[str, bytes | None]] = field(default_factory=list)
    time: datetime = START

    def begin(self) -> Story:
        """The first commit, with the environments that every registry has."""
        self.do(c.Initialize())
        return self

    def do(self, *changes: c.Change, **said: Any) -> list[Logged]:
        """Each change in a transaction of its own; those that change nothing give no row."""
        return [logged for change in changes for logged in self.batch([change], **said)]

    def batch(self, changes: Sequence[c.Change], *, skip_refused: bool = False, **said: Any) -> list[Logged]:
        """All changes in one transaction; one that is refused undoes the batch, or is skipped."""
        told = Story(self.index, list(self.log), dict(self.tree), list(self.edits), self.time)
        made = list[Logged]()
        with self.index.transaction() as transaction:
            for change in changes:
                try:
                    with transaction.savepoint():
                        made += told._one(change, transaction, said)
                except MusterError:
                    if not skip_refused:
                        raise
            transaction.seal([logged.commit for logged in made])
        self.log, self.tree, self.edits, self.time = told.log, told.tree, told.edits, told.time
        return made

    def _one(self, change: c.Change, transaction: Transaction, said: dict[str, Any]) -> list[Logged]:
        planned = plan(change, transaction)
        if planned.nothing:
            return []
        self.time += timedelta(seconds=1)
        entry = an_entry(change, planned, self.time, **said)
        position = transaction.project(entry, planned.edits)
        commit = a_commit(position)
        self.log.append((commit, entry))
        self.edits.append(planned.edits)
        apply(self.tree, planned.edits)
        return [Logged(position, commit, entry)]

    @property
    def head(self) -> str:
        """The newest commit."""
        return self.log[-1][0]

    def until(self, position: int) -> Story:
        """The same story as it was at that position, without its index."""
        told = Story(self.index, self.log[:position], {}, self.edits[:position])
        for edits in told.edits:
            apply(told.tree, edits)
        return told

    def in_tree_order(self) -> list[tuple[str, bytes]]:
        """The tree as Git walks it: paths by their bytes."""
        return sorted(self.tree.items(), key=lambda item: item[0].encode())

    def retell(self, index: Index) -> None:
        """Rebuild another index from log and tree."""
        index.rebuild(self.head, self.log, self.in_tree_order())


def apply(tree: dict[str, bytes], edits: Mapping[str, bytes | None]) -> None:
    """Put `edits` into `tree`."""
    for path, data in edits.items():
        if data is None:
            tree.pop(path, None)
        else:
            tree[path] = data
