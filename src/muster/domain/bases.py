"""What a base's reference means: settled when the version is registered, for an alias moves on.

A base that names a version of this registry gets its `model` and `number` beside what
was said. One that names nothing here stays as it was said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from muster.domain.names import Reference
from muster.domain.records import Fields, Json
from muster.domain.snapshot import Snapshot

_SETTLED: Final = ("model", "number")


def settled(before: Snapshot, bases: Iterable[Fields]) -> tuple[Fields, ...]:
    """`bases`, each with the version that its reference means now."""
    return tuple(_settled(before, base) for base in bases)


def _settled(before: Snapshot, base: Fields) -> Fields:
    place = meant(before, base["ref"]) if "ref" in base else None
    return base if place is None else {**base, "model": place[0], "number": place[1]}


def place_of(base: Fields) -> tuple[str, int] | None:
    """Model and number of the version that a base meant when it was recorded, by the name of that time."""
    return (base["model"], base["number"]) if "number" in base else None


def as_said(base: Fields) -> dict[str, Json]:
    """The base without what was settled."""
    return {key: value for key, value in base.items() if key not in _SETTLED}


def meant(before: Snapshot, text: str) -> tuple[str, int] | None:
    """The live version that a model id or a reference means now."""
    place = before.identified(text)
    if place is None and (reference := Reference.parse(text)) is not None:
        place = _resolved(before, reference)
    if place is None:
        return None
    version = before.version(*place)
    return None if version is None or version.state == "deleted" else place


def _resolved(before: Snapshot, reference: Reference) -> tuple[str, int] | None:
    name, what = reference.model, reference.what
    number: int | None = None
    if reference.by == "alias":
        model = before.model(name)
        aliases: Mapping[str, int] = model.aliases if model is not None else {}
        number = aliases.get(what)
    elif reference.by == "deployed":
        deployment = before.deployment(what, name)
        number = deployment.version if deployment is not None else None
    else:
        number = before.labelled(name, what)
        if number is None and what.isascii() and what.isdigit() and len(what) < 19:
            number = int(what)
    return None if number is None else (name, number)
