"""Versions, as paths and bodies name them: by label or by number."""

from __future__ import annotations

from muster.domain.errors import Invalid, NotFound
from muster.domain.names import Reference
from muster.domain.parse import text
from muster.service.registry import Registry
from muster.service.values import Found


def label_or_number(value: object, field: str) -> str:
    """A version as a body names it: its label, or its number as text or number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value:
        raise Invalid.one(field, value, "must be a version's label or its number")
    return text(value, field, 300)


def version_of(registry: Registry, model: str, version: str) -> Found:
    """The live version of that label or number. Raises NotFound."""
    return registry.numbered(*place_of(registry, model, version))


def place_of(registry: Registry, model: str, version: str) -> tuple[str, int]:
    """Model and number of the live version of that label or number. Raises NotFound."""
    place = registry.index.resolve(Reference(model, "version", version))
    if place is None:
        raise NotFound("version", f"{model}/{version}")
    return place


def version_meant(registry: Registry, model: str, wanted: str) -> int:
    """The number of the version of `model` that goes by a model id, a label or a number.

    Raises:
        NotFound: there is none.
        Invalid: it is one of another model.
    """
    place = registry.index.resolve(Reference(model, "version", wanted))
    if place is not None:
        return place[1]
    found = registry.locate(wanted)
    if found.model != model:
        raise Invalid.one("to", wanted, f"must be a version of {model}")
    return found.number
