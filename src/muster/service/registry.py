"""The one door: every change goes through `submit`, every read of the present comes from here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from copy import copy
from dataclasses import dataclass
from pathlib import Path

from muster.domain.banning import ban_paths, file_ban_path, objection
from muster.domain.changes import Actor, AttachFile, Change, Facts, Finalize, RenameModel
from muster.domain.errors import Denied, Immutable, MusterError, NotFound, Purged
from muster.domain.judging import NO_RULES, Case, Rules
from muster.domain.messages import rfc3339
from muster.domain.names import Reference, card_path
from muster.domain.objections import objections, unconditional
from muster.domain.plan import live_version, plan
from muster.domain.records import Artifact, Deployment, Environment, Fields, Json, Version
from muster.domain.snapshot import Plan
from muster.domain.views import deployment_view, model_view
from muster.service.committer import Committer
from muster.service.ports import ArtifactStore, Clock, History, IndexReads, Inspector
from muster.service.submissions import Recorded, Request, repeated
from muster.service.tracing import Flags
from muster.service.values import ChangeFilter, Found, Logged


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change would do: its subject, each file before and after, and every objection.

    `effects` says what would happen where versions run, a sentence each.
    """

    subject: str
    edits: tuple[tuple[str, bytes | None, bytes | None], ...] = ()
    objections: tuple[MusterError, ...] = ()
    nothing: bool = False
    effects: tuple[str, ...] = ()


class Registry:
    """The registry as its users see it. Reads are short; `submit` gives a future."""

    def __init__(
        self,
        *,
        index: IndexReads,
        history: History,
        committer: Committer,
        artifacts: ArtifactStore,
        inspector: Inspector,
        clock: Clock,
        rules: Rules = NO_RULES,
    ) -> None:
        self.index = index
        self.history = history
        self.flags = Flags(index)
        self.whole = index
        self.artifacts = artifacts
        self._committer = committer
        self._inspector = inspector
        self._clock = clock
        self._rules = rules

    def seen_through(self, index: IndexReads, history: History) -> Registry:
        """The same registry with its reads through these; writes are planned upon all of it."""
        seen = copy(self)
        seen.index, seen.history = index, history
        seen.flags = Flags(self.whole, index)
        return seen

    # ------------------------------------------------------------ writes

    def submit(
        self, change: Change, actor: Actor, reason: str = "", request: Request | None = None
    ) -> Future[Recorded]:
        """Have `change` recorded: the future gives its commit, or raises why it was refused.

        Raises (from the future):
            Invalid, NotFound, Conflict, Denied: refused; nothing was written.
            StorageFull, Unavailable: not written; the same request may succeed later.
            OutcomeUnknown: repeat it with the same idempotency key.
        """
        return self._committer.submit(change, actor, reason, request)

    def answered(self, request: Request) -> Recorded | None:
        """What was recorded for the same request, made before with the same key.

        Raises:
            KeyReused: the key came with another request.
        """
        found = self.index.answered(request.key)
        return None if found is None else repeated(request, *found)

    def admit(self, change: Change, actor: Actor) -> None:
        """Return if `actor` may ask for `change` at all. Raises Denied, and NotFound for what is hidden."""
        with self.whole.snapshot() as before:
            self._rules.admit(change, actor, before)

    def preview(self, change: Change, actor: Actor, reason: str = "") -> Preview:
        """What `change` would do now, without doing it; with objections, what it would do without them."""
        with self.whole.snapshot() as before:
            self._rules.admit(change, actor, before)
            against = objections(change, before)
            try:
                planned = unconditional(change, before) if against else plan(change, before)
            except MusterError:  # one of `against`
                return Preview("", objections=against)
            if not planned.nothing:
                case = Case(change, actor, reason, self._clock(), planned)
                against += tuple(Denied([each]) for each in self._rules.objections(case, before))
        head = self.index.head()
        edits = tuple(
            (path, self.history.read(head, path) if head else None, after)
            for path, after in sorted(planned.edits.items())
        )
        return Preview(planned.subject, edits, against, planned.nothing)

    def check(self, change: Change, actor: Actor, reason: str = "") -> Plan:
        """Plan and judge `change` against the present state, to learn early why it would be refused."""
        with self.whole.snapshot() as before:
            return self._rules.planned(change, actor, reason, self._clock(), before)

    # ------------------------------------------------------------ versions

    def find(self, model_id: str) -> Found:
        """The live version of that model id. Raises NotFound."""
        found = self.index.find(model_id)
        if found is None:
            raise NotFound("model", model_id)
        return found

    def locate(self, text: str) -> Found:
        """The version that a person means by `text`: a model id, or a reference. Raises NotFound."""
        if (found := self.index.find(text)) is not None:
            return found
        reference = Reference.parse(text)
        place = self.index.resolve(reference) if reference else None
        if place is None:
            raise NotFound("version", text)
        return self.numbered(*place)

    def numbered(self, model: str, number: int) -> Found:
        """The live version by its number. Raises NotFound."""
        found = self.index.find_number(model, number)
        if found is None:
            raise NotFound("version", f"{model}/{number}")
        return found

    def version(self, model: str, number: int) -> Version:
        """The live version as a value. Raises NotFound."""
        with self.index.snapshot() as now:
            return live_version(now, model, number)

    def record(self, model_id: str) -> dict[str, Json]:
        """The record of a version, as the API shows it. Raises NotFound."""
        record: dict[str, Json] = json.loads(self.find(model_id).document)
        return record

    def version_history(
        self, model: str, number: int, *, before: int | None = None, limit: int = 1000
    ) -> list[Logged]:
        """The changes that name the version, newest first."""
        return self.index.changes(ChangeFilter(model=model, number=number), before=before, limit=limit)

    # ------------------------------------------------------------ models, environments, deployments

    def model(self, name: str) -> tuple[dict[str, Json], str]:
        """The record of a model with its card, and the commit that touched it last. Raises NotFound."""
        found = self.index.model_record(name)
        head = self.index.head()
        if found is None or head is None:
            raise NotFound("model", name)
        model, touched, created, updated = found
        card = self.history.read(head, card_path(name))
        return model_view(model, created, updated, card.decode() if card else None), touched

    def renaming(self, name: str, new_name: str) -> RenameModel:
        """The change that renames a model, with the card that moves along."""
        head = self.index.head()
        card = self.history.read(head, card_path(name)) if head else None
        return RenameModel(name, new_name, card.decode() if card else "")

    def environment(self, name: str) -> tuple[Environment, str]:
        """An environment and the commit that touched it last. Raises NotFound."""
        for environment, touched in self.index.environments():
            if environment.name == name:
                return environment, touched
        raise NotFound("environment", name)

    def deployment(self, environment: str, model: str) -> tuple[Deployment, Logged] | None:
        """What is declared for the model there and the change that declared it; None if nothing is.

        Raises NotFound if there is no such environment.
        """
        self.environment(environment)
        return next(iter(self.index.deployments(environment, model)), None)

    def deployment_record(self, deployment: Deployment, by: Logged) -> dict[str, Json]:
        """A deployment as the API shows it, with who declared it, when and why."""
        found = self.index.find_number(deployment.model, deployment.version) if deployment.version else None
        label = json.loads(found.document)["version"] if found else None
        return deployment_view(deployment, found.model_id if found else None, label) | {"by": change_view(by)}

    # ------------------------------------------------------------ files

    def attach(
        self,
        model: str,
        number: int,
        path: str,
        chunks: Iterable[bytes],
        actor: Actor,
        *,
        expected: str | None = None,
        reason: str = "",
        request: Request | None = None,
    ) -> tuple[Artifact, Recorded]:
        """Store the bytes and make them a file of a pending version. Blocks.

        Raises:
            Invalid: the bytes do not hash to `expected`; nothing stays behind.
            Immutable: the version takes no more files.
        """
        version = self.version(model, number)
        if version.state != "pending" and (version.files or version.files_attached):
            raise Immutable(f"{version.model_id} is final: its files are fixed; register a new version")
        with self.artifacts.bringing():
            stored = self.artifacts.put(chunks, expected)
            file = Artifact(path, stored.size, stored.sha256)
            recorded = self.submit(AttachFile(model, number, file), actor, reason, request).result()
        return file, recorded

    def finalize(
        self,
        model: str,
        number: int,
        actor: Actor,
        reason: str = "",
        request: Request | None = None,
        facts: Facts | None = None,
    ) -> Recorded:
        """Fix the set of files for ever, with the signature read from them. Blocks."""
        return self.submit(self.finalization(model, number, facts), actor, reason, request).result()

    def finalization(self, model: str, number: int, facts: Facts | None = None) -> Finalize:
        """The change that fixes a version's files, with the signature read from them. Blocks."""
        version = self.version(model, number)
        signature = self.signature(version.files) if version.state == "pending" else None
        return Finalize(model, number, signature, facts or Facts())

    def signature(self, files: Sequence[Artifact]) -> Fields | None:
        """The signature of the model among `files`, which are in the store; see `Inspector`. Blocks."""
        return self._inspector.signature(files)

    def file(self, model: str, number: int, path: str) -> Artifact:
        """A file of a live version. Raises NotFound."""
        for file in self.version(model, number).files:
            if file.path == path:
                return file
        raise NotFound("file", f"{model}/{number}/{path}")

    def bytes_of(self, file: Artifact, place: tuple[str, int] | None = None) -> Path:
        """Where the bytes are that somebody downloads: of a file of the version at `place`, if of one.

        Raises:
            Denied: the version is banned, or the file is.
            Purged: the version's files were removed for good.
            NotFound: they are not in the store.
        """
        if place is None:
            self._check_free([file_ban_path(file.sha256)], f"the file {file.path}")
        else:
            self.usable(*place, file.path)
        return self.artifacts.path(file.sha256)

    def usable(self, model: str, number: int, path: str = "") -> Version:
        """The version, if what it holds may be taken: downloaded (the file at `path`), or copied.

        Raises:
            NotFound: it is not there.
            Denied: it is banned, or a file of it is.
            Purged: its files were removed for good.
        """
        version = self.version(model, number)
        self._check_free(ban_paths(version), version.reference)
        if version.purged:
            raise self._purged(version, path)
        return version

    def _check_free(self, bans: Iterable[str], what: str) -> None:
        for path in bans:
            if (ban := self.whole.document(path)) is not None:
                raise Denied([objection(path, what, ban.by.entry)])

    def _purged(self, version: Version, path: str) -> Purged:
        of_version = ChangeFilter(model=version.model, number=version.number, kinds=("purge",))
        why = "its bytes were purged"
        for logged in self.index.changes(of_version, limit=1):
            why += f" by {logged.entry.actor} on {logged.entry.time:%Y-%m-%d}"
            why += f": {logged.entry.reason}" if logged.entry.reason else ""
        return Purged(f"{version.reference}/{path}".removesuffix("/"), why)


def change_view(logged: Logged) -> dict[str, Json]:
    """A change as histories show it; what does not apply is left out."""
    entry = logged.entry
    view: dict[str, Json] = {
        "commit": logged.commit,
        "position": logged.position,
        "time": rfc3339(entry.time),
        "actor": entry.actor,
        "verified": entry.auth not in ("none", "import"),
        "change": entry.kind,
        "reason": entry.reason,
        "message": entry.subject,
    }
    optional = {
        "model": entry.model,
        "number": entry.number,
        "environment": entry.environment,
        "deployed": entry.deployed,
        "observed": entry.observed,
        "instance": entry.instance,
        "digest": entry.digest,
        "proposal": entry.proposal,
        "mark": entry.mark,
        "moved": [
            {"model": each.model, "number": each.number, "deployed": each.deployed} for each in entry.moved
        ]
        or None,
        "imported": True if entry.auth == "import" else None,
    }
    return view | {key: value for key, value in optional.items() if value is not None}
