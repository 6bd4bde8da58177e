"""`/api/v1/webhooks`: who is told of what happens, and what became of each message.

They are not in the registry: nothing here makes a commit, and nothing is in the history.
A webhook is told of everything, so all of this is for admins of the registry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, TypeVar, cast

from litestar import Router, delete, get, patch, post
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from muster.domain import names, parse
from muster.domain.changes import KINDS
from muster.domain.errors import Invalid, Problem
from muster.domain.parse import Form
from muster.domain.records import Json
from muster.http import schemas_telling
from muster.http.answers import Answer, encoded, etag, listed
from muster.http.paging import cursor, page, place
from muster.http.parameters import After, Given, InPath, Limit
from muster.http.services import Services
from muster.http.writes import Asked, Asking, preview_view
from muster.service.hooks import STATES, Hook, State, Wanted
from muster.service.registry import Preview
from muster.service.telling import attempt_view, delivery_view, hook_view

WEBHOOKS: Final = "/api/v1/webhooks"
WEBHOOK: Final = f"{WEBHOOKS}/{{webhook:str}}"
DELIVERIES: Final = f"{WEBHOOK}/deliveries"
DELIVERY: Final = f"{DELIVERIES}/{{delivery:str}}"

OfState = Annotated[str | None, QueryParameter(name="state", description=f"One of {', '.join(STATES)}")]

T = TypeVar("T")
_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_MOST: Final = 100
_state: Final = parse.one_of(STATES)


def hook_name(value: object, field: str) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        rule = "must be 1 to 63 letters, digits, '.', '_', '-', the first and last no sign"
        raise Invalid.one(field, value, rule)
    return value


def _secret(value: object, field: str) -> str:
    try:
        return parse.text(value, field, 128)
    except Invalid:  # what it holds is not repeated
        raise Invalid.one(field, "…", "must be a text of at most 128 characters") from None


def _list_of(read: Callable[[object, str], str]) -> Callable[[object, str], tuple[str, ...]]:
    def parsed(value: object, field: str) -> tuple[str, ...]:
        if not isinstance(value, list) or len(value) > _MOST:
            raise Invalid.one(field, value, f"must be a list of at most {_MOST}")
        problems: list[Problem] = []
        found: list[str] = []
        for at, each in enumerate(value):
            try:
                found.append(read(each, f"{field}[{at}]"))
            except Invalid as invalid:
                problems += invalid.problems
        if problems:
            raise Invalid(problems)
        return tuple(dict.fromkeys(found))

    return parsed


_kinds: Final = _list_of(parse.one_of(KINDS))
_models: Final = _list_of(names.model_name)
_environments: Final = _list_of(names.environment_name)


def wanted_from(form: Form, before: Wanted) -> Wanted:
    return Wanted(
        kinds=form.take("kinds", _kinds, before.kinds),
        models=form.take("models", _models, before.models),
        environments=form.take("environments", _environments, before.environments),
    )


def _admins(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let pass who may do everything. Raises Denied."""
    scope = cast(Mapping[str, Any], connection.scope)
    services, actor = scope["services"], scope["actor"]
    services.gate.check_may_tell(actor)


# ------------------------------------------------------------ answers


def _record(services: Services, hook: Hook) -> dict[str, Json]:
    return hook_view(services.telling.standing(services.telling.hook(hook.name)))


def _answer(services: Services, hook: Hook, status: int = 200, *, secret: bool = False) -> Answer[Any]:
    shown = _record(services, hook) | ({"secret": hook.secret} if secret else {})
    return Answer(encoded(shown), status, {"etag": etag(hook.revision)})


def _foreseen(subject: str, *effects: str) -> Answer[Any]:
    """The answer to a dry run: nothing of it would be in the history."""
    return Answer(encoded(preview_view(Preview(subject, effects=effects))))


async def _blocking(services: Services, work: Callable[[], T]) -> T:
    """What `work` gives: it writes a file, looks a name up, or calls a receiver."""
    return await services.pools.writes.run(work)


# ------------------------------------------------------------ webhooks


@get(WEBHOOKS, summary="List the webhooks by name")
async def webhooks(
    services: Given, limit: Limit = 100, after: After = None
) -> Answer[schemas_telling.Webhooks]:
    def work() -> Answer[Any]:
        found = services.telling.standings()
        shown, more = page(found, lambda each: each.hook.name, "", after, limit)
        return Answer(listed((encoded(hook_view(each)) for each in shown), len(found), more))

    return await services.pools.reads.run(work)


@post(
    WEBHOOKS,
    summary="Make a webhook, told of what happens from now on; only this answer shows its secret",
    opt={"body": schemas_telling.NewWebhook},
)
async def create(services: Given, asked: Asking) -> Answer[schemas_telling.WebhookWithSecret]:
    form = asked.form()
    name = form.need("name", hook_name, "")
    url = form.need("url", parse.text, "")
    wanted = wanted_from(form, Wanted())
    description = form.take("description", parse.text, "")
    secret = form.take("secret", _secret, None)
    form.close()

    def work() -> Answer[Any]:
        if asked.dry_run:
            services.telling.check(url, secret)
            return _foreseen(f"Make webhook {name}", f"{url} is told of what happens from now on")
        hook = services.telling.add(
            name,
            url,
            wanted,
            asked.actor.name,
            description=description,
            secret=secret,
            request=asked.request,
        )
        return _answer(services, hook, 201, secret=True)

    return await _blocking(services, work)


@get(WEBHOOK, summary="Show a webhook and what waits for it")
async def webhook(services: Given, webhook: InPath) -> Answer[schemas_telling.WebhookRecord]:
    def work() -> Answer[Any]:
        hook = services.telling.hook(webhook)
        content = encoded(hook_view(services.telling.standing(hook)))
        return Answer(content, headers={"etag": etag(hook.revision)})

    return await services.pools.reads.run(work)


@patch(
    WEBHOOK,
    summary="Change a webhook, disable it, or have it go on where it was",
    opt={"body": schemas_telling.WebhookUpdate},
)
async def update(services: Given, asked: Asking, webhook: InPath) -> Answer[schemas_telling.WebhookRecord]:
    _changes(asked, Wanted())  # what is wrong with the body comes before what is not there

    def work() -> Answer[Any]:
        telling = services.telling
        hook = telling.hook(webhook)
        fields, active = _changes(asked, hook.wanted)
        if asked.dry_run:
            if "url" in fields:
                telling.check(fields["url"])
            return _foreseen(f"Change webhook {webhook}")
        expected = asked.expected
        if fields or active is None:
            hook, expected = telling.update(webhook, expected=expected, **fields), None
        if active is True:
            hook = telling.enable(webhook, expected=expected)
        elif active is False:
            hook = telling.disable(webhook, asked.actor.name, expected=expected)
        return _answer(services, hook)

    return await _blocking(services, work)


def _changes(asked: Asked, before: Wanted) -> tuple[dict[str, Any], bool | None]:
    """The fields that are to be others, and whether the webhook is to be active."""
    form = asked.form()
    fields: dict[str, Any] = {
        "url": form.take("url", parse.text, None),
        "description": form.take("description", parse.text, None),
        "wanted": wanted_from(form, before),
    }
    active = form.take("active", parse.boolean, None)
    form.close()
    unchanged = {"url": None, "description": None, "wanted": before}
    return {name: value for name, value in fields.items() if value != unchanged[name]}, active


@delete(WEBHOOK, status_code=204, summary="Remove a webhook, its secret and what waits for it")
async def remove(services: Given, asked: Asking, webhook: InPath) -> Answer[None]:
    def work() -> Answer[Any]:
        if asked.dry_run:
            pending = services.telling.standing(services.telling.hook(webhook)).pending
            return _foreseen(f"Remove webhook {webhook}", f"{pending} pending deliveries are forgotten")
        services.telling.remove(webhook, expected=asked.expected)
        return Answer(b"", 204)

    return await _blocking(services, work)


@post(
    f"{WEBHOOK}/secret", status_code=200, summary="Give a webhook a new secret, which only this answer shows"
)
async def renew(services: Given, asked: Asking, webhook: InPath) -> Answer[schemas_telling.WebhookWithSecret]:
    def work() -> Answer[Any]:
        hook = services.telling.hook(webhook)
        if asked.dry_run:
            return _foreseen(
                f"Give webhook {webhook} a new secret", "the old one is good for nothing any more"
            )
        hook = services.telling.renew_secret(webhook)
        return _answer(services, hook, secret=True)

    return await _blocking(services, work)


@post(f"{WEBHOOK}/test", status_code=200, summary="Send a webhook a ping, and say what it answered")
async def ping(services: Given, asked: Asking, webhook: InPath) -> Answer[schemas_telling.AttemptRecord]:
    def work() -> Answer[Any]:
        hook = services.telling.hook(webhook)
        if asked.dry_run:
            return _foreseen(f"Send webhook {webhook} a ping", f"{hook.url} is called")
        return Answer(encoded(attempt_view(services.telling.test(webhook, asked.actor.name))))

    return await _blocking(services, work)


# ------------------------------------------------------------ deliveries


@get(DELIVERIES, summary="List what a webhook was told, newest first, with every attempt")
async def deliveries(
    services: Given, webhook: InPath, in_state: OfState = None, limit: Limit = 100, after: After = None
) -> Answer[schemas_telling.Deliveries]:
    wanted: State | None = None if in_state is None else _state(in_state, "state")  # type: ignore[assignment]  # it is one
    before = place(after, 0) or None

    def work() -> Answer[Any]:
        hook, outbox = services.telling.hook(webhook), services.telling.outbox
        found = outbox.deliveries(hook.id, wanted, before=before, limit=limit + 1)
        more = cursor(found[limit - 1].sequence) if len(found) > limit else None
        shown = (encoded(delivery_view(each)) for each in found[:limit])
        return Answer(listed(shown, outbox.count_deliveries(hook.id, wanted), more))

    return await services.pools.reads.run(work)


@get(DELIVERY, summary="Show a delivery with every attempt")
async def delivery(
    services: Given, webhook: InPath, delivery: InPath
) -> Answer[schemas_telling.DeliveryRecord]:
    def work() -> Answer[Any]:
        found = services.telling.delivery(services.telling.hook(webhook), delivery)
        return Answer(encoded(delivery_view(found)))

    return await services.pools.reads.run(work)


@post(
    f"{DELIVERY}/redeliver",
    status_code=200,
    summary="Send a delivery once more, now, and show how it stands then",
)
async def redeliver(
    services: Given, asked: Asking, webhook: InPath, delivery: InPath
) -> Answer[schemas_telling.DeliveryRecord]:
    def work() -> Answer[Any]:
        telling = services.telling
        if asked.dry_run:
            hook = telling.hook(webhook)
            found = telling.delivery(hook, delivery)
            return _foreseen(f"Send {found.id} to webhook {webhook} once more", f"{hook.url} is called")
        return Answer(encoded(delivery_view(telling.redeliver(webhook, delivery))))

    return await _blocking(services, work)


@post(
    f"{WEBHOOK}/recover",
    status_code=200,
    summary="Put all that failed for good in line again",
)
async def recover(services: Given, asked: Asking, webhook: InPath) -> Answer[schemas_telling.Recovered]:
    def work() -> Answer[Any]:
        telling = services.telling
        if asked.dry_run:
            count = telling.outbox.count_deliveries(telling.hook(webhook).id, "failed")
            return _foreseen(f"Put what webhook {webhook} was not told in line again", f"{count} deliveries")
        return Answer(encoded({"recovered": telling.recover(webhook)}))

    return await _blocking(services, work)


def routes() -> list[Router]:
    """All routes of webhooks."""
    about = [webhooks, create, webhook, update, remove, renew, ping]
    told = [deliveries, delivery, redeliver, recover]
    return [Router("/", route_handlers=[*about, *told], guards=[_admins])]
