"""`/api/v1/accounts`, `teams`, `roles`, `tokens`, `me`: who is who, and who may what."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import partial
from typing import Annotated, Any, Final, cast

from litestar import Request, delete, get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from muster.domain import access, names, parse
from muster.domain.access import ACCOUNT_KINDS
from muster.domain.changes import (
    UNSET,
    BeginAccess,
    DeleteTeam,
    Limits,
    Scope,
    SetAccount,
    SetRoles,
    SetTeam,
)
from muster.domain.errors import Conflict, Invalid, NotFound
from muster.domain.parse import Form
from muster.domain.records import Json
from muster.http import schemas_access as schemas
from muster.http.answers import Answer, conditional, encoded, listed, no_content, of_write
from muster.http.callers import JOBS
from muster.http.paging import page
from muster.http.parameters import After, Given, InPath, Limit, Reason, Wanted
from muster.http.services import Services
from muster.http.writes import Asking, caller, reason_given, write
from muster.service.accounts import Accounts, grants_of, team_view, token_view
from muster.service.submissions import Recorded

ACCOUNTS: Final = "/api/v1/accounts"
TEAMS: Final = "/api/v1/teams"
ROLES: Final = "/api/v1/roles"
TOKENS: Final = "/api/v1/tokens"
# Not by the name of `scope`, which is the framework's for something else.
Place = Annotated[str, QueryParameter(name="scope", description="registry, environment, team or model")]
_SCOPES: Final = ("registry", "environment", "team", "model")
_MAX_DAYS: Final = 3650.0


def _of(services: Services) -> Accounts:
    return Accounts(services.registry.index, services.gate)


# ------------------------------------------------------------ me, and the beginning


@get("/api/v1/me", summary="Say who asks, and what they may")
async def me(services: Given, request: Request[Any, Any, Any]) -> Answer[schemas.Me]:
    actor = caller(request)
    whole = services.gate.whole_index
    found = whole.document(access.account_path(actor.name)) if services.gate.controlled() else None
    view: dict[str, Json] = {
        "id": actor.name,
        "controlled": services.gate.controlled(),
        "proven": actor.auth in ("token", "oidc"),
        "kind": None,
        "teams": [],
        "roles": [],
    }
    if found is not None:
        standing = Accounts(whole, services.gate).standing(access.account_from_bytes(found.record))
        view |= {key: value for key, value in standing.view().items() if key in view}
    return Answer(encoded(view))


@post("/api/v1/access", summary="Control access from now on: the caller names the first admin")
async def begin(services: Given, asked: Asking) -> Answer[schemas.TokenRecord]:
    form = asked.form()
    admin = form.need("admin", names.actor_id, "")
    reason = form.take("reason", parse.reason, "")
    form.close()
    if services.gate.controlled():
        raise Conflict("access is controlled already")

    def answer(recorded: Recorded) -> Answer[Any]:
        secret, credential = services.gate.give(admin, note="the first admin's")
        return of_write(token_view(credential) | {"token": secret}, recorded, 201)

    return await write(services, asked, reason, lambda: BeginAccess(admin), answer)


@post(JOBS, summary="Exchange a CI system's own token for one of an hour", opt={"body": schemas.JobLogIn})
async def job(services: Given, asked: Asking) -> Answer[schemas.TokenRecord]:
    form = asked.form()
    token, issuer = form.need("token", parse.text, ""), form.need("issuer", _address, "")
    form.close()
    secret, credential = await services.pools.writes.run(partial(services.entrance.job, token, issuer))
    return Answer(encoded(token_view(credential) | {"token": secret}), 201)


# ------------------------------------------------------------ accounts


@get(ACCOUNTS, summary="List the accounts")
async def accounts(services: Given, limit: Limit = 100, after: After = None) -> Answer[schemas.Accounts]:
    def work() -> Answer[Any]:
        who = _of(services)
        found = [access.account_from_bytes(each.record) for each in who.accounts()]
        shown, more = page(found, lambda each: each.id, "", after, limit)
        return Answer(listed((encoded(who.standing(each).view()) for each in shown), len(found), more))

    return await services.pools.reads.run(work)


@post(ACCOUNTS, summary="Make an account", opt={"body": schemas.NewAccount})
async def create_account(services: Given, asked: Asking) -> Answer[schemas.AccountRecord]:
    form = asked.form()
    change = SetAccount(
        form.need("id", names.actor_id, ""),
        cast(Any, form.take("kind", parse.one_of(ACCOUNT_KINDS), "person")),
        owner=form.take("owner", names.actor_id, None),
        users=form.take("users", _ids, ()),
        trusts=form.take("trusts", _trusts, ()),
        create=True,
    )
    reason = form.take("reason", parse.reason, "")
    form.close()
    return await write(
        services, asked, reason, lambda: change, _account_answer(services, change.account, 201)
    )


@get(f"{ACCOUNTS}/{{account:str}}", summary="Show an account")
async def account(
    services: Given, request: Request[Any, Any, Any], account: InPath
) -> Answer[schemas.AccountRecord]:
    found, by = await services.pools.reads.run(partial(_of(services).account, account))
    return conditional(encoded(found.view()), by.commit, request.headers.get("if-none-match"))


@patch(
    f"{ACCOUNTS}/{{account:str}}",
    summary="Change, disable or enable an account",
    opt={"body": schemas.AccountUpdate},
)
async def update_account(services: Given, asked: Asking, account: InPath) -> Answer[schemas.AccountRecord]:
    form = asked.form()
    disabled = form.take("disabled", parse.boolean, None)
    owner = form.take("owner", names.actor_id, None)
    users = form.take("users", _ids, None)
    trusts = form.take("trusts", _trusts, None)
    reason = form.take("reason", parse.reason, "")
    form.close()
    change = SetAccount(
        account,
        disabled=UNSET if disabled is None else disabled,
        owner=UNSET if owner is None else owner,
        users=UNSET if users is None else users,
        trusts=UNSET if trusts is None else trusts,
    )
    return await write(services, asked, reason, lambda: change, _account_answer(services, account))


def _account_answer(services: Services, name: str, created: int = 200) -> Any:
    def answer(recorded: Recorded) -> Answer[Any]:
        who = _of(services)
        standing, by = who.account(name)
        view = standing.view()
        if standing.account.disabled:
            models, services_ = who.handing_over(name)
            view["handing_over"] = {"models": models, "service_accounts": services_}
        return of_write(view, recorded, created if recorded.commit else 200, by.commit)

    return answer


# ------------------------------------------------------------ teams


@get(TEAMS, summary="List the teams")
async def teams(services: Given, limit: Limit = 100, after: After = None) -> Answer[schemas.Teams]:
    found = await services.pools.reads.run(_of(services).teams)
    shown, more = page(found, lambda each: each.name, "", after, limit)
    return Answer(listed((encoded(team_view(each)) for each in shown), len(found), more))


@post(TEAMS, summary="Make a team", opt={"body": schemas.NewTeam})
async def create_team(services: Given, asked: Asking) -> Answer[schemas.TeamRecord]:
    form = asked.form()
    change = SetTeam(
        form.need("name", access.team_name, ""),
        form.take("description", parse.text, ""),
        form.take("claims", _names, ()),
        add=form.take("members", _ids, ()),
        create=True,
    )
    reason = form.take("reason", parse.reason, "")
    form.close()
    return await write(services, asked, reason, lambda: change, _team_answer(services, change.team, 201))


@get(f"{TEAMS}/{{team:str}}", summary="Show a team")
async def team(services: Given, request: Request[Any, Any, Any], team: InPath) -> Answer[schemas.TeamRecord]:
    found, by = await services.pools.reads.run(partial(_of(services).team, team))
    return conditional(encoded(team_view(found)), by.commit, request.headers.get("if-none-match"))


@patch(
    f"{TEAMS}/{{team:str}}",
    summary="Describe a team, or change its members",
    opt={"body": schemas.TeamUpdate},
)
async def update_team(services: Given, asked: Asking, team: InPath) -> Answer[schemas.TeamRecord]:
    form = asked.form()
    description = form.take("description", parse.text, None)
    claims = form.take("claims", _names, None)
    change = SetTeam(
        team,
        UNSET if description is None else description,
        UNSET if claims is None else claims,
        form.take("add", _ids, ()),
        form.take("remove", _ids, ()),
    )
    reason = form.take("reason", parse.reason, "")
    form.close()
    return await write(services, asked, reason, lambda: change, _team_answer(services, team))


@delete(f"{TEAMS}/{{team:str}}", status_code=204, summary="Delete a team")
async def delete_team(services: Given, asked: Asking, team: InPath, reason: Reason = "") -> Answer[None]:
    return await write(services, asked, reason_given(reason), lambda: DeleteTeam(team), no_content)


def _team_answer(services: Services, name: str, created: int = 200) -> Any:
    def answer(recorded: Recorded) -> Answer[Any]:
        found, by = _of(services).team(name)
        return of_write(team_view(found), recorded, created if recorded.commit else 200, by.commit)

    return answer


# ------------------------------------------------------------ roles


@get(ROLES, summary="Show who has which role at a place")
async def roles(
    services: Given, request: Request[Any, Any, Any], at: Place = "registry", name: Wanted = None
) -> Answer[schemas.RolesRecord]:
    where = parse.one_of(_SCOPES)(at, "scope")
    found = await services.pools.reads.run(
        partial(services.registry.index.document, _roles_path(services, where, name))
    )
    content = encoded({"scope": where, "name": name, "grants": grants_of(found)})
    tag = request.headers.get("if-none-match")
    return Answer(content) if found is None else conditional(content, found.by.commit, tag)


def _roles_path(services: Services, scope: str, name: str | None) -> str:
    """The path of the record that gives the roles there. Raises NotFound and Invalid."""
    if scope == "registry":
        return access.REGISTRY
    if scope == "environment":
        return access.environment_access_path(names.environment_name(name, "name"))
    if scope == "team":
        return access.team_path(access.team_name(name, "name"))
    model = names.model_name(name)
    if services.registry.index.model_record(model) is None:
        raise NotFound("model", model)
    return names.access_path(model)


@put(ROLES, summary="Say which roles somebody has at a place", opt={"body": schemas.RolesUpdate})
async def set_roles(services: Given, asked: Asking) -> Answer[schemas.RolesRecord]:
    form = asked.form()
    scope = form.take("scope", parse.one_of(_SCOPES), "registry")
    name = form.take("name", names.model_name, None)
    subject = form.need("subject", access.subject, "")
    given = form.need("roles", _roles, tuple[str, ...]())
    reason = form.take("reason", parse.reason, "")
    form.close()
    change = SetRoles(cast(Scope, scope), name if scope != "registry" else None, subject, given)

    def answer(recorded: Recorded) -> Answer[Any]:
        found = services.registry.index.document(_roles_path(services, scope, name))
        view = {"scope": scope, "name": change.name, "grants": grants_of(found)}
        return of_write(view, recorded, touched=found.by.commit if found else None)

    return await write(services, asked, reason, lambda: change, answer)


# ------------------------------------------------------------ tokens


@get(TOKENS, summary="List tokens and sessions: one's own, or of an account")
async def tokens(
    services: Given,
    request: Request[Any, Any, Any],
    account: Wanted = None,
    limit: Limit = 100,
    after: After = None,
) -> Answer[schemas.Tokens]:
    found = await services.pools.reads.run(partial(_whole(services).tokens, caller(request), account))
    shown, more = page(found, lambda each: each.id, "", after, limit)
    return Answer(listed((encoded(token_view(each)) for each in shown), len(found), more))


@post(TOKENS, summary="Give out a token, which is shown this once", opt={"body": schemas.NewToken})
async def create_token(services: Given, asked: Asking) -> Answer[schemas.TokenRecord]:
    form = asked.form()
    account = form.take("account", names.actor_id, asked.actor.name)
    note = form.take("note", parse.name, "")
    days = form.take("days", token_days, None)
    limits = form.take("limits", token_limits, None)
    form.close()
    lasts = None if days is None else timedelta(days=days)
    give = partial(_whole(services).give, asked.actor, account, note, limits, lasts)
    secret, credential = await services.pools.writes.run(give)
    return Answer(encoded(token_view(credential) | {"token": secret}), 201)


@delete(f"{TOKENS}/{{token:str}}", status_code=204, summary="Revoke a token or session")
async def revoke_token(services: Given, asked: Asking, token: InPath) -> Answer[None]:
    await services.pools.writes.run(partial(_whole(services).revoke, asked.actor, token))
    return Answer(b"", 204)


def _whole(services: Services) -> Accounts:
    """With all accounts in sight: whose a token is, is checked there."""
    return Accounts(services.gate.whole_index, services.gate)


# ------------------------------------------------------------ parsing


def _ids(value: object, field: str) -> tuple[str, ...]:
    return parse.sequence(names.actor_id)(value, field)


def _names(value: object, field: str) -> tuple[str, ...]:
    return parse.sequence(parse.name)(value, field)


def _roles(value: object, field: str) -> tuple[str, ...]:
    return parse.sequence(access.role)(value, field)


def _address(value: object, field: str) -> str:
    text = parse.text(value, field)
    if not re.fullmatch(r"https://[^\s?#]+|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/[^\s?#]*)?", text):
        raise Invalid.one(field, value, "must be the https:// address of an issuer of tokens")
    return text.rstrip("/")


def _trusts(value: object, field: str) -> tuple[tuple[str, str], ...]:
    return parse.sequence(_trust)(value, field)


def _trust(value: object, field: str) -> tuple[str, str]:
    form = Form(value, field)
    found = form.need("issuer", _address, ""), form.need("subject", parse.name, "")
    form.close()
    return found


def token_days(value: object, field: str) -> float:
    days = parse.number(value, field)
    if not 0 < days <= _MAX_DAYS:
        raise Invalid.one(field, value, f"must be more than 0 and at most {_MAX_DAYS:,.0f}")
    return days


def token_limits(value: object, field: str) -> Limits:
    form = Form(value, field)
    found = Limits(
        form.take("role", access.role, None),
        form.take("models", _names, ()),
        form.take("environments", _names, ()),
    )
    form.close()
    return found


def routes() -> list[HTTPRouteHandler]:
    """All routes of access."""
    return [
        *(me, begin, job, accounts, create_account, account, update_account),
        *(teams, create_team, team, update_team, delete_team),
        *(roles, set_roles, tokens, create_token, revoke_token),
    ]
