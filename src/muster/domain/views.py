"""How a record looks to those who ask: the JSON of the plain API and of `/api/v1`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from muster.domain.codec import config_to_dict
from muster.domain.records import Deployment, Fields, Json, Model, Version

# Of a version that names where its files are, of which Muster has none and knows no digest.
ELSEWHERE = "files elsewhere, not verified"


@dataclass(frozen=True, slots=True)
class Times:
    """When things happened to a version, RFC 3339 in UTC, from the change log."""

    created_at: str
    last_updated: str
    last_deployed: str | None = None
    last_rollback: str | None = None
    by_import: bool = False
    """Whether it was an import that updated it last."""


def version_view(version: Version, times: Times, deployed_in: Iterable[str]) -> dict[str, Json]:
    """The record of a version. `deployed_in` are its environments, highest first.

    An imported version shows the times that it had where it came from, the last update's
    as long as none but imports changed it here; then `imported` says so, `imported_from`
    where that was, if that is known, and `recorded_at` when it was written here.
    """
    imported = version.imported or {}
    view: dict[str, Json] = {
        "model_id": version.model_id,
        "name": version.model,
        "version": version.label or str(version.number),
        "number": version.number,
        "kind": version.kind,
        "state": version.state,
        "description": version.description,
        "training_data": version.training_data,
        "deployment_status": version.stage,
        "deployed_in": list(deployed_in),
        "created_at": imported.get("created_at") or times.created_at,
        "last_updated": _last_updated(imported, times),
    }
    if times.last_deployed is not None:
        view["last_deployed"] = times.last_deployed
    if times.last_rollback is not None:
        view["last_rollback"] = times.last_rollback
    view |= {
        "owner": version.owner,
        "tags": dict(version.tags),
        "metrics": dict(version.metrics),
        "params": dict(version.params),
        "source": version.source,
        "bases": [dict(base) for base in version.bases],
        "signature": version.signature,
        "files": [{"path": f.path, "size": f.size, "sha256": f.sha256} for f in version.files],
    }
    if version.purged:
        view["purged"] = True
    if version.kind != "prompt" and not version.files and version.source and version.source.get("uri"):
        view["files_status"] = ELSEWHERE
    if version.external is not None:
        view["external"] = version.external
    if version.imported is not None:
        view |= _marked(imported, times.created_at)
    return view


def _last_updated(imported: Fields, times: Times) -> str:
    unchanged = times.by_import or times.last_updated == times.created_at
    return (imported.get("last_updated") if unchanged else None) or times.last_updated


def _marked(imported: Fields, recorded_at: str) -> dict[str, Json]:
    """That what came by an import did so."""
    said = {"imported": True, "recorded_at": recorded_at}
    return said | ({"imported_from": imported["from"]} if "from" in imported else {})


def before_import(record: Mapping[str, Json]) -> dict[str, Json] | None:
    """What a history says of the time before its first change, of a record that was imported; else None."""
    if not record.get("imported"):
        return None
    return {
        "recorded": False,
        "created_at": record["created_at"],
        "imported_from": record.get("imported_from"),
        "message": "What happened before the import is not recorded",
    }


def model_created_at(model: Model, created_at: str) -> str:
    """When the model was made: elsewhere, if it was imported, else here."""
    return (model.imported or {}).get("created_at") or created_at


def model_view(model: Model, created_at: str, last_updated: str, card: str | None = None) -> dict[str, Json]:
    """The record of a model. What was imported was made elsewhere; see `version_view`."""
    view: dict[str, Json] = {
        "name": model.name,
        "owner": model.owner,
        "description": model.description,
        "tags": dict(model.tags),
        "aliases": dict(model.aliases),
        "next_number": model.next_number,
        "created_at": model_created_at(model, created_at),
        "last_updated": last_updated,
        "card": card,
    }
    return view | (_marked(model.imported, created_at) if model.imported is not None else {})


def deployment_view(deployment: Deployment, model_id: str | None, reference: str | None) -> dict[str, Json]:
    """What is declared: the version and how it runs, and what a rollback would return to."""
    return {
        "environment": deployment.environment,
        "model": deployment.model,
        "number": deployment.version,
        "model_id": model_id,
        "version": reference,
        "config": config_to_dict(deployment.config),
        "recorded": deployment.recorded,
        "earlier": [earlier.version for earlier in deployment.earlier],
    }
