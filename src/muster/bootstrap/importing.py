"""A `registry.json` of an older tool, brought into a home once; the file is left as it is."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from muster.bootstrap.home import Home
from muster.domain.changes import Actor, RegisterVersion
from muster.domain.errors import Invalid, Problem
from muster.domain.messages import rfc3339
from muster.domain.names import model_id as id_of
from muster.domain.parse import text
from muster.domain.records import Json
from muster.domain.registering import registration
from muster.service.past import moment

_CONTENT: Final = ("name", "version", "description", "training_data", "deployment_status")


def import_file(home: Home, path: Path, actor: Actor) -> int:
    """Register what the file holds and the home does not know; gives how many versions that were.

    The form is `{model_id: {name, version, description, training_data,
    deployment_status, created_at, last_updated}}`. Times come marked imported; a
    stage comes as a label, never as a deployment.

    Raises:
        Invalid: naming the entry and what is wrong with it; nothing of the file was imported.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Invalid.one(str(path), "its content", f"must be JSON ({error})") from error
    if not isinstance(entries, dict):
        raise Invalid.one(str(path), entries, "must be an object of model ids")
    changes, problems = [], []
    for model_id, entry in entries.items():
        try:
            changes.append(_change(entry))
        except Invalid as invalid:
            problems += [Problem(f"{model_id}.{p.field}", p.value, p.rule) for p in invalid.problems]
    if problems:
        raise Invalid(problems)
    with home.registry.index.snapshot() as now:
        new = [c for c in changes if now.identified(id_of(c.model, c.label, 0)) is None]
    who = Actor(actor.name, "import")
    waiting = [home.registry.submit(change, who, f"Imported from {path.name}") for change in new]
    return len([future.result() for future in waiting])


def _change(entry: Json) -> RegisterVersion:
    if not isinstance(entry, dict):
        raise Invalid.one("", entry, "must be an object")
    change, _ = registration({key: entry.get(key) for key in _CONTENT if key in entry}, strict=True)
    times = {key: rfc3339(_time(entry[key], key)) for key in ("created_at", "last_updated") if entry.get(key)}
    return replace(change, imported=times or None)


def _time(value: Json, field: str) -> datetime:
    said = text(value, field)
    try:
        return moment(said, field)
    except Invalid:
        return moment(f"{said}Z", field)  # older tools wrote UTC or local time without saying so
