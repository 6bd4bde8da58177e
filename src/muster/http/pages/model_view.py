"""What the page of a model shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from muster.http.pages.card import card
from muster.http.pages.changes_view import TOLD, Knot, knots, latest
from muster.http.pages.health import NONE, Health, rungs
from muster.http.pages.labels import called
from muster.http.pages.lineage_view import Lineage, lineage
from muster.http.pages.page import Mark, Page
from muster.http.pages.plot_view import MOST, Measured, Plot, plot
from muster.http.pages.reading import Place, model_record, places, registered_by, versions
from muster.http.pages.times import When
from muster.http.pages.use_view import Example, examples
from muster.service import blame
from muster.service.values import ChangeFilter, VersionFilter

ROWS: Final = 20
HISTORY: Final = 8
_COLUMNS: Final = 3  # of metrics in the table


@dataclass(frozen=True, slots=True)
class Stop:
    """An environment on the way to the customers, and what of the model is there."""

    environment: str
    rungs: int
    label: str
    href: str
    health: Health
    mark: Mark | None
    detail: str
    note: str
    deployed: bool
    place_href: str


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version in the table; `values` are those of the table's metrics, None where it has none."""

    label: str
    number: int
    href: str
    health: Health | None
    runs_in: list[tuple[str, Health]]
    stage: str
    values: list[float | None]
    when: When
    mark: Mark | None
    first: bool  # what customers use


@dataclass(frozen=True, slots=True)
class Alias:
    """A movable name, the version that it means, and who said so."""

    name: str
    label: str
    href: str
    mark: Mark | None


@dataclass(frozen=True, slots=True)
class ModelView:
    """All of it."""

    name: str
    record: Mapping[str, Any]
    tags: list[tuple[str, str]]
    since: When
    count: int
    track: list[Stop]
    failed: list[tuple[str, Mark]]  # in which environment something did not start, and what says so
    metrics: list[str]
    metric: str
    plot: Plot | None
    columns: list[str]
    rows: list[VersionRow]
    older: str
    newer: str
    history: list[Knot]
    card: Markup | None
    card_by: Mark | None
    owner_by: Mark | None
    examples: list[Example]
    aliases: list[Alias]
    lineage: Lineage | None
    lineage_of: str


def model_view(page: Page, name: str) -> ModelView:
    """The model as it is, or was. Raises NotFound."""
    record = model_record(page, name)
    there = places(page, name)
    below = _number(page.query.get("below"))
    listed = versions(page, name, below, ROWS + 1)
    measured = listed[:MOST] if below is None and len(listed) <= ROWS else versions(page, name, None, MOST)
    metrics = [key for key, _ in Counter(key for each in measured for key in each["metrics"]).most_common(50)]
    asked = page.query.get("metric", "")
    metric = asked if asked in metrics else (metrics[0] if metrics else "")
    columns = [metric, *(each for each in metrics if each != metric)][:_COLUMNS] if metric else []
    said = blame.of_model(
        page.services.registry.index,
        page.services.past,
        name,
        record["recorded_at"] if "recorded_at" in record else record["created_at"],
        page.at,
    )
    first = _first(there)
    used = _used(measured, first)
    return ModelView(
        name=name,
        record=record,
        tags=sorted(record["tags"].items()),
        since=page.when(record["created_at"]),
        count=_count(page, name, listed),
        track=[_stop(page, name, place, listed) for place in reversed(there)],
        failed=[(place.environment.name, page.mark(place.tried)) for place in there if place.tried],
        metrics=metrics,
        metric=metric,
        plot=plot(metric, _measured(measured, metric, there)) if metric else None,
        columns=columns,
        rows=[_row(page, each, columns, there, first) for each in listed[:ROWS]],
        older=page.here(below=listed[ROWS - 1]["number"]) if len(listed) > ROWS else "",
        newer=page.here(below=None) if below is not None else "",
        history=knots(page, latest(page, ChangeFilter(model=name, kinds=TOLD), HISTORY), of=name),
        card=card(record["card"]) if record["card"] else None,
        card_by=_mark(page, said, blame.CARD),
        owner_by=_mark(page, said, "owner"),
        examples=examples(page, used, name, first.environment.name if first and _answers(first) else None),
        aliases=_aliases(page, name, record["aliases"], said),
        lineage=lineage(page, used) if used else None,
        lineage_of=_of(used, first),
    )


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else None


def _count(page: Page, name: str, listed: Sequence[Mapping[str, Any]]) -> int:
    """How many versions there are; of a past moment, how many had been registered."""
    if page.at is None:
        return page.services.registry.index.count_versions(VersionFilter(model=name))
    return listed[0]["number"] if listed else 0


def _first(there: list[Place]) -> Place | None:
    """The place nearest to customers where something is."""
    return next((place for place in there if place.number is not None), None)


def _answers(place: Place) -> bool:
    return any(state.active and state.health == "ready" for state in place.states)


def _used(measured: list[dict[str, Any]], first: Place | None) -> dict[str, Any] | None:
    """The record of the version that customers use; of the newest if nothing is deployed."""
    wanted = next((each for each in measured if first and each["number"] == first.number), None)
    return wanted or (measured[0] if measured else None)


def _of(used: Mapping[str, Any] | None, first: Place | None) -> str:
    if used is None:
        return ""
    if first and used["number"] == first.number:
        return f"of {used['version']} in {first.environment.name}"
    return f"of {used['version']}, the newest"


def _stop(page: Page, name: str, place: Place, listed: Sequence[Mapping[str, Any]]) -> Stop:
    by = place.by or place.tried
    label, href = place.label, ""
    if not label and place.tried is not None:
        label = called(page.services.registry.index, name, place.tried.entry.number)
    if label:
        href = page.to("m", name, label)
    behind = listed[0]["number"] - place.number if listed and place.number else 0
    note = f"{behind} behind the newest" if behind > 0 and "below" not in page.query else ""
    return Stop(
        place.environment.name,
        rungs(place.environment),
        label,
        href,
        place.health,
        page.mark(by) if by else None,
        _detail(place),
        note,
        place.number is not None,
        page.to("environments", place.environment.name, name),
    )


def _detail(place: Place) -> str:
    """What its processes do."""
    active = [state for state in place.states if state.active]
    if not active:
        return ""
    requests, errors = sum(s.requests for s in active), sum(s.errors for s in active)
    count = active[0].config.replicas
    said = f", {count} {'process' if count == 1 else 'processes'}, {requests:,} requests, {errors:,} errors"
    p95 = active[0].latency_ms.get("p95")
    return f"{said}, p95 {p95:.1f} ms" if p95 else said


def _measured(records: list[dict[str, Any]], metric: str, there: list[Place]) -> list[Measured]:
    found = []
    for record in reversed(records):
        if metric not in record["metrics"]:
            continue
        place = next((p for p in there if p.number == record["number"]), None)
        tried = next((p for p in there if p.tried and p.tried.entry.number == record["number"]), None)
        where, shape = "", ""
        if place is not None:
            where, shape = place.environment.name, place.health.shape
        elif tried is not None:
            where, shape = "failed", "failed"
        found.append(Measured(record["version"], record["metrics"][metric], where, shape))
    return found


def _row(
    page: Page, record: Mapping[str, Any], columns: list[str], there: list[Place], first: Place | None
) -> VersionRow:
    number = record["number"]
    runs_in = [(place.environment.name, place.health) for place in there if place.number == number]
    tried = [
        (place.environment.name, Health("failed", "did not start", place.health.sentence))
        for place in there
        if place.tried and place.tried.entry.number == number and place.number != number
    ]
    shown = (runs_in or tried or [("", NONE)])[0][1]
    by = registered_by(page, record["name"], number)
    return VersionRow(
        label=record["version"],
        number=number,
        href=page.to("m", record["name"], record["version"]),
        health=shown if shown.shape != "none" else None,
        runs_in=[*runs_in, *tried],
        stage=record["deployment_status"],
        values=[record["metrics"].get(column) for column in columns],
        when=page.when(record["created_at"]),
        mark=page.mark(by) if by else None,
        first=first is not None and first.number == number,
    )


def _aliases(page: Page, name: str, aliases: Mapping[str, int], said: blame.Blame) -> list[Alias]:
    found = []
    for alias, number in sorted(aliases.items()):
        label = called(page.services.registry.index, name, number)
        by = said.fields.get(f"aliases.{alias}")
        found.append(Alias(alias, label, page.to("m", name, label), page.mark(by) if by else None))
    return found


def _mark(page: Page, said: blame.Blame, field: str) -> Mark | None:
    by = said.of(field)
    return page.mark(by) if by else None
