"""What a version was made from and what was made from it, as a picture and as words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from muster.domain.errors import NotFound
from muster.http.pages.labels import called
from muster.http.pages.page import Page

MOST: Final = 4  # boxes on a side
_USERS: Final = 100  # that are looked at
_STEP, _HEIGHT = 66, 54  # pixels from box to box, and of a box
_LETTERS: Final = 16


@dataclass(frozen=True, slots=True)
class Source:
    """A thing on either side: its name, what it is, where it leads ("" if nowhere)."""

    name: str
    what: str
    href: str = ""
    is_data: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    """A source in the picture, from `y` on."""

    y: int
    name: str
    what: str
    is_data: bool


@dataclass(frozen=True, slots=True)
class Lineage:
    """`middle` is the y of the version's own box; `title` says all of it in a sentence."""

    model: str
    label: str
    sources: list[Source]
    users: list[Source]
    left: list[Box]
    right: list[Box]
    height: int
    middle: int
    title: str


def lineage(page: Page, record: Mapping[str, Any]) -> Lineage | None:
    """Of the version with that record; None if nothing is known."""
    sources = [*_data(record["training_data"]), *(_base(page, base) for base in record["bases"])]
    users = [] if page.at else _users(page, record["name"], record["number"])
    if not sources and not users:
        return None
    rows = max(1, min(MOST, len(sources)), min(MOST, len(users)))
    height = rows * _STEP
    left, right = _boxes(sources, height), _boxes(users, height)
    name, label = record["name"], record["version"]
    said = f"{name} {label}"
    if sources:
        said += " was made from " + ", ".join(f"{each.name} ({each.what})" for each in sources)
    if users:
        said += f"{'; ' if sources else ': '}used by " + ", ".join(
            f"{each.name} {each.what}" for each in users
        )
    middle = (height - _HEIGHT) // 2
    return Lineage(_cut(name), _cut(label), sources, users, left, right, height, middle, said)


def _data(data: Any) -> list[Source]:
    if not data:
        return []
    if isinstance(data, str):
        return [Source(data, "training data", is_data=True)]
    rows = f"{data['rows']:,} rows" if "rows" in data else "training data"
    name = data.get("name") or data.get("uri") or f"sha256:{data.get('sha256', '')[:12]}…"
    uri = data.get("uri", "")
    return [Source(name, rows, uri if uri.startswith(("http://", "https://")) else "", is_data=True)]


def _base(page: Page, base: Mapping[str, Any]) -> Source:
    relation = base.get("relation", "base")
    if (ref := base.get("ref")) is None:
        uri = str(base["uri"])
        return Source(uri, relation, uri if uri.startswith(("http://", "https://")) else "")
    try:
        found = page.services.registry.locate(ref)
    except NotFound:
        return Source(ref, relation)
    label = called(page.services.registry.index, found.model, found.number)
    return Source(found.model, f"{label}, {relation}", page.to("m", found.model, label))


def _users(page: Page, model: str, number: int) -> list[Source]:
    """The versions of which a base means this one."""
    registry = page.services.registry
    found: dict[tuple[str, int], Source] = {}
    for built in page.services.rosters.built_on(model)[:_USERS]:
        user = registry.index.find_number(built.model, built.number)
        try:
            meant = registry.locate(built.base)
        except NotFound:
            continue
        if user is not None and (meant.model, meant.number) == (model, number):
            label = called(registry.index, built.model, built.number)
            found[built.model, built.number] = Source(built.model, label, page.to("m", built.model, label))
    return list(found.values())


def _boxes(sources: list[Source], height: int) -> list[Box]:
    shown = sources[:MOST]
    if len(sources) > MOST:
        shown = [*sources[: MOST - 1], Source(f"{len(sources) - MOST + 1} more", "listed below")]
    top = (height - len(shown) * _STEP) // 2 + (_STEP - _HEIGHT) // 2
    return [
        Box(top + at * _STEP, _cut(each.name), _cut(each.what), each.is_data) for at, each in enumerate(shown)
    ]


def _cut(text: str) -> str:
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"
