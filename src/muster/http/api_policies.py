"""`/api/v1/policies`: expressions that must be true of a change, and what they would have stopped."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from litestar import Request, delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from muster.domain import parse, policies
from muster.domain.changes import DeletePolicy, SetPolicy
from muster.domain.errors import NotFound
from muster.domain.policies import to_dict
from muster.http import schemas_policies
from muster.http.answers import Answer, conditional, encoded, listed, no_content, of_write
from muster.http.paging import cursor, page, place
from muster.http.parameters import After, At, Given, InPath, Limit, Reason, Time
from muster.http.services import Services
from muster.http.writes import Asking, reason_given, write
from muster.service.past import moment
from muster.service.replay import Replay
from muster.service.submissions import Recorded
from muster.service.values import Document

POLICIES: Final = "/api/v1/policies"
POLICY: Final = f"{POLICIES}/{{policy:str}}"
_UNNAMED: Final = "untitled"


def _found(services: Services, name: str) -> Document:
    """Raises NotFound."""
    found = services.registry.index.document(policies.policy_path(name))
    if found is None:
        raise NotFound("policy", name)
    return found


def _shown(record: bytes) -> dict[str, Any]:
    return to_dict(policies.from_bytes(record))


@get(POLICIES, summary="List the policies, by name")
async def all_policies(
    services: Given, at: At = None, limit: Limit = 100, after: After = None
) -> Answer[schemas_policies.Policies]:
    def work() -> bytes:
        if at is None:
            there = [each.record for each in services.registry.index.documents(policies.FOLDER)]
        else:
            moment = services.past.at(at)
            there = [data for _, data in services.registry.history.walk(moment.commit, policies.FOLDER)]
        records = [_shown(each) for each in there]
        shown, more = page(records, lambda each: each["name"], "", after, limit)
        return listed(map(encoded, shown), len(records), more)

    return Answer(await services.pools.reads.run(work))


@get(POLICY, summary="Show a policy")
async def policy(
    services: Given, request: Request[Any, Any, Any], policy: InPath, at: At = None
) -> Answer[schemas_policies.PolicyRecord]:
    if at is not None:
        return await services.pools.reads.run(partial(_as_it_was, services, policy, at))
    found = _found(services, policy)
    content = encoded(_shown(found.record))
    return conditional(content, found.by.commit, request.headers.get("if-none-match"))


def _as_it_was(services: Services, name: str, at: str) -> Answer[Any]:
    """The record at a time or commit. Raises NotFound and Invalid."""
    moment = services.past.at(at)
    data = services.registry.history.read(moment.commit, policies.policy_path(name))
    if data is None:
        raise NotFound("policy", f"{name} at {moment.commit[:10]}")
    return Answer(encoded(_shown(data)), headers={"muster-head": moment.commit})


@put(
    POLICY,
    summary="Make a policy, or put another in its place",
    opt={"body": schemas_policies.NewPolicy, "also": {201: None}},
)
async def set_policy(services: Given, asked: Asking, policy: InPath) -> Answer[schemas_policies.PolicyRecord]:
    name = policies.policy_name(policy, "policy")
    wanted, form = policies.parsed(asked.body, name)
    reason = form.take("reason", parse.reason, "")
    form.close()

    def answer(recorded: Recorded) -> Answer[Any]:
        touched = recorded.commit or _found(services, name).by.commit
        is_new = recorded.logged is not None and recorded.logged.entry.subject.startswith("Create ")
        return of_write(to_dict(wanted), recorded, 201 if is_new else 200, touched)

    return await write(services, asked, reason, lambda: SetPolicy(wanted), answer)


@delete(POLICY, status_code=204, summary="Delete a policy")
async def remove(services: Given, asked: Asking, policy: InPath, reason: Reason = "") -> Answer[None]:
    change = DeletePolicy(policies.policy_name(policy, "policy"))
    return await write(services, asked, reason_given(reason), lambda: change, no_content)


@post(
    f"{POLICIES}/test",
    status_code=200,
    summary="Say what a policy would have stopped, oldest first; a page may be empty though more follow",
    opt={"body": schemas_policies.PolicyDraft},
)
async def replay(
    services: Given, asked: Asking, since: Time = None, limit: Limit = 100, after: After = None
) -> Answer[schemas_policies.PolicyReplay]:
    said = asked.body.get("name") if isinstance(asked.body, dict) else None
    wanted, form = policies.parsed(asked.body, None if said is not None else _UNNAMED)
    form.close()
    begin = None if since is None else moment(since, "since")

    def work() -> bytes:
        registry = services.registry
        # It takes the right to set it, and must be one that could be.
        registry.preview(SetPolicy(wanted), asked.actor)
        replay = Replay(registry.index, registry.history, services.past, services.evaluator)
        found = replay.page(wanted, after=place(after, 0) or replay.first_after(begin), limit=limit)
        return encoded(
            {
                "items": [each.view() for each in found.stopped],
                "seen": found.seen,
                "asked": found.asked,
                "next": None if found.next is None else cursor(found.next),
            }
        )

    # Not in the pool for reads, which answer soon.
    return Answer(await services.pools.writes.run(work))


def routes() -> list[HTTPRouteHandler]:
    """All routes of policies."""
    return [all_policies, policy, set_policy, remove, replay]
