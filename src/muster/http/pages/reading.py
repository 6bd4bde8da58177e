"""Records and places as they are at the moment that a page shows: now from the index, then from Git."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from muster.domain.errors import NotFound
from muster.domain.records import Deployment, Environment, Json
from muster.http.pages.health import NONE, RECORDED, Health, did_not_start, health, health_then
from muster.http.pages.labels import called
from muster.http.pages.page import Page
from muster.http.references import place_of
from muster.http.views import shown
from muster.service.standings import Look
from muster.service.values import ChangeFilter, InstanceState, Logged, VersionFilter

_decode = msgspec.json.Decoder(dict[str, Json]).decode
_ANY: Final = ChangeFilter()
_BACK: Final = 200  # numbers to look back through for versions that were there then


@dataclass(frozen=True, slots=True)
class Place:
    """What of a model is in an environment; `number` None: nothing. `tried` did not start there."""

    environment: Environment
    number: int | None = None
    label: str = ""
    health: Health = NONE
    by: Logged | None = None
    states: tuple[InstanceState, ...] = ()
    tried: Logged | None = None


def environments(page: Page) -> list[Environment]:
    """The environments by falling rank."""
    if page.at is not None:
        return page.services.past.environments(page.at)
    return [environment for environment, _ in page.services.registry.index.environments()]


def model_record(page: Page, name: str) -> dict[str, Json]:
    """The model's record, with its card. Raises NotFound."""
    if page.at is not None:
        return page.services.past.model_record(page.at, name)
    return page.services.registry.model(name)[0]


def version_number(page: Page, model: str, version: str) -> int:
    """The number of the version that a page's address names by label or number. Raises NotFound."""
    if page.at is None:
        return place_of(page.services.registry, model, version)[1]
    found, number = page.services.past.locate(page.at, f"{model}/{version}")
    if found != model:
        raise NotFound("version", f"{model}/{version}")
    return number


def version_record(page: Page, model: str, number: int) -> dict[str, Json]:
    """The version's record. Raises NotFound."""
    if page.at is not None:
        return page.services.past.version_record(page.at, model, number)
    document, _ = shown(page.services, page.services.registry.numbered(model, number))
    return _decode(document)


def versions(page: Page, model: str, below: int | None, limit: int) -> list[dict[str, Json]]:
    """The records of at most `limit` versions with numbers below `below`, the newest first."""
    index = page.services.registry.index
    if page.at is not None:
        newest = index.newest_then(page.at.position, model)
        return _versions_then(page, model, min(below or 2**31, newest[0] + 1) if newest else 1, limit)
    after = 0
    if below is not None:
        found = index.find_number(model, below)
        after = found.sequence if found else 0
    wanted = VersionFilter(model=model)
    listed = index.versions(wanted, after=after, limit=limit, descending=True, order="number")
    return [_decode(found.document) for found in listed]


def _versions_then(page: Page, model: str, below: int, limit: int) -> list[dict[str, Json]]:
    found: list[dict[str, Json]] = []
    for number in range(below - 1, max(0, below - 1 - _BACK), -1):
        try:
            found.append(version_record(page, model, number))
        except NotFound:  # deleted by then
            continue
        if len(found) == limit:
            break
    return found


def registered_by(page: Page, model: str, number: int) -> Logged | None:
    """The change that registered a version."""
    index = page.services.registry.index
    found = index.find_number(model, number)
    if found is None:
        return None
    return next(iter(index.changes(_ANY, before=found.sequence + 1, limit=1)), None)


def places(page: Page, model: str) -> list[Place]:
    """What of the model is in each environment, by falling rank."""
    if page.at is not None:
        return [place_then(page, environment, model) for environment in environments(page)]
    look = page.services.standings.look()
    declared = {d.environment: (d, by) for d, by in page.services.registry.index.deployments(model=model)}
    return [
        _place(page, environment, model, look, declared.get(environment.name))
        for environment in environments(page)
    ]


def _place(
    page: Page, environment: Environment, model: str, look: Look, declared: tuple[Deployment, Logged] | None
) -> Place:
    at = (environment.name, model)
    tried = look.failed.get(at)
    if declared is None:
        if tried is None:
            return Place(environment, health=health(look.standings.get(at)))
        return Place(environment, health=did_not_start(tried.entry.reason), tried=tried)
    deployment, by = declared
    label = called(page.services.registry.index, model, deployment.version)
    states = page.services.observer.states(environment.name, model)
    status = page.services.observer.judged(environment, model, declared)
    return Place(environment, deployment.version, label, health(status), by, states, tried)


def place_then(page: Page, environment: Environment, model: str) -> Place:
    """What was in the environment at the past moment that the page shows."""
    assert page.at is not None
    past, index = page.services.past, page.services.registry.index
    placed = index.placed_at(page.at.position, environment.name, model)
    if not placed or placed[0].number is None:
        return Place(environment)
    number = placed[0].number
    version = past.version(page.at, model, number)
    seen = past.observed(page.at, environment.name, model)
    declared = past.deployment(page.at, environment.name, model)
    if declared is not None and declared.recorded and seen is None:
        shown = RECORDED
    elif seen is None:
        shown = health_then(None, None, number)
    else:
        shown = health_then(seen.entry.observed, seen.entry.number, number)
    return Place(environment, number, version.label or str(number), shown, placed[0].by)
