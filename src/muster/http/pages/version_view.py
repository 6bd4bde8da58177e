"""What the page of a version shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from muster.http.pages.evaluations_view import Evaluations, evaluations
from muster.http.pages.facts_view import Fact, facts
from muster.http.pages.health import Health
from muster.http.pages.lineage_view import Lineage, lineage
from muster.http.pages.metrics_view import Compared, compared
from muster.http.pages.page import Mark, Page
from muster.http.pages.reading import Place, places, version_number, version_record, versions
from muster.http.pages.runs_view import Run, runs
from muster.http.pages.signature_view import Field, Tensor, fields, tensors
from muster.http.pages.times import When
from muster.http.pages.try_view import Tried
from muster.service import blame

_OTHERS: Final = 50  # versions to compare with


@dataclass(frozen=True, slots=True)
class There:
    """An environment where the version is declared."""

    environment: str
    health: Health
    mark: Mark


@dataclass(frozen=True, slots=True)
class File:
    """A file, and where to get it."""

    path: str
    size: int
    sha256: str
    href: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """The metrics beside those of `against`; `others` are (label, words) to choose from."""

    others: list[tuple[str, str]]
    against: str
    metrics: list[Compared]


@dataclass(frozen=True, slots=True)
class TryIt:
    """The form: where its request goes, and what came of the last."""

    environment: str
    fields: list[Field]
    tried: Tried | None


@dataclass(frozen=True, slots=True)
class VersionView:
    """All of it."""

    model: str
    model_href: str
    label: str
    record: Mapping[str, Any]
    created: When
    there: list[There]
    facts: list[Fact]
    comparison: Comparison
    files: list[File]
    size: int
    inputs: list[Tensor]
    outputs: list[Tensor]
    try_it: TryIt | None
    runs: list[Run]
    lineage: Lineage | None
    evaluations: Evaluations


def version_view(page: Page, model: str, version: str, tried: Tried | None = None) -> VersionView:
    """The version as it is, or was. Raises NotFound."""
    number = version_number(page, model, version)
    record = version_record(page, model, number)
    there = places(page, model)
    said = blame.of_version(page.services.registry.index, page.services.past, model, number, page.at)
    folder = f"/api/v1/models/{quote(model, safe='')}/versions/{number}/files/"
    signature = record["signature"] or {}
    return VersionView(
        model=model,
        model_href=page.to("m", model),
        label=record["version"],
        record=record,
        created=page.when(record["created_at"]),
        there=[
            There(place.environment.name, place.health, page.mark(place.by))
            for place in there
            if place.number == number and place.by
        ],
        facts=facts(page, record, said),
        comparison=_comparison(page, record, there),
        files=[File(f["path"], f["size"], f["sha256"], folder + quote(f["path"])) for f in record["files"]],
        size=sum(f["size"] for f in record["files"]),
        inputs=tensors(signature, "inputs"),
        outputs=tensors(signature, "outputs"),
        try_it=_try_it(signature, there, number, tried),
        runs=runs(page, model, number),
        lineage=lineage(page, record),
        evaluations=evaluations(page, model, number),
    )


def running(page: Page, model: str, version: str) -> tuple[str | None, Mapping[str, Any]]:
    """The environment where the version answers now (None: nowhere), and its signature. Raises NotFound."""
    number = version_number(page, model, version)
    place = _answering(places(page, model), number)
    signature: Mapping[str, Any] = version_record(page, model, number)["signature"] or {}
    return None if place is None else place.environment.name, signature


def _answering(there: list[Place], number: int) -> Place | None:
    """Where the version gets the traffic: farthest from the customers, if in several places."""
    for place in reversed(there):
        if place.number == number and any(s.active and s.number == number for s in place.states):
            return place
    return None


def _try_it(
    signature: Mapping[str, Any], there: list[Place], number: int, tried: Tried | None
) -> TryIt | None:
    place = _answering(there, number)
    if place is None or not signature.get("inputs"):
        return None
    return TryIt(place.environment.name, fields(signature, tried.typed if tried else {}), tried)


def _comparison(page: Page, record: Mapping[str, Any], there: list[Place]) -> Comparison:
    others = [
        each for each in versions(page, record["name"], None, _OTHERS) if each["number"] != record["number"]
    ]
    asked = page.query.get("against", "")
    against = next((each for each in others if asked in (each["version"], str(each["number"]))), None)
    if against is None and asked:
        against = version_record(page, record["name"], version_number(page, record["name"], asked))
        others.append(against)
    if against is None:
        against = _natural(record, others, there)
    where = {place.number: place.environment.name for place in reversed(there) if place.number}
    words = [
        (
            each["version"],
            f"{each['version']}, in {where[each['number']]}" if each["number"] in where else each["version"],
        )
        for each in others
    ]
    theirs = against["metrics"] if against else {}
    return Comparison(words, against["version"] if against else "", compared(record["metrics"], theirs))


def _natural(
    record: Mapping[str, Any], others: list[dict[str, Any]], there: list[Place]
) -> dict[str, Any] | None:
    """What one compares with, unless told otherwise: what customers use, or else the one before."""
    first = next((place.number for place in there if place.number), None)
    used = next((each for each in others if each["number"] == first), None)
    before = next((each for each in others if each["number"] < record["number"]), None)
    return used or before or (others[0] if others else None)
