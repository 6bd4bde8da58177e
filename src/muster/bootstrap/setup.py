"""What a server's pages say of how it is set up: each setting and where it came from, never a secret."""

from __future__ import annotations

import os
import re
from importlib.metadata import version
from pathlib import Path
from typing import Final

from muster.bootstrap.home import Home
from muster.http.services import Setting, Setup
from muster.settings import Settings, described

_SECRET: Final = re.compile(r"secret|token|password|credential|(^|_)key($|_)")
_USER_INFO: Final = re.compile(r"(?<=://)[^/\s@]+(?=@)")
_NOT_SHOWN: Final = "set, not shown"
# Of the person at a command line, and for tests: a server has no use for them.
_NOT_A_SERVERS: Final = frozenset({"url", "actor", "crash_at"})


def setup(home: Home) -> Setup:
    """The set-up of the server of that home."""
    packs = home.storage.repository.packs
    return Setup(
        version=version("muster-registry"),
        home=str(home.settings.home.absolute()),
        settings=tuple(_settings(home.settings)),
        packs=lambda: sum(1 for name in os.listdir(packs) if name.endswith(".pack")),
    )


def _settings(settings: Settings) -> list[Setting]:
    return [
        Setting(name, shown(name, getattr(settings, name)), _origin(settings, name), about.text)
        for name, about in described().items()
        if name not in _NOT_A_SERVERS
    ]


def _origin(settings: Settings, name: str) -> str:
    return str(settings.origins[name]) if name in settings.origins else "default"


def shown(name: str, value: object) -> str:
    """A setting's value as a page shows it; of what may be a secret only whether there is one."""
    match value:
        case None | "" | ():
            return ""
        case _ if _SECRET.search(name):
            return _NOT_SHOWN
        case bool():
            return "yes" if value else "no"
        case tuple():
            return ", ".join(str(each) for each in value)
        case Path():
            return str(value)
        case _:
            return _USER_INFO.sub("…", str(value))
