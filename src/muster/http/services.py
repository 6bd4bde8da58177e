"""What the handlers call, and where what blocks may run."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, TypeVar

from muster.domain.changes import Actor
from muster.domain.errors import MusterError
from muster.domain.policies import Evaluator
from muster.domain.requirements import Cards, Schemas
from muster.domain.rules import Calendar
from muster.service.deployer import Deployer
from muster.service.duties import Duties
from muster.service.entering import Entrance
from muster.service.exports import Exports
from muster.service.gate import Gate, Sight
from muster.service.inbox import Inbox
from muster.service.mirroring import Mirrored
from muster.service.notary import Notary
from muster.service.observing import Observer
from muster.service.past import Past
from muster.service.proposal_views import ProposalViews
from muster.service.proposals import Proposals
from muster.service.purging import Purger
from muster.service.registry import Registry
from muster.service.roster import Rosters
from muster.service.sights import SeenHistory
from muster.service.standings import Standings
from muster.service.telling import Telling
from muster.service.values import Logged

# Any mapping: each ASGI library has a type of its own for the same thing.
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
MAX_BODY: Final = 1 << 20
SIGHTS: Final = 16  # kept ready, of those who do not see everything

T = TypeVar("T")


class GatewayApp(Protocol):
    """An ASGI application that keeps connections open until it is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Mount:
    """An application that answers other paths than ours, in another protocol's words.

    A path of `paths` that ends in `/` stands for all below it, any other for itself.
    The application gets the request as it was sent, with `actor` and `services` in its
    scope, and answers its own errors; `refuse` says how one is answered that keeps a
    request from it. What it
    does by itself while the server runs lasts from `begin` to `end`, which may block for
    a second.
    """

    paths: tuple[str, ...]
    app: AsgiApp
    refuse: Callable[[MusterError], tuple[int, bytes]] | None = None
    begin: Callable[[], None] = lambda: None
    end: Callable[[], None] = lambda: None

    def takes(self, path: bytes) -> bool:
        """Whether a request of that raw path is for it."""
        return any(
            path.startswith(each.encode()) if each.endswith("/") else path == each.encode()
            for each in self.paths
        )


class Pool:
    """A bounded number of threads for one kind of blocking work; what is more waits its turn."""

    def __init__(self, name: str, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` gives, from one of the threads, with this task's context."""
        context = copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._executor, context.run, work)

    def close(self) -> None:
        """Take no more work; what runs goes on to its end."""
        self._executor.shutdown(wait=False, cancel_futures=True)


class Pools:
    """Reads, writes and files each have threads of their own, so that none holds up another."""

    def __init__(self) -> None:
        self.reads = Pool("reads", 8)
        self.writes = Pool("writes", 16)
        self.uploads = Pool("uploads", 32)
        self.downloads = Pool("downloads", 8)

    def close(self) -> None:
        for pool in (self.reads, self.writes, self.uploads, self.downloads):
            pool.close()


class Outcomes:
    """Brings what another thread answers to the event loop, waking it once for all that come together."""

    def __init__(self) -> None:
        self._arrived: deque[tuple[asyncio.Future[Any], Future[Any]]] = deque()

    async def of(self, outcome: Future[T]) -> T:
        """What `outcome` gives or raises. A caller who leaves does not take it back."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[T] = loop.create_future()

        def arrive(done: Future[T]) -> None:
            self._arrived.append((waiting, done))
            # With others before it somebody is on the way already.
            if len(self._arrived) == 1:
                with suppress(RuntimeError):  # the server has ended, and nobody waits any more
                    loop.call_soon_threadsafe(self._hand_out)

        outcome.add_done_callback(arrive)
        return await waiting

    def _hand_out(self) -> None:
        while self._arrived:
            waiting, done = self._arrived.popleft()
            if waiting.done():
                continue  # its caller has left
            if (error := done.exception()) is not None:
                waiting.set_exception(error)
            else:
                waiting.set_result(done.result())


class Changes:
    """Tells tasks of the event loop that something was recorded.

    Take a `ticket` before looking; `after` then returns at once if something was
    recorded since. `followers` is how many look until the server has `ended`.
    """

    def __init__(self) -> None:
        self.followers = 0
        self.ended = False
        self._count = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._happened = asyncio.Event()

    def poke(self, _: Sequence[Logged] = ()) -> None:
        """Something was recorded; any thread may say so."""
        loop = self._loop
        if loop is None or loop.is_closed():
            self._count += 1
        else:
            with suppress(RuntimeError):  # closed just now: nobody waits any more
                loop.call_soon_threadsafe(self._wake)

    def ticket(self) -> int:
        """How much had been recorded; call it from the event loop."""
        self._loop = asyncio.get_running_loop()
        return self._count

    async def after(self, ticket: int, timeout_s: float) -> float:
        """Return once anything was recorded after `ticket` was taken, or after `timeout_s` seconds.

        The answer is how many seconds that took.
        """
        happened, began = self._happened, time.monotonic()
        if self._count != ticket:
            return 0.0
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await happened.wait()
        return time.monotonic() - began

    @contextmanager
    def followed(self) -> Iterator[None]:
        """While somebody follows what is recorded for as long as the server runs."""
        self.followers += 1
        try:
            yield
        finally:
            self.followers -= 1

    def end(self) -> None:
        """The server is about to end: let those who follow know. Any thread may say so."""
        self.ended = True
        self.poke()

    def _wake(self) -> None:
        self._count += 1
        self._happened.set()
        self._happened = asyncio.Event()


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of the server: its value in words, never a secret, and where that came from."""

    name: str
    value: str
    origin: str
    about: str


@dataclass(frozen=True, slots=True)
class Setup:
    """How the server is set up. `packs` counts the packs of its repository, and blocks."""

    version: str = ""
    home: str = ""
    settings: Sequence[Setting] = ()
    packs: Callable[[], int] = lambda: 0


@dataclass(frozen=True, slots=True)
class Services:
    """All that the API needs of the rest.

    `gateway` is the ASGI application for `/serve`; `recorded` is given a listener
    that is to be told, in any thread, of what was recorded. `allowed_hosts` are
    names that a request's Host may hold beside those of the loopback interface.
    `whole` says whether all of the registry is seen; where not, `everything` is what sees it.
    """

    registry: Registry
    gate: Gate
    entrance: Entrance
    inbox: Inbox
    past: Past
    deployer: Deployer
    proposals: Proposals
    proposal_views: ProposalViews
    observer: Observer
    notary: Notary
    purger: Purger
    gateway: GatewayApp
    telling: Telling
    calendar: Calendar
    evaluator: Evaluator
    schemas: Schemas
    cards: Cards
    up_to_date: Callable[[], bool]
    recorded: Callable[[Callable[[Sequence[Logged]], None]], None]
    allowed_hosts: Sequence[str] = ()
    max_body_bytes: int = MAX_BODY
    mirrored: Mirrored = lambda: None
    setup: Setup = field(default_factory=Setup)
    pools: Pools = field(default_factory=Pools)
    changes: Changes = field(default_factory=Changes)
    outcomes: Outcomes = field(default_factory=Outcomes)
    whole: bool = True
    seen: OrderedDict[Sight, Services] = field(default_factory=OrderedDict)
    everything: Services | None = None
    standings: Standings = field(init=False)
    rosters: Rosters = field(init=False)
    duties: Duties = field(init=False)
    exports: Exports = field(init=False)

    def __post_init__(self) -> None:
        self.recorded(self.changes.poke)
        object.__setattr__(self, "standings", Standings(self.registry.index, self.observer))
        object.__setattr__(self, "rosters", Rosters(self.registry.index))
        object.__setattr__(self, "duties", Duties(self.registry.index, self.schemas, self.cards))
        exports = Exports(self.registry.index, self.past, self.notary.signer, whole=self.whole)
        object.__setattr__(self, "exports", exports)

    def seen_by(self, actor: Actor) -> Services:
        """The same as far as the actor sees: the whole for who sees everything."""
        if self.everything is not None:
            return self.everything.seen_by(actor)
        sight = self.gate.sight(actor)
        if sight is None:
            return self
        found = self.seen.get(sight)
        if found is None:
            index = self.registry.index.seen_by(sight.models)
            history = SeenHistory(self.registry.history, sight)
            found = replace(
                self,
                registry=self.registry.seen_through(index, history),
                past=Past(index, history),
                whole=False,
                everything=self,
                recorded=lambda _: None,  # `changes`, which is shared, is told already
            )
            self.seen[sight] = found
            while len(self.seen) > SIGHTS:
                self.seen.popitem(last=False)
        else:
            self.seen.move_to_end(sight)
        return found
