"""Two versions side by side, of one model or of two."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from muster.domain.errors import Invalid, MusterError, NotFound
from muster.http.pages import metrics_view
from muster.http.pages.effect_view import Effect, difference
from muster.http.pages.labels import called
from muster.http.pages.page import Page
from muster.http.pages.reading import version_record

# Fields of the record that are told one by one, and as what; the others are told by key.
_WHOLE: Final = (
    ("description", "description"),
    ("deployment_status", "stage"),
    ("owner", "owner"),
    ("kind", "kind"),
    ("bases", "built on"),
    ("external", "runs at"),
    ("signature", "signature"),
)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: the reference that named it, and the version that it means."""

    text: str
    model: str
    label: str
    href: str


@dataclass(frozen=True, slots=True)
class FileDiffers:
    """A file that only one has, or that is another in each; sizes in bytes, digests in hex."""

    path: str
    was: tuple[int, str] | None
    became: tuple[int, str] | None


@dataclass(frozen=True, slots=True)
class Sides:
    """`this`, `that`, and what differs; `same` says in words what does not."""

    this: Side
    that: Side
    metrics: list[metrics_view.Compared]
    params: list[Effect]
    files: list[FileDiffers]
    about: list[Effect]
    tags: list[Effect]
    same: list[str]


@dataclass(frozen=True, slots=True)
class Asked:
    """Both references as they were typed, and what is wrong with either."""

    this: str
    that: str
    refused: MusterError | None = None
    sides: Sides | None = None


def versions(page: Page) -> Asked:
    """The comparison that the address asks for."""
    this, that = page.query.get("this", "").strip(), page.query.get("that", "").strip()
    if not this and not that:
        return Asked("", "")
    try:
        found = [_located(page, text, field) for text, field in ((this, "this"), (that, "that"))]
    except (Invalid, NotFound) as refused:
        return Asked(this, that, refused)
    (one, old), (other, new) = found
    return Asked(this, that, sides=_sides(page, one, old, other, new))


def _located(page: Page, text: str, field: str) -> tuple[Side, dict[str, Any]]:
    """The version that a reference or a model id means, and its record."""
    if not text:
        raise Invalid.one(field, text, "must name a version, such as label_digits/v1.2")
    if page.at is None:
        there = page.services.registry.locate(text)
        model, number = there.model, there.number
    else:
        model, number = page.services.past.locate(page.at, text)
    label = called(page.services.registry.index, model, number)
    return Side(text, model, label, page.to("m", model, label)), version_record(page, model, number)


def _sides(page: Page, this: Side, old: dict[str, Any], that: Side, new: dict[str, Any]) -> Sides:
    files, same_files = _files(old["files"], new["files"])
    params = list(_by_key(page, old["params"], new["params"]))
    tags = list(_by_key(page, old["tags"], new["tags"]))
    about = list(_told(difference(page, what, old.get(name), new.get(name)) for name, what in _WHOLE))
    about += _by_key(page, _parts(old["training_data"]), _parts(new["training_data"]), "training data")
    about += _by_key(page, old["source"] or {}, new["source"] or {}, "source")
    same = [_counted(same_files, "file")] if same_files else []
    if (alike := _alike(old["params"], new["params"])) > 0:
        same.append(_counted(alike, "parameter"))
    if (alike := _alike(old["tags"], new["tags"])) > 0:
        same.append(_counted(alike, "tag"))
    return Sides(
        this=this,
        that=that,
        metrics=metrics_view.compared(new["metrics"], old["metrics"]),
        params=params,
        files=files,
        about=about,
        tags=tags,
        same=same,
    )


def _told(found: Iterable[Effect | None]) -> Iterator[Effect]:
    return (each for each in found if each is not None)


def _by_key(page: Page, old: Mapping[str, Any], new: Mapping[str, Any], of: str = "") -> Iterator[Effect]:
    """What differs of two mappings, by key."""
    keys = sorted(old.keys() | new.keys())
    return _told(difference(page, f"{of} {key}".strip(), old.get(key), new.get(key)) for key in keys)


def _parts(data: Any) -> Mapping[str, Any]:
    return {"": data} if isinstance(data, str) else data or {}


def _alike(old: Mapping[str, Any], new: Mapping[str, Any]) -> int:
    return sum(1 for key in old.keys() & new.keys() if old[key] == new[key])


def _counted(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"


def _files(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> tuple[list[FileDiffers], int]:
    """The files that differ, by path, and how many do not: a digest says so, not a date."""
    was, became = ({each["path"]: (each["size"], each["sha256"]) for each in files} for files in (old, new))
    paths = sorted(was.keys() | became.keys())
    found = [
        FileDiffers(path, was.get(path), became.get(path))
        for path in paths
        if was.get(path) != became.get(path)
    ]
    return found, len(paths) - len(found)
