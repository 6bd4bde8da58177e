"""By what MLflow finds the plug-in: loaded while MLflow is being imported, and so without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from muster.client.mlflow_store import MusterStore


def store(store_uri: str, tracking_uri: str | None = None) -> MusterStore:
    """The registry at `muster://…`; see `mlflow_store`."""
    from muster.client.mlflow_store import MusterStore

    return MusterStore(store_uri, tracking_uri)
