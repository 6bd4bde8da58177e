"""Imports in this process, and what came of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from muster.client import Client
from tests.live import Live


def brought(server: Live, uri: str, **options: Any) -> dict[str, Any]:
    """The report of an import in this process."""
    from muster.client.mlflow_registry import MLflowRegistry
    from muster.client.moving import Import

    with Client(server.url, "mover") as client:
        return Import(client, MLflowRegistry(uri), **options).run().view()


def record(server: Live, name: str, number: int) -> dict[str, Any]:
    found: dict[str, Any] = server.send("GET", f"/api/v1/models/{name}/versions/{number}").json()
    return found


def log(server: Live, **wanted: Any) -> list[dict[str, Any]]:
    """All changes, oldest first."""
    with Client(server.url) as client:
        return list(reversed(client.changes(limit=None, **wanted)))


def milliseconds(time: str) -> int:
    return round(datetime.fromisoformat(time).timestamp() * 1000)
