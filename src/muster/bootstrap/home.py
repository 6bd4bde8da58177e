"""A home, put together: every back end behind its port, every use case with what it needs."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from muster.artifacts.disk import DiskStore
from muster.artifacts.uploads import DiskUploads
from muster.bootstrap import mirroring, proving, telling
from muster.bootstrap.folder import Folder
from muster.bootstrap.judges import rules
from muster.credentials.store import CredentialFile
from muster.domain.changes import Initialize
from muster.domain.errors import Conflict, MusterError, NotFound, Unavailable
from muster.gitstore.builder_process import BuilderProcess
from muster.gitstore.history import GitHistory
from muster.gitstore.litter import sweep
from muster.gitstore.program import require_git
from muster.gitstore.repository import Repository
from muster.gitstore.reserve import Reserve
from muster.gitstore.store import GitStore
from muster.gitstore.upkeep import Upkeep
from muster.index.checkpoints import Checkpoints
from muster.index.store import SqlIndex
from muster.required.cards import MarkdownCards
from muster.service.accounts import Accounts
from muster.service.committer import Committer
from muster.service.deployer import Deployer
from muster.service.follow import Follower
from muster.service.gate import Gate
from muster.service.inbox import Inbox
from muster.service.mirroring import Mirror
from muster.service.notary import Notary, Rounds
from muster.service.observing import MUSTER, Observer
from muster.service.operations import Operations
from muster.service.past import Past
from muster.service.proposal_views import ProposalViews
from muster.service.proposals import Proposals
from muster.service.purging import Purger
from muster.service.reconcile import Reconciler
from muster.service.registry import Registry
from muster.service.telling import Telling
from muster.service.tending import Tending, alarmed
from muster.service.values import Logged
from muster.serving.gateway import Gateway, Limits
from muster.serving.inspect import ChildInspector
from muster.serving.programs import Programs
from muster.serving.routes import RouteTable
from muster.serving.runtimes import RuntimeChoice, Runtimes
from muster.serving.venvs import DAY_S, Venvs
from muster.settings import Settings
from muster.targets.pool import Timing
from muster.targets.process import ProcessTarget

Crash = Callable[[str], None]

_BETWEEN_S: Final = 0.5


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


class Listeners:
    """Those who want to hear of what was recorded, in the committer's thread."""

    def __init__(self) -> None:
        self._all: list[Callable[[Sequence[Logged]], None]] = []

    def add(self, listener: Callable[[Sequence[Logged]], None]) -> None:
        self._all.append(listener)

    def __call__(self, logged: Sequence[Logged]) -> None:
        for listener in self._all:
            listener(logged)


class Transitions:
    """Passes a target's transitions on to the observer, which is made after the target."""

    observer: Observer | None = None

    def __call__(self, environment: str, model: str) -> None:
        if self.observer is not None:
            self.observer.transition(environment, model)


@dataclass(frozen=True, slots=True)
class Storage:
    """What keeps a registry: Git, the artifacts, what was uploaded for later, the index."""

    folder: Folder
    repository: Repository
    store: GitStore
    history: GitHistory
    artifacts: DiskStore
    uploads: DiskUploads
    index: SqlIndex
    credentials: CredentialFile
    follower: Follower

    def read(self, path: str) -> bytes | None:
        """The file at `path` of the repository as the branch says it."""
        head = self.store.head()
        return self.history.read(head, path) if head is not None else None

    @classmethod
    def open(
        cls, settings: Settings, crash: Crash, stack: ExitStack, *, serving: bool, checked: bool
    ) -> Storage:
        """Open it, or make it in an empty folder. A damaged index is thrown away if it is `checked`.

        `serving`, it has Git's objects made beside, in a process that `stack` ends.
        """
        folder = Folder(settings.home)
        with folder.writing():  # two processes may be making it
            repository = Repository(folder.repository)
        builder = BuilderProcess(repository) if serving else None
        if builder is not None:
            stack.callback(builder.close)
        store, history = GitStore(repository, crash, builder), GitHistory(repository)
        artifacts = DiskStore(folder.repository / "lfs", settings.min_free_bytes)
        uploads = DiskUploads(folder.uploads, settings.min_free_bytes)
        index = SqlIndex(folder.index, checked=checked)
        stack.callback(index.close)
        credentials = CredentialFile(folder.path / "secrets" / "credentials.db")
        stack.callback(credentials.close)
        follower = Follower(store, history, index)
        return cls(folder, repository, store, history, artifacts, uploads, index, credentials, follower)


@dataclass(frozen=True, slots=True)
class Home:
    """A registry that is open. Several processes may hold one home open; one of them may serve it."""

    settings: Settings
    storage: Storage
    registry: Registry
    gate: Gate
    inbox: Inbox
    past: Past
    deployer: Deployer
    proposals: Proposals
    proposal_views: ProposalViews
    observer: Observer
    reconciler: Reconciler
    gateway: Gateway
    telling: Telling
    target: ProcessTarget
    purger: Purger
    venvs: Venvs | None
    notary: Notary
    mirror: Mirror | None
    recorded: Listeners
    cards: MarkdownCards

    def up_to_date(self) -> bool:
        """Whether the index says what the branch says.

        Between the two lies a moment of every write, which is waited for: a server
        under writing clients is ready.
        """
        until = time.monotonic() + _BETWEEN_S
        while self.storage.store.head() != self.storage.index.head():
            if time.monotonic() > until:
                return False
            time.sleep(_BETWEEN_S / 100)
        return True


@contextmanager
def open_home(settings: Settings, *, serving: bool = False, checked: bool = False) -> Iterator[Home]:
    """Open the home that `settings` names, making a new registry of an empty folder.

    With `serving` it also sweeps up what a crash left behind, repacks, brings back
    what is declared, and records what it observes; the caller holds the home's
    right to serve. With `checked`, as when serving, an index that is damaged
    anywhere is made anew.

    Raises:
        Invalid: the folder holds something that is no registry.
        Unavailable: no usable Git, or the folder cannot be written to.
    """
    require_git()
    crash = crash_at(settings.crash_at)
    with ExitStack() as stack:
        storage = Storage.open(settings, crash, stack, serving=serving, checked=serving or checked)
        run_dir = storage.folder.run if serving else stack.enter_context(storage.folder.private())
        home = _assemble(settings, storage, run_dir, crash, stack)
        _begin(home, serving=serving)
        stack.callback(home.target.close)
        if serving:
            _keep_going(home, stack)
        yield home


def _assemble(settings: Settings, storage: Storage, run_dir: Path, crash: Crash, stack: ExitStack) -> Home:
    """Every use case with what it needs."""
    recorded = Listeners()
    cards = MarkdownCards(storage.read)
    judged = rules(cards)
    recorded.add(alarmed)
    committer = Committer(
        storage.store,
        storage.index,
        storage.follower,
        clock=now,
        lock=storage.folder.writing,
        reserve=Reserve(storage.folder.run / "reserve", settings.reserve_bytes),
        rules=judged,
        crash=crash,
        after=recorded,
    )
    stack.callback(committer.close)
    artifacts = storage.artifacts
    registry = Registry(
        index=storage.index,
        history=storage.history,
        committer=committer,
        artifacts=artifacts,
        inspector=ChildInspector(artifacts.path, settings.surroundings, run_dir / "inspected"),
        clock=now,
        rules=judged,
    )
    venvs = _venvs(settings, storage.folder, stack)
    routes = RouteTable()
    transitions = Transitions()
    runtimes = Runtimes.installed()
    target = ProcessTarget(
        artifact=artifacts.path,
        run_dir=run_dir,
        routes=routes,
        runtime_for=RuntimeChoice(runtimes, lambda file: artifacts.path(file.sha256)),
        program_for=Programs(runtimes, artifacts.path, storage.folder.venvs, venvs),
        on_transition=transitions,
        environ=settings.surroundings,
        timing=Timing(start_timeout_s=settings.start_timeout_s, drain_timeout_s=settings.drain_timeout_s),
        crash=crash,
    )
    targets = {"process": target}
    deployer = Deployer(
        registry,
        targets,
        Operations(now),
        start_timeout_s=settings.start_timeout_s,
        standby=settings.standby,
        crash=crash,
    )
    observer = Observer(registry, targets, clock=now, report_ttl_s=settings.report_ttl_s)
    transitions.observer = observer
    gateway = Gateway(
        routes,
        lambda environment, model: _why_not_routed(registry, environment, model),
        Limits(body_bytes=settings.serve_max_body_bytes, hold_s=settings.hold_timeout_s),
    )
    gate = Gate(storage.index, storage.credentials, now)
    recorded.add(gate.recorded)
    return Home(
        settings=settings,
        storage=storage,
        registry=registry,
        gate=gate,
        inbox=Inbox(artifacts, storage.uploads),
        past=Past(storage.index, storage.history),
        deployer=deployer,
        proposals=Proposals(registry, deployer, now),
        proposal_views=ProposalViews(registry, judged, now),
        observer=observer,
        reconciler=Reconciler(registry, deployer, storage.follower),
        gateway=gateway,
        telling=telling.telling(settings, storage.folder, storage.index, now, stack),
        target=target,
        purger=Purger(registry, artifacts, storage.uploads, crash),
        venvs=venvs,
        notary=proving.notary(
            settings,
            storage.folder,
            index=storage.index,
            history=storage.history,
            follower=storage.follower,
            clock=now,
        ),
        mirror=mirroring.mirror(
            settings, storage.repository, storage.store, storage.index, storage.folder.run, now
        ),
        recorded=recorded,
        cards=cards,
    )


def _venvs(settings: Settings, folder: Folder, stack: ExitStack) -> Venvs | None:
    """Environments of models' own, unless the settings say that there are to be none."""
    if settings.venv == "server":
        return None
    venvs = Venvs(
        folder.venvs,
        settings.surroundings,
        timeout_s=settings.venv_timeout_s,
        keep_s=settings.venv_keep_days * DAY_S,
    )
    stack.callback(venvs.close)
    return venvs


def _keep_going(home: Home, stack: ExitStack) -> None:
    """Start what a server does by itself, and have it stopped in the reverse order."""
    upkeep = Upkeep(home.storage.repository, packs=home.settings.repack_every)
    upkeep.start()
    stack.callback(upkeep.stop)
    home.recorded.add(lambda _: upkeep.maybe_run())
    checkpoints = Checkpoints(home.storage.index.path)
    checkpoints.start()
    stack.callback(checkpoints.stop)
    home.recorded.add(lambda _: checkpoints.wrote())
    home.recorded.add(home.reconciler.recorded)
    home.recorded.add(Accounts(home.registry.index, home.gate).recorded)
    if home.venvs is not None:  # beside the rest: an old environment may be some gigabytes
        threading.Thread(target=home.venvs.prune, name="muster-venvs", daemon=True).start()
    if (every := proving.every(home.settings)) is not None:
        rounds = Rounds(home.notary, every, now)
        rounds.start()
        stack.callback(rounds.stop)
    if home.mirror is not None:
        home.mirror.start()
        stack.callback(home.mirror.stop)
    home.recorded.add(telling.begun(home.telling, home.storage.index, now, stack))
    home.observer.start()
    stack.callback(home.observer.close)
    home.reconciler.start()
    stack.callback(home.reconciler.close)
    tending = Tending(home.proposals)
    tending.start()
    stack.callback(tending.stop)


def _begin(home: Home, *, serving: bool) -> None:
    """Sweep, bring the index up to date, and write the first commit of a new registry."""
    storage = home.storage
    with storage.folder.writing():
        if serving:
            storage.folder.sweep()
            sweep(storage.repository)
            storage.artifacts.sweep()
            storage.uploads.sweep()
        storage.follower.catch_up()
        home.notary.settle()
    if storage.index.head() is None:
        with suppress(Conflict):  # another process was faster
            home.registry.submit(Initialize(), MUSTER).result()
    if serving:
        home.purger.make_good()


def _why_not_routed(registry: Registry, environment: str, model: str) -> MusterError:
    """What the gateway says where no traffic is routed; Unavailable if something will be."""
    try:
        found = registry.deployment(environment, model)
    except NotFound as error:
        return error
    if found is None:
        return NotFound("deployment", f"nothing of {model!r} is deployed in {environment}")
    if found[0].recorded:
        return NotFound("deployment", f"{model!r} is only recorded in {environment}, without files")
    return Unavailable(f"{model!r} is coming up in {environment}")


def crash_at(wanted: str) -> Crash:
    """A hook that kills this process when it passes the point `name`, or for the nth time `name:n`."""
    name, _, count = wanted.partition(":")
    left = int(count or 1)

    def crash(point: str) -> None:
        nonlocal left
        if point == name:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return crash if name else lambda _: None
