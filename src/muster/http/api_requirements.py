"""`/api/v1/requirements`: which fields versions must have, for the registry and for teams' models."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from litestar import Request, delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from muster.domain import access, parse, requirements
from muster.domain.changes import DeleteRequirement, SetRequirement
from muster.domain.records import Fields
from muster.domain.requirements import Requirement
from muster.http import schemas_evidence
from muster.http.answers import Answer, conditional, encoded, listed, no_content, of_write
from muster.http.api_versions import VERSION
from muster.http.paging import page
from muster.http.parameters import After, Given, InPath, Limit, Reason
from muster.http.references import place_of
from muster.http.services import Services
from muster.http.writes import Asking, reason_given, write
from muster.service.requirements import Requirements
from muster.service.submissions import Recorded

REQUIREMENTS: Final = "/api/v1/requirements"
OF_THE_REGISTRY: Final = f"{REQUIREMENTS}/registry"
OF_A_TEAM: Final = f"{REQUIREMENTS}/team/{{team:str}}"
_TESTED: Final = 100  # that are told, unless another limit is said


def _reads(services: Services) -> Requirements:
    return Requirements(services.registry, services.schemas, services.cards)


async def _set(services: Services, asked: Asking, team: str | None) -> Answer[Any]:
    form = asked.form()
    wanted = requirements.taken(form, team)
    reason = form.take("reason", parse.reason, "")
    form.close()
    _reads(services).check(wanted.schema)
    change = SetRequirement(team, wanted.schema, wanted.block, wanted.environments, wanted.description)

    def answer(recorded: Recorded) -> Answer[Any]:
        touched = recorded.commit or _reads(services).of(team)[1].by.commit
        return of_write(requirements.to_dict(wanted), recorded, 200, touched)

    return await write(services, asked, reason, lambda: change, answer)


def _place(requirement: Requirement) -> tuple[int, str]:
    """The registry's comes before those of teams."""
    return (0, "") if requirement.team is None else (1, requirement.team)


def _shown(services: Services, request: Request[Any, Any, Any], team: str | None) -> Answer[Any]:
    found, document = _reads(services).of(team)
    content = encoded(requirements.to_dict(found))
    return conditional(content, document.by.commit, request.headers.get("if-none-match"))


@get(REQUIREMENTS, summary="List what is required of versions")
async def all_requirements(
    services: Given, limit: Limit = 100, after: After = None
) -> Answer[schemas_evidence.Requirements]:
    found = [each for each, _ in _reads(services).all()]
    shown, more = page(found, _place, (-1, ""), after, limit)
    return Answer(listed((encoded(requirements.to_dict(each)) for each in shown), len(found), more))


@get(OF_THE_REGISTRY, summary="Show what is required of every version")
async def of_the_registry(
    services: Given, request: Request[Any, Any, Any]
) -> Answer[schemas_evidence.RequirementRecord]:
    return _shown(services, request, None)


@put(
    OF_THE_REGISTRY,
    summary="Say what is required of every version",
    opt={"body": schemas_evidence.NewRequirement},
)
async def set_of_the_registry(services: Given, asked: Asking) -> Answer[schemas_evidence.RequirementRecord]:
    return await _set(services, asked, None)


@delete(OF_THE_REGISTRY, status_code=204, summary="Require nothing of every version any more")
async def delete_of_the_registry(services: Given, asked: Asking, reason: Reason = "") -> Answer[None]:
    return await write(services, asked, reason_given(reason), partial(DeleteRequirement, None), no_content)


@get(OF_A_TEAM, summary="Show what a team requires of its models' versions")
async def of_a_team(
    services: Given, request: Request[Any, Any, Any], team: InPath
) -> Answer[schemas_evidence.RequirementRecord]:
    return _shown(services, request, access.team_name(team))


@put(
    OF_A_TEAM,
    summary="Say what a team requires of its models' versions",
    opt={"body": schemas_evidence.NewRequirement},
)
async def set_of_a_team(
    services: Given, asked: Asking, team: InPath
) -> Answer[schemas_evidence.RequirementRecord]:
    return await _set(services, asked, access.team_name(team))


@delete(OF_A_TEAM, status_code=204, summary="Require nothing more of a team's models")
async def delete_of_a_team(services: Given, asked: Asking, team: InPath, reason: Reason = "") -> Answer[None]:
    change = partial(DeleteRequirement, access.team_name(team))
    return await write(services, asked, reason_given(reason), change, no_content)


# ------------------------------------------------------------ held against versions


@post(
    f"{REQUIREMENTS}/test",
    status_code=200,
    summary="Say which versions would lack something; nothing is written",
    opt={"body": schemas_evidence.RequirementTest},
)
async def test(services: Given, asked: Asking) -> Answer[schemas_evidence.RequirementTested]:
    form = asked.form()
    team = form.take("team", access.team_name, None)
    model = form.take("model", parse.name, None)
    limit = form.take("limit", parse.integer(1, 1000), _TESTED)
    schema: Fields = form.need("schema", requirements.schema_from, {})
    form.close()
    work = partial(_reads(services).test, Requirement(team, schema), model, limit)
    # Not in the pool for reads, which answer soon: all versions may be read.
    tested = await services.pools.writes.run(work)
    items = [each.view() for each in tested.first]
    return Answer(encoded({"checked": tested.checked, "lacking": tested.lacking, "items": items}))


@get(f"{VERSION}/lacks", summary="Say what a version lacks of what is required")
async def lacks(services: Given, model: InPath, version: InPath) -> Answer[schemas_evidence.LackingRecord]:
    def work() -> Answer[Any]:
        place = place_of(services.registry, model, version)
        return Answer(encoded(_reads(services).lacking(*place).view()))

    return await services.pools.reads.run(work)


def routes() -> list[HTTPRouteHandler]:
    """All routes of requirements."""
    return [
        all_requirements,
        of_the_registry,
        set_of_the_registry,
        delete_of_the_registry,
        of_a_team,
        set_of_a_team,
        delete_of_a_team,
        test,
        lacks,
    ]
