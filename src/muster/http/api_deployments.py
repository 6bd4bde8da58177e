"""`/api/v1/deployments`: what runs where, by declaration and by observation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from litestar import Request, delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from muster.domain import names, parse
from muster.domain.changes import Deploy, Observe, RollBack, Undeploy
from muster.domain.errors import Invalid, NotDeployedThere, NotFound
from muster.domain.records import Config
from muster.http import deployed, schemas_deployed
from muster.http.answers import Answer, conditional, encoded, etag, matches, of_write
from muster.http.parameters import After, At, Given, InPath, Limit, Reason, Wait, WaitSeconds, Wanted
from muster.http.references import label_or_number, place_of, version_meant
from muster.http.services import Services
from muster.http.writes import (
    Asked,
    Asking,
    answered_before,
    begun,
    conditioned,
    ended,
    foreseen,
    previewed,
    reason_given,
)
from muster.service.deployer import Placing
from muster.service.observing import report_view

DEPLOYMENTS: Final = "/api/v1/deployments"
DEPLOYMENT: Final = f"{DEPLOYMENTS}/{{environment:str}}/{{model:str}}"
LOOK_AGAIN_S: Final = 2.0  # what another process writes to the home pokes nobody here
_ENDED: Final = {"also": {200: "DeploymentDetail"}}


@get(DEPLOYMENTS, summary="List what is deployed, now or at any time")
async def deployments(
    services: Given,
    environment: Wanted = None,
    model: Wanted = None,
    at: At = None,
    limit: Limit = 100,
    after: After = None,
) -> Answer[schemas_deployed.Deployments]:
    wanted = deployed.Wanted(environment, model, after, limit)

    def work() -> tuple[bytes, str]:
        if at is None:
            return deployed.listing(services, wanted), services.registry.index.head() or ""
        moment = services.past.at(at)
        return deployed.listing_then(services, moment, wanted), moment.commit

    content, head = await services.pools.reads.run(work)
    return Answer(content, headers={"muster-head": head})


@get(DEPLOYMENT, summary="Show a deployment: declared and observed")
async def deployment(
    services: Given, environment: InPath, model: InPath, at: At = None
) -> Answer[schemas_deployed.DeploymentDetail]:
    if at is not None:
        then = partial(deployed.detail_then, services, at, environment, model)
        return Answer(encoded(await services.pools.reads.run(then)))
    record, touched = await services.pools.reads.run(partial(deployed.detail, services, environment, model))
    # Not for If-None-Match: what is observed changes without a commit.
    return Answer(encoded(record), headers={"etag": etag(touched)} if touched else {})


# ------------------------------------------------------------ declaring


@put(
    DEPLOYMENT,
    status_code=202,
    summary="Put a version into service",
    opt={"body": schemas_deployed.DeployRequest, **_ENDED},
)
async def deploy(
    services: Given, asked: Asking, environment: InPath, model: InPath, wait: Wait = False
) -> Answer[schemas_deployed.OperationRecord]:
    form = asked.form()
    version = form.need("version", label_or_number, "")
    config = form.take("config", parse.config, Config())
    reason = form.take("reason", parse.reason, "")
    form.close()

    def change() -> Deploy:
        return Deploy(*place_of(services.registry, model, version), environment, config)

    return await _place(services, asked, reason, change, (environment, model), wait=wait)


@post(
    f"{DEPLOYMENT}/rollback",
    status_code=202,
    summary="Return to the version that was deployed before",
    opt={"body": schemas_deployed.RollbackRequest, **_ENDED},
)
async def rollback(
    services: Given, asked: Asking, environment: InPath, model: InPath, wait: Wait = False
) -> Answer[schemas_deployed.OperationRecord]:
    form = asked.form()
    guard = form.take("version", label_or_number, None)
    to = form.take("to", label_or_number, None)
    empty = form.take("empty", parse.boolean, False)
    reason = form.take("reason", parse.reason, "")
    form.close()

    def change() -> RollBack:
        number = _rolled_back(services, environment, model, guard)
        target = None if to is None else version_meant(services.registry, model, to)
        return RollBack(model, number, environment, target, empty)

    return await _place(services, asked, reason, change, (environment, model), wait=wait)


def _rolled_back(services: Services, environment: str, model: str, guard: str | None) -> int:
    """The version to return from: what is deployed, unless the caller says what that must be."""
    if guard is not None:
        return place_of(services.registry, model, guard)[1]
    found = services.registry.deployment(environment, model)
    if found is None or found[0].version is None:
        raise NotDeployedThere(f"nothing of {model} is deployed in {environment}")
    return found[0].version


@delete(DEPLOYMENT, status_code=202, summary="Empty an environment of a model", opt=_ENDED)
async def undeploy(
    services: Given,
    asked: Asking,
    environment: InPath,
    model: InPath,
    reason: Reason = "",
    wait: Wait = False,
) -> Answer[schemas_deployed.OperationRecord]:
    change = Undeploy(model, environment)
    place = (environment, model)
    return await _place(services, asked, reason_given(reason), lambda: change, place, wait=wait)


async def _place(
    services: Services,
    asked: Asked,
    reason: str,
    change: Callable[[], Placing],
    place: tuple[str, str],
    *,
    wait: bool,
) -> Answer[Any]:
    """Begin it and answer with the operation; with `wait` answer with the deployment once it has ended."""
    if (recorded := answered_before(services, asked)) is not None:
        kind = recorded.logged.entry.kind if recorded.logged else ""
        operation = services.deployer.operations.answered(kind, place[0], (place[1],), recorded)
    else:
        if asked.dry_run:
            return await foreseen(services, asked, reason, place[0], change)
        operation = await begun(services, asked, reason, conditioned(change(), asked))
    if not wait:
        where = f"/api/v1/operations/{operation.id}"
        return Answer(encoded(operation.view()), 202, {"location": where})
    recorded = await ended(operation)
    record, touched = await services.pools.reads.run(partial(deployed.detail, services, *place))
    return of_write(record, recorded, touched=touched)


# ------------------------------------------------------------ what others run


@get(f"{DEPLOYMENT}/desired", summary="Say what is to run, and wait until that changes")
async def desired(
    services: Given,
    request: Request[Any, Any, Any],
    environment: InPath,
    model: InPath,
    wait_s: WaitSeconds = 0,
) -> Answer[schemas_deployed.DesiredRecord]:
    known = request.headers.get("if-none-match")
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    while True:
        ticket = services.changes.ticket()
        record = await services.pools.reads.run(partial(deployed.desired, services, environment, model))
        tag = record["commit"] or "none"
        left = deadline - loop.time()
        if left <= 0 or not matches(known, etag(tag)):
            return conditional(encoded(record), tag, known)
        await services.changes.after(ticket, min(left, LOOK_AGAIN_S))


@put(
    f"{DEPLOYMENT}/observed",
    summary="Report what runs outside",
    opt={"body": schemas_deployed.Observation},
)
async def observed(
    services: Given, asked: Asking, environment: InPath, model: InPath
) -> Answer[schemas_deployed.Observed]:
    form = asked.form()
    version = form.take("version", label_or_number, None)
    digest = form.take("sha256", names.digest, None)
    stopped = form.take("stopped", parse.boolean, False)
    instance = form.take("instance", parse.name, "default")
    reason = form.take("reason", parse.reason, "")
    form.close()
    if [version is not None, digest is not None, stopped].count(True) != 1:
        rule = "must be given, or else sha256, the digest of a file that runs, or stopped: true"
        raise Invalid.one("version", version, rule)
    if services.registry.index.model_record(model) is None:
        raise NotFound("model", model)
    number = None if version is None else place_of(services.registry, model, version)[1]
    state = "stopped" if stopped else "running"
    change = conditioned(Observe(model, environment, state, number, instance, digest), asked)
    if asked.dry_run:
        return await previewed(services, asked.actor, reason, change)
    said = partial(
        services.observer.stopped
        if stopped
        else partial(services.observer.report, number=number, digest=digest),
        environment,
        model,
        instance=instance,
        actor=asked.actor,
        reason=reason,
    )
    status = await services.pools.writes.run(said)
    reports = [report_view(each) for each in services.observer.reports(environment, model)]
    return Answer(encoded(deployed.status_view(status) | {"reports": reports}))


def routes() -> list[HTTPRouteHandler]:
    """All routes of deployments."""
    return [deployments, deployment, deploy, rollback, undeploy, desired, observed]
