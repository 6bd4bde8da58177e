"""`/api/v1/proposals` and `/api/v1/reviews`: what waits for others, and what was done without them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Final

from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from muster.domain import names, parse
from muster.domain.break_glass import STATES as REVIEW_STATES
from muster.domain.break_glass import review_id
from muster.domain.changes import (
    Change,
    Decide,
    Deploy,
    Propose,
    ReviewBreakGlass,
    SetAlias,
    SetStage,
    Undeploy,
    Verdict,
    Withdraw,
)
from muster.domain.parse import Form
from muster.domain.proposals import proposal_id, state_of
from muster.domain.records import STAGES, Config, Json
from muster.http import schemas_proposals as schemas
from muster.http.answers import Answer, encoded, listed, of_write
from muster.http.paging import page
from muster.http.parameters import After, Given, InPath, Limit, Wanted
from muster.http.problems import refusal
from muster.http.references import label_or_number, place_of
from muster.http.services import Services
from muster.http.writes import Asked, Asking, caller, previewed
from muster.service import proposal_views
from muster.service.operations import Operation
from muster.service.proposals import Decided, proposed
from muster.service.submissions import Recorded

PROPOSALS: Final = "/api/v1/proposals"
PROPOSAL: Final = f"{PROPOSALS}/{{proposal:str}}"
REVIEWS: Final = "/api/v1/reviews"
REVIEW: Final = f"{REVIEWS}/{{review:str}}"
KINDS: Final = ("deploy", "undeploy", "stage", "alias")

# Not called `state`, which is Litestar's own.
InState = Annotated[str | None, QueryParameter(name="state", description="Only those in that state")]
WaitingFor = Annotated[
    str | None, QueryParameter(description="Only those of which this account's approval would count")
]


def _newest_first(record: dict[str, Json]) -> int:
    return -int(record["id"].partition("-")[2])


def _paged(found: list[dict[str, Json]], after: str | None, limit: int) -> bytes:
    shown, more = page(found, _newest_first, -(2**62), after, limit)
    return listed(map(encoded, shown), len(found), more)


@get(PROPOSALS, summary="List what waits for approval, and what waited, newest first")
async def proposals(
    services: Given,
    request: Request[Any, Any, Any],
    in_state: InState = None,
    environment: Wanted = None,
    model: Wanted = None,
    waiting_for: WaitingFor = None,
    limit: Limit = 100,
    after: After = None,
) -> Answer[schemas.Proposals]:
    wanted = proposal_views.Wanted(
        None if in_state is None else state_of(in_state),
        environment,
        model,
        None if waiting_for is None else names.actor_id(waiting_for, "waiting_for"),
    )
    actor = caller(request)

    def work() -> bytes:
        sight = services.gate.sight(actor)
        return _paged(services.proposal_views.all(wanted, actor, sight), after, limit)

    return Answer(await services.pools.reads.run(work))


@get(PROPOSAL, summary="Show a proposal: the exact effect, who said what, who is needed yet")
async def proposal(
    services: Given, request: Request[Any, Any, Any], proposal: InPath
) -> Answer[schemas.ProposalRecord]:
    of = proposal_id(proposal)
    return Answer(encoded(await services.pools.reads.run(partial(_record, services, caller(request), of))))


def _record(services: Services, actor: Any, of: str) -> dict[str, Json]:
    return services.proposal_views.one(of, actor, services.gate.sight(actor))


@post(
    PROPOSALS,
    summary="Propose a change, that others may approve it",
    opt={"body": schemas.NewProposal, "also": {202: "ProposalRecord"}},
)
async def propose(services: Given, asked: Asking) -> Answer[schemas.ProposalRecord]:
    form = asked.form()
    make = _wanted(services, form)
    reason = form.take("reason", parse.reason, "")
    form.close()

    def work() -> tuple[str, Recorded]:
        before = None if asked.request is None else services.registry.answered(asked.request)
        if before is not None:
            return proposed(before), before
        return services.proposals.propose(make(), asked.actor, reason, asked.request)

    if asked.dry_run:
        wanted = await services.pools.reads.run(make)
        return await previewed(services, asked.actor, "", Propose(wanted, asked.actor, reason))
    of, recorded = await services.pools.writes.run(work)
    record = await services.pools.reads.run(partial(_record, services, asked.actor, of))
    return of_write(record, recorded, 201)


def _wanted(services: Services, form: Form) -> Callable[[], Change]:
    """What the form proposes, once it is closed; all else is asked for at its own place."""
    kind = form.need("kind", parse.one_of(KINDS), "deploy")
    model = form.need("model", names.model_name, "")
    version = form.take("version", label_or_number, None)
    environment = form.take("environment", names.environment_name, "production")
    config = form.take("config", parse.config, Config())
    stage = form.take("stage", parse.one_of(STAGES), "production")
    alias = form.take("alias", names.alias_name, None)
    if kind == "alias" and alias is None:
        form.need("alias", names.alias_name, "")
    if kind in ("deploy", "stage"):
        form.need("version", label_or_number, "")

    def make() -> Change:
        number = None if version is None else place_of(services.registry, model, version)[1]
        if kind == "alias":
            return SetAlias(model, alias or "", number)
        if number is None:
            return Undeploy(model, environment)
        if kind == "stage":
            return SetStage(model, number, stage)
        return (
            Undeploy(model, environment) if kind == "undeploy" else Deploy(model, number, environment, config)
        )

    return make


# ------------------------------------------------------------ deciding


@post(
    f"{PROPOSAL}/approve",
    status_code=200,
    summary="Approve a proposal; the last approval needed carries it out",
    opt={"body": schemas.Word},
)
async def approve(services: Given, asked: Asking, proposal: InPath) -> Answer[schemas.ProposalRecord]:
    return await _decide(services, asked, proposal, "approve")


@post(
    f"{PROPOSAL}/reject",
    status_code=200,
    summary="Reject a proposal, which ends it",
    opt={"body": schemas.Word},
)
async def reject(services: Given, asked: Asking, proposal: InPath) -> Answer[schemas.ProposalRecord]:
    return await _decide(services, asked, proposal, "reject")


async def _decide(services: Services, asked: Asked, proposal: str, verdict: Verdict) -> Answer[Any]:
    of, comment = proposal_id(proposal), _comment(asked)
    if asked.dry_run:
        change = Decide(of, verdict, asked.actor.name, comment)
        return await previewed(services, asked.actor, "", change)

    def work() -> tuple[Decided, dict[str, Json]]:
        decided = services.proposals.decide(of, verdict, asked.actor, comment, asked.request)
        return decided, _record(services, asked.actor, of)

    decided, record = await services.pools.writes.run(work)
    if isinstance(decided.carried, Operation):
        record["operation"] = decided.carried.view()
    if decided.refused is not None:
        told = refusal(decided.refused)
        record["refused"] = {"code": told.code, "message": told.message, **told.facts}
    return of_write(record, decided.recorded)


def _comment(asked: Asked) -> str:
    form = Form({} if asked.body is None else asked.body)
    comment = form.take("comment", parse.reason, "")
    form.close()
    return comment


@post(
    f"{PROPOSAL}/withdraw",
    status_code=200,
    summary="Take back a proposal of one's own",
    opt={"body": schemas.Word},
)
async def withdraw(services: Given, asked: Asking, proposal: InPath) -> Answer[schemas.ProposalRecord]:
    of, comment = proposal_id(proposal), _comment(asked)
    if asked.dry_run:
        return await previewed(services, asked.actor, "", Withdraw(of, asked.actor.name, comment))

    def work() -> tuple[Recorded, dict[str, Json]]:
        recorded = services.proposals.withdraw(of, asked.actor, comment, asked.request)
        return recorded, _record(services, asked.actor, of)

    recorded, record = await services.pools.writes.run(work)
    return of_write(record, recorded)


# ------------------------------------------------------------ broken glass


@get(REVIEWS, summary="List what was done with the break-glass role, newest first")
async def reviews(
    services: Given,
    request: Request[Any, Any, Any],
    in_state: InState = None,
    limit: Limit = 100,
    after: After = None,
) -> Answer[schemas.Reviews]:
    wanted = None if in_state is None else parse.one_of(REVIEW_STATES)(in_state, "state")
    actor = caller(request)

    def work() -> bytes:
        found = services.proposal_views.reviews(wanted, services.gate.sight(actor))
        return _paged(found, after, limit)

    return Answer(await services.pools.reads.run(work))


@post(
    f"{REVIEW}/review",
    status_code=200,
    summary="Say what one found of what was done with the break-glass role",
    opt={"body": schemas.Word},
)
async def review(services: Given, asked: Asking, review: InPath) -> Answer[schemas.ReviewRecord]:
    of, comment = review_id(review), _comment(asked)
    if asked.dry_run:
        return await previewed(services, asked.actor, "", ReviewBreakGlass(of, asked.actor.name, comment))

    def work() -> tuple[Recorded, dict[str, Json]]:
        recorded = services.proposals.review(of, asked.actor, comment, asked.request)
        return recorded, services.proposal_views.review(of, services.gate.sight(asked.actor))

    recorded, record = await services.pools.writes.run(work)
    return of_write(record, recorded)


def routes() -> list[HTTPRouteHandler]:
    """All routes of proposals and reviews."""
    return [proposals, proposal, propose, approve, reject, withdraw, reviews, review]
