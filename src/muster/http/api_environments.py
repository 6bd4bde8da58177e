"""`/api/v1/environments`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Final

from litestar import Request, delete, get, patch, post
from litestar.handlers import HTTPRouteHandler

from muster.domain import codec, names, parse, rule_form
from muster.domain.changes import DeleteEnvironment, SetEnvironment
from muster.domain.parse import Form
from muster.domain.placing import TARGETS
from muster.domain.records import STAGES, Environment
from muster.domain.rules import NO_RULES, Calendar
from muster.http import schemas_deployed
from muster.http.answers import Answer, conditional, encoded, listed, no_content, of_write
from muster.http.paging import page
from muster.http.parameters import After, At, Given, InPath, Limit, Reason
from muster.http.services import Services
from muster.http.writes import Asking, reason_given, write
from muster.service.submissions import Recorded

ENVIRONMENTS: Final = "/api/v1/environments"
ENVIRONMENT: Final = f"{ENVIRONMENTS}/{{environment:str}}"
_RANK: Final = 1_000_000


def environment_from(form: Form, old: Environment, calendar: Calendar) -> Environment:
    """`old` with what the form says; null clears the stage, the description and the rules.

    Of the rules, too, what is not said stays, and null takes one away.
    """
    stage, description = form.has("stage"), form.has("description")
    rules = rule_form.rules(calendar, old.rules)
    return replace(
        old,
        target=form.take("target", parse.one_of(TARGETS), old.target),
        rank=form.take("rank", parse.integer(-_RANK, _RANK), old.rank),
        stage=form.take("stage", parse.one_of(STAGES), None if stage else old.stage),
        description=form.take("description", parse.text, "" if description else old.description),
        allow_pickle=form.take("allow_pickle", parse.boolean, old.allow_pickle),
        rules=form.take("rules", rules, NO_RULES if form.has("rules") else old.rules),
    )


def _answer(services: Services, name: str, created: int = 200) -> Any:
    def answer(recorded: Recorded) -> Answer[Any]:
        if recorded.repeated and recorded.logged is not None:
            environment = services.past.environment(recorded.logged, name)
            touched = recorded.logged.commit
        else:
            environment, touched = services.registry.environment(name)
        status = created if recorded.commit else 200
        return of_write(codec.environment_to_dict(environment), recorded, status, touched)

    return answer


@get(ENVIRONMENTS, summary="List the environments, the one nearest to customers first")
async def environments(
    services: Given, limit: Limit = 100, after: After = None
) -> Answer[schemas_deployed.Environments]:
    found = [environment for environment, _ in services.registry.index.environments()]
    shown, more = page(found, lambda each: (-each.rank, each.name), (-_RANK - 1, ""), after, limit)
    records = (encoded(codec.environment_to_dict(each)) for each in shown)
    return Answer(listed(records, len(found), more))


@post(ENVIRONMENTS, summary="Create an environment", opt={"body": schemas_deployed.NewEnvironment})
async def create(services: Given, asked: Asking) -> Answer[schemas_deployed.EnvironmentRecord]:
    form = asked.form()
    name = form.need("name", names.environment_name, "")
    environment = environment_from(form, Environment(name), services.calendar)
    reason = form.take("reason", parse.reason, "")
    form.close()
    change = SetEnvironment(environment, create=True)
    return await write(services, asked, reason, lambda: change, _answer(services, name, 201))


@get(ENVIRONMENT, summary="Show an environment")
async def environment(
    services: Given, request: Request[Any, Any, Any], environment: InPath, at: At = None
) -> Answer[schemas_deployed.EnvironmentRecord]:
    if at is not None:
        return await services.pools.reads.run(partial(_as_it_was, services, environment, at))
    found, touched = services.registry.environment(environment)
    content = encoded(codec.environment_to_dict(found))
    return conditional(content, touched, request.headers.get("if-none-match"))


def _as_it_was(services: Services, name: str, at: str) -> Answer[Any]:
    """The record at a time or commit. Raises NotFound and Invalid."""
    moment = services.past.at(at)
    found = services.past.environment(moment, name)
    return Answer(encoded(codec.environment_to_dict(found)), headers={"muster-head": moment.commit})


@patch(ENVIRONMENT, summary="Change an environment's rules", opt={"body": schemas_deployed.EnvironmentUpdate})
async def update(
    services: Given, asked: Asking, environment: InPath
) -> Answer[schemas_deployed.EnvironmentRecord]:
    form = asked.form()
    # What is wrong with the body comes before what is not there.
    environment_from(form, Environment(environment), services.calendar)
    reason = form.take("reason", parse.reason, "")
    form.close()

    def change() -> SetEnvironment:
        old, touched = services.registry.environment(environment)
        # Made from the whole record as it was just seen: nobody's update is lost over it.
        wanted = environment_from(asked.form(), old, services.calendar)
        return SetEnvironment(wanted, expected=touched)

    return await write(services, asked, reason, change, _answer(services, environment))


@delete(ENVIRONMENT, status_code=204, summary="Delete an environment where nothing is deployed")
async def remove(services: Given, asked: Asking, environment: InPath, reason: Reason = "") -> Answer[None]:
    change = DeleteEnvironment(environment)
    return await write(services, asked, reason_given(reason), lambda: change, no_content)


def routes() -> list[HTTPRouteHandler]:
    """All routes of environments."""
    return [environments, create, environment, update, remove]
