"""Environments: how near each is to customers, what runs versions there, and what does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from muster.domain.errors import NotFound
from muster.domain.records import Environment
from muster.domain.rule_words import sentences
from muster.http.pages.health import Health, health, rungs
from muster.http.pages.labels import called
from muster.http.pages.page import Mark, Page
from muster.http.pages.reading import environments, place_then
from muster.service.standings import Look

ROWS: Final = 50
TARGETS: Final = {
    "process": "worker processes of this server",
    "external": "something else, which reports what runs",
}
# Shapes of the words that a look counts as trouble.
_SHAPES: Final = {"failed": "failed", "stopped": "failed", "drifted": "drifted", "undeclared": "drifted"}


@dataclass(frozen=True, slots=True)
class Row:
    """An environment in the list; `troubles` are (shape, word, how many models)."""

    record: Environment
    rungs: int
    href: str
    target: str
    deployed: int
    troubles: list[tuple[str, str, int]]


@dataclass(frozen=True, slots=True)
class There:
    """What of a model is in an environment; `label` "" where something runs that nobody declared."""

    model: str
    href: str
    label: str
    version_href: str
    health: Health
    mark: Mark | None


@dataclass(frozen=True, slots=True)
class EnvironmentView:
    """An environment, the change that touched its rules last, and what is there."""

    row: Row
    touched: str
    mark: Mark | None
    rules: tuple[str, ...]
    there: list[There]
    more: str
    newest: str


def listed(page: Page) -> list[Row]:
    """All environments, the one nearest to customers first."""
    look = Look() if page.at else page.services.standings.look()
    return [_row(page, each, look) for each in environments(page)]


def environment_view(page: Page, name: str) -> EnvironmentView:
    """One environment. Raises NotFound."""
    look = Look() if page.at else page.services.standings.look()
    touched, mark = "", None
    if page.at is None:
        record, touched = page.services.registry.environment(name)
        by = page.services.registry.index.change(touched)
        mark = page.mark(by) if by else None
    else:
        record = page.services.past.environment(page.at, name)
    after = page.query.get("after", "")
    there = _then(page, record, after) if page.at else _now(page, record, after, look)
    return EnvironmentView(
        row=_row(page, record, look),
        touched=touched,
        mark=mark,
        rules=sentences(record.rules),
        there=there[:ROWS],
        more=page.here(after=there[ROWS - 1].model) if len(there) > ROWS else "",
        newest=page.here(after=None) if after else "",
    )


def _row(page: Page, record: Environment, look: Look) -> Row:
    index = page.services.registry.index
    if page.at is None:
        deployed = index.count_deployments(record.name)
    else:
        deployed = index.count_placed_at(page.at.position, record.name)
    counted = (
        (word, sum(1 for place in places if place[0] == record.name))
        for word, places in look.troubled.items()
    )
    return Row(
        record,
        rungs(record),
        page.to("environments", record.name),
        TARGETS.get(record.target, record.target),
        deployed,
        [(_SHAPES.get(word, "unknown"), word, count) for word, count in sorted(counted) if count],
    )


def _now(page: Page, record: Environment, after: str, look: Look) -> list[There]:
    """What is declared and what runs undeclared, by model, beyond `after`; one more than a page."""
    index = page.services.registry.index
    found = {
        deployment.model: (deployment.version, by)
        for deployment, by in index.deployments(record.name, after=(record.name, after), limit=ROWS + 1)
    }
    undeclared = [
        model
        for environment, model in look.troubled.get("undeclared", ())
        if environment == record.name and model > after
    ]
    there = []
    for model in sorted({*found, *undeclared})[: ROWS + 1]:
        number, by = found.get(model, (None, None))
        label = called(index, model, number) if number else ""
        shown = health(look.standings.get((record.name, model)))
        there.append(_there(page, record.name, model, label, shown, page.mark(by) if by else None))
    return there


def _then(page: Page, record: Environment, after: str) -> list[There]:
    """The same at the past moment that the page shows, as far as it was recorded."""
    assert page.at is not None
    placed = page.services.registry.index.placed_at(
        page.at.position, record.name, after=(record.name, after), limit=ROWS + 1
    )
    there = []
    for each in placed:
        try:
            place = place_then(page, record, each.model)
        except NotFound:  # its version was deleted
            continue
        there.append(_there(page, record.name, each.model, place.label, place.health, page.mark(each.by)))
    return there


def _there(page: Page, environment: str, model: str, label: str, shown: Health, mark: Mark | None) -> There:
    version = page.to("m", model, label) if label else ""
    return There(model, page.to("environments", environment, model), label, version, shown, mark)
