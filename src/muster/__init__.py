"""Muster: registers AI models, deploys them, rolls them back, and keeps every change in Git."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from muster.client import Client
    from muster.domain import errors
    from muster.embedded import GitIntegration, ModelRegistry

__all__ = ["Client", "GitIntegration", "ModelRegistry", "errors"]

# Imported when they are asked for: the client needs no server, the command line is quick to start.
_WHERE = {
    "Client": ("muster.client", "Client"),
    "GitIntegration": ("muster.embedded", "GitIntegration"),
    "ModelRegistry": ("muster.embedded", "ModelRegistry"),
    "errors": ("muster.domain", "errors"),
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, what = _WHERE[name]
    if name == "errors":
        return import_module(f"{module}.{what}")
    try:
        return getattr(import_module(module), what)
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] == "muster":
            raise
        raise ImportError(
            f"muster.{name} needs more than the client (there is no {missing.name} here): "
            "pip install 'muster-registry[server]', or use muster.Client with a server"
        ) from missing
