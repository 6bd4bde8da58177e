"""What the pages show that take a version out of service: what comes back, and what it would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from muster.domain.changes import RollBack, Undeploy
from muster.domain.errors import Invalid, MusterError
from muster.domain.records import Deployment, Earlier
from muster.http.pages.foresight_view import Foresight, Objection, Running, foreseen, objection
from muster.http.pages.forms import problems
from muster.http.pages.health import Health, health, rungs
from muster.http.pages.labels import called
from muster.http.pages.page import Mark, Page
from muster.http.references import version_meant
from muster.service.values import InstanceState, Logged

_EARLIER: Final = 6  # versions to return to


@dataclass(frozen=True, slots=True)
class Return:
    """A version that a rollback can return to. `how_soon` says whether it stands by."""

    label: str
    number: int
    is_warm: bool
    how_soon: str
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class WayBack:
    """From what is in an environment to what was there before."""

    environment: str
    label: str
    number: int
    expected: str
    first: Return


@dataclass(frozen=True, slots=True)
class RollbackView:
    """What is there, what may come back, and what choosing it would do; `label` "": nothing is there.

    `to` is the version to return to, "" if it is the one before; `returning` is its label.
    """

    model: str
    environment: str
    rungs: int
    label: str
    number: int
    health: Health | None
    mark: Mark | None
    expected: str
    returns: list[Return]
    to: str
    returning: str
    foresight: Foresight | None
    reason: str
    refused: MusterError | None
    objections: list[Objection]
    problems: Mapping[str, Any]


def way_back(page: Page, model: str, environment: str) -> WayBack | None:
    """What a rollback there would return to; None if there is nothing."""
    found = page.services.registry.deployment(environment, model)
    if found is None or found[0].version is None or not found[0].earlier:
        return None
    deployment, by = found
    states = page.services.observer.states(environment, model)
    first = _return(page, model, deployment.earlier[0], states)
    label = called(page.services.registry.index, model, deployment.version)
    return WayBack(environment, label, found[0].version, by.commit, first)


def _return(page: Page, model: str, earlier: Earlier, states: tuple[InstanceState, ...]) -> Return:
    """Warm is what stands by with the configuration it would come back with."""
    warm = any(
        s.number == earlier.version and s.config == earlier.config and s.health == "ready" and not s.leaving
        for s in states
    )
    soon = "stands by, warm: back in milliseconds" if warm else "is started first, then gets the traffic"
    return Return(called(page.services.registry.index, model, earlier.version), earlier.version, warm, soon)


def rollback_view(
    page: Page,
    model: str,
    environment: str,
    to: str = "",
    reason: str = "",
    refused: MusterError | None = None,
) -> RollbackView:
    """The page that rolls back, to the version `to` or the one before. Blocks. Raises NotFound."""
    place, _ = page.services.registry.environment(environment)
    page.services.registry.model(model)
    found = page.services.registry.deployment(environment, model)
    states = page.services.observer.states(environment, model)
    if found is None or found[0].version is None:
        return _nothing(page, model, environment, rungs(place), reason, refused)
    deployment, by = found
    number = found[0].version
    target = None
    if to:
        try:
            target = version_meant(page.services.registry, model, to)
        except Invalid as invalid:
            refused = invalid
    first = deployment.earlier[0] if deployment.earlier else None
    back = _way(deployment, first, target)
    change = RollBack(model, number, environment, target)
    returns = [_return(page, model, each, states) for each in deployment.earlier[:_EARLIER]]
    if back is not None and all(each.number != back.version for each in returns):
        returns.append(_return(page, model, back, states))
    now = Running(number, deployment.config)
    then = Running(back.version, back.config) if back else None
    foresight = foreseen(page, change, now, then, reason)
    return RollbackView(
        model=model,
        environment=environment,
        rungs=rungs(place),
        label=called(page.services.registry.index, model, number),
        number=number,
        health=health(page.services.observer.status(environment, model)),
        mark=page.mark(by),
        expected=by.commit,
        returns=[_chosen(each, back) for each in returns],
        to=to,
        returning=called(page.services.registry.index, model, back.version) if back else "",
        foresight=foresight,
        reason=reason,
        refused=refused,
        objections=foresight.objections,
        problems=problems(refused),
    )


def _way(deployment: Deployment, first: Earlier | None, target: int | None) -> Earlier | None:
    """As the plan of a rollback finds it."""
    if target is None:
        return first
    known = next((each for each in deployment.earlier if each.version == target), None)
    return known or Earlier(target, deployment.config)


def _chosen(each: Return, back: Earlier | None) -> Return:
    chosen = back is not None and back.version == each.number
    return Return(each.label, each.number, each.is_warm, each.how_soon, chosen)


def undeploy_view(
    page: Page, model: str, environment: str, reason: str = "", refused: MusterError | None = None
) -> RollbackView:
    """The page that empties an environment of a model. Blocks. Raises NotFound."""
    place, _ = page.services.registry.environment(environment)
    page.services.registry.model(model)
    found = page.services.registry.deployment(environment, model)
    if found is None or found[0].version is None:
        return _nothing(page, model, environment, rungs(place), reason, refused)
    deployment, by = found
    number = found[0].version
    foresight = foreseen(page, Undeploy(model, environment), Running(number, deployment.config), None, reason)
    return RollbackView(
        model=model,
        environment=environment,
        rungs=rungs(place),
        label=called(page.services.registry.index, model, number),
        number=number,
        health=health(page.services.observer.status(environment, model)),
        mark=page.mark(by),
        expected=by.commit,
        returns=[],
        to="",
        returning="",
        foresight=foresight,
        reason=reason,
        refused=refused,
        objections=foresight.objections,
        problems=problems(refused),
    )


def _nothing(
    page: Page, model: str, environment: str, height: int, reason: str, refused: MusterError | None
) -> RollbackView:
    """Nothing of the model is there: said by the very objection that a write would meet."""
    preview = page.services.deployer.preview(Undeploy(model, environment), page.visitor.actor)
    last: Logged | None = page.services.registry.index.last_placing(environment, model)
    return RollbackView(
        model=model,
        environment=environment,
        rungs=height,
        label="",
        number=0,
        health=None,
        mark=page.mark(last) if last else None,
        expected="",
        returns=[],
        to="",
        returning="",
        foresight=None,
        reason=reason,
        refused=refused,
        objections=[objection(page, Undeploy(model, environment), each) for each in preview.objections],
        problems=problems(refused),
    )
