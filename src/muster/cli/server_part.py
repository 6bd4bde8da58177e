"""The parts of Muster that only a server's installation has."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from muster.domain.errors import Unavailable


def imported(module: str, extra: str = "server") -> Any:
    """The module of ours by that name.

    Raises:
        Unavailable: a library that it needs is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] == "muster":
            raise
        instead = ", or name a server with --server" if extra == "server" else ""
        raise Unavailable(
            f"this needs more than the client (there is no {missing.name} here): "
            f"pip install 'muster-registry[{extra}]'{instead}"
        ) from missing
