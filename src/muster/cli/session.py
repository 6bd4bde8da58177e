"""Which registry a command talks to, and the client for it: one code path for all.

What names a server or a home most closely decides: a flag, then the environment,
then `muster.toml`, then the profile of `muster login`; else it is the home
`./registry`. A home that a server owns is reached through that server.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from muster.cli import profile
from muster.cli.server_part import imported
from muster.client import Client
from muster.domain.errors import MusterError, NotFound
from muster.settings import Settings

_CLOSENESS: Final = {"flag": 0, "environment": 1, "file": 2, "profile": 3, "default": 4}
_LOOK_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Session:
    """A client and what is behind it; `served` says whether a server is."""

    client: Client
    served: bool
    where: str


def server_named(settings: Settings) -> str | None:
    """The server that a command is to talk to; None if it is a home."""
    home = _CLOSENESS[settings.origins["home"].source]
    if settings.url is not None and _CLOSENESS[settings.origins["url"].source] <= home:
        return settings.url
    kept = profile.remembered() if home > _CLOSENESS["profile"] else None
    return kept.url if kept else None


def token_for(settings: Settings, url: str) -> str | None:
    """The token for a server: that of the settings, else the one of `muster login` there."""
    if settings.token is not None:
        return settings.token
    kept = profile.remembered()
    return kept.token if kept is not None and kept.url == url else None


def owner(settings: Settings) -> str | None:
    """The address of the server that owns the home, if one runs and answers."""
    try:
        said = json.loads((settings.home / "run" / "server.json").read_text())
        url, pid = str(said["url"]), int(said["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not _runs(pid):
        return None
    with Client(url, timeout_s=_LOOK_S) as client:
        try:
            return url if client.healthy() else None
        except MusterError:
            return None


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True  # it is another user's
    except OSError:
        return False
    return True


@contextmanager
def connected(settings: Settings, *, writes: bool) -> Iterator[Session]:
    """The session of one command. Only one that writes makes a new registry.

    Raises:
        NotFound: there is no registry in the home.
        Unavailable: no server answers, or this installation cannot do without one.
    """
    url = server_named(settings) or owner(settings)
    if url is not None:
        token = token_for(settings, url)
        with Client(url, None if token else settings.actor, token=token) as client:
            yield Session(client, True, url)
        return
    require_home(settings, writes=writes)
    with ExitStack() as stack:
        # Imported here: an installation that is only the client has no server part.
        imported("muster.bootstrap.logs").configure(settings.log_format, "error")
        home = stack.enter_context(imported("muster.bootstrap").open_home(settings))
        application = imported("muster.bootstrap.server").application(home)
        from muster.cli.inprocess import URL, InProcess

        transport = InProcess(application)
        stack.callback(transport.close)
        # Nothing is lost on the way to this process, and a worker may take long to start.
        actor = None if settings.token else settings.actor
        client = stack.enter_context(
            Client(URL, actor, timeout_s=3600, transport=transport, token=settings.token)
        )
        yield Session(client, False, str(settings.home))


def require_home(settings: Settings, *, writes: bool = False) -> None:
    """Raises NotFound if the home holds no registry, unless a write is to make one."""
    if not writes and not (settings.home / "registry.git").is_dir():
        raise NotFound(
            "registry",
            f"{settings.home} ({settings.origins['home']}). `muster serve` or `muster register` makes one; "
            "--home and --server name another",
        )
