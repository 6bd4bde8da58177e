"""Serving a home: the socket, the address, the clean end."""

from __future__ import annotations

import errno
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import uvicorn

from muster.bootstrap import admitting
from muster.bootstrap.folder import Folder
from muster.bootstrap.home import Home, open_home
from muster.bootstrap.judges import CALENDAR, EVALUATOR, SCHEMAS
from muster.bootstrap.logs import configure
from muster.bootstrap.secret_file import SecretFile
from muster.bootstrap.setup import setup
from muster.bootstrap.wire import OneWriteProtocol
from muster.dialects import mlflow, mlflow_artifacts
from muster.dialects.mlflow_webhooks import Webhooks
from muster.domain.errors import Invalid, Unavailable
from muster.http import Services, create_app
from muster.index.store import SqlIndex
from muster.service.verify import verify as verify_all
from muster.settings import Settings

SHUTDOWN_GRACE_S = 5


def services_of(home: Home) -> Services:
    """What the home's application needs of it."""
    return Services(
        registry=home.registry,
        gate=home.gate,
        entrance=admitting.entrance(home),
        inbox=home.inbox,
        past=home.past,
        purger=home.purger,
        deployer=home.deployer,
        proposals=home.proposals,
        proposal_views=home.proposal_views,
        observer=home.observer,
        notary=home.notary,
        mirrored=lambda: home.mirror.state() if home.mirror else None,
        gateway=home.gateway,
        telling=home.telling,
        calendar=CALENDAR,
        evaluator=EVALUATOR,
        schemas=SCHEMAS,
        cards=home.cards,
        up_to_date=home.up_to_date,
        recorded=home.recorded.add,
        allowed_hosts=admitting.names_of(home.settings),
        max_body_bytes=home.settings.max_body_bytes,
        setup=setup(home),
    )


def application(home: Home, services: Services | None = None):  # type: ignore[no-untyped-def]
    """The home's ASGI application."""
    services = services or services_of(home)
    secret = SecretFile(home.storage.folder.path / "secrets" / "webhooks.json")
    webhooks = Webhooks(secret, home.settings.webhook_hosts)
    return create_app(services, [mlflow.mount(services, webhooks), mlflow_artifacts.mount(services)])


def serve(settings: Settings, ready: Callable[[str, str | None], None] = lambda _, __: None) -> None:
    """Serve the home until SIGINT or SIGTERM; `ready` is told the address once it answers.

    It is also told a token that is good once, for the admin, if no admin has one.

    Raises:
        Invalid: the port is in use, or the address is not this machine's.
        Conflict: another server serves this home.
    """
    configure(settings.log_format, settings.log_level)
    with ExitStack() as stack:
        folder = Folder(settings.home)
        announce = stack.enter_context(folder.serving())
        listening = _listen(settings.host, settings.port)
        stack.callback(listening.close)
        home = stack.enter_context(open_home(settings, serving=True))
        first = admitting.first_token(home)
        host, port = listening.getsockname()[:2]
        scheme = "https" if settings.tls_cert else "http"
        url = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
        services = services_of(home)
        config = uvicorn.Config(
            application(home, services),
            http=OneWriteProtocol,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            ssl_certfile=settings.tls_cert,
            ssl_keyfile=settings.tls_key,
            timeout_graceful_shutdown=SHUTDOWN_GRACE_S,
            lifespan="on",
        )

        def started() -> None:
            announce(url)
            ready(url, first)

        _Server(config, started, services.changes.end).run(sockets=[listening])


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it answers and when it is about to end.

    It leaves the rest of a clean end to its caller.
    """

    def __init__(
        self, config: uvicorn.Config, started: Callable[[], None], ending: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._started = started
        self._ending = ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending()  # it waits for answers to be complete, and a stream would never be
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own sends itself the signal again once it has ended: SIGTERM would
        # then end the process before its workers have been stopped in order.
        before = {each: signal.signal(each, self.handle_exit) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(2048)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise Unavailable(f"port {port} of {host} is in use; choose another with --port") from error
        raise Invalid.one("host", host, f"cannot be listened on ({error.strerror})") from error
    return listening


def verify(settings: Settings) -> list[str]:
    """What does not agree between Git, index and files of the home; empty if all does."""
    with open_home(settings) as home, tempfile.TemporaryDirectory(prefix="muster-") as folder:
        storage = home.storage
        fresh = SqlIndex(Path(folder) / "index.db")
        with storage.folder.writing():
            storage.follower.catch_up()
            head = storage.store.head()
            assert head is not None
            problems = verify_all(
                history=storage.history,
                head=head,
                index=storage.index,
                fresh=fresh,
                artifacts=storage.artifacts,
            )
            return list(problems)


def reindex(settings: Settings) -> None:
    """Make the index of the home anew from Git."""
    with open_home(settings, checked=True) as home, home.storage.folder.writing():
        home.storage.follower.rebuild()
