"""A write, from the request to its answer: the same for every change.

asked before with the same key     the first answer
dry_run                            what would happen, and every objection
else                               the change is submitted and its commit awaited
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias, TypeVar, cast

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from muster.domain import parse
from muster.domain.changes import Actor, Change, Propose
from muster.domain.errors import Invalid, MusterError, Problem, Stale, shown
from muster.domain.parse import Form
from muster.domain.records import Json
from muster.http import auth, bodies
from muster.http.answers import Answer, encoded
from muster.http.parameters import BreakGlass, DryRun, Given
from muster.http.services import Receive, Services
from muster.http.waiting import or_proposed, with_record
from muster.service import submissions
from muster.service.deployer import Placing
from muster.service.operations import Operation
from muster.service.past import field_changes
from muster.service.proposals import proposed
from muster.service.registry import Preview
from muster.service.submissions import Recorded

C = TypeVar("C", bound=Change)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a write asks for: by whom, with which idempotency key, on which condition."""

    actor: Actor
    request: submissions.Request | None
    expected: str | None
    dry_run: bool
    body: object
    break_glass: bool = False

    def form(self) -> Form:
        """The fields of the body."""
        return Form(self.body)


Asking: TypeAlias = NamedDependency[SkipValidation[Asked]]


async def asked(
    request: Request[Any, Any, Any],
    services: Given,
    dry_run: DryRun = False,
    break_glass: BreakGlass = False,
) -> Asked:
    """Read the request. Raises Invalid, TooLarge and Stale."""
    target = target_of(request)
    found = await asked_of(
        caller(request),
        request.headers,
        request.receive,
        request.method,
        target,
        services,
        dry_run=dry_run,
    )
    return replace(found, break_glass=break_glass)


async def asked_of(
    actor: Actor,
    headers: Mapping[str, str],
    receive: Receive,
    method: str,
    target: str,
    services: Services,
    *,
    dry_run: bool = False,
) -> Asked:
    """The same for a request that took no router."""
    content = await bodies.read(receive, headers.get("content-length"), services.max_body_bytes)
    return Asked(
        actor=actor,
        request=auth.idempotency(headers, method, target, content),
        expected=if_match(headers.get("if-match")),
        dry_run=dry_run,
        body=bodies.decode(content),
    )


def imports_only(asked: Asked, **said: object) -> None:
    """Refuse those of the fields that are there, unless an import says them. Raises Invalid."""
    if asked.actor.auth != "import":
        rule = "goes only with the header X-Muster-Import: true"
        problems = [Problem(name, shown(value), rule) for name, value in said.items() if value is not None]
        if problems:
            raise Invalid(problems)


def caller(request: Request[Any, Any, Any]) -> Actor:
    """Who sent it, as the outermost layer found."""
    actor: Actor = cast(Mapping[str, Any], request.scope)["actor"]
    return actor


def target_of(request: Request[Any, Any, Any]) -> str:
    """Path and query as they were sent."""
    raw, query = request.scope["raw_path"], request.scope["query_string"]
    return f"{raw.decode('latin-1')}?{query.decode('latin-1')}"


def if_match(header: str | None) -> str | None:
    """The commit that the record must be at; None if it may be anywhere."""
    if header is None or header.strip() == "*":
        return None
    if (tag := re.fullmatch(r'\s*"([^"]*)"\s*', header)) is None:
        raise Invalid.one("If-Match", header, 'must be one entity tag, as in "…"')
    # What follows the commit stands for what was shown with the record (`views.shown`).
    if (commit := re.fullmatch(r"([0-9a-f]{40})(?:-[0-9a-f]{8})?", tag[1])) is None:
        raise Stale(f"the record never was at {tag[1]}; read it again")
    return commit[1]


# ------------------------------------------------------------ changes


async def write(
    services: Services,
    asked: Asked,
    reason: str,
    change: Callable[[], Change],
    answer: Callable[[Recorded], Answer[Any]],
) -> Answer[Any]:
    """Have the change recorded. `change` may raise; it is called only if it is needed."""
    if (recorded := answered_before(services, asked)) is None:
        wanted = conditioned(change(), asked)
        if asked.dry_run:
            return await previewed(services, asked.actor, reason, wanted)
        recorded = await submitted(services, asked, reason, wanted)
    return answer(recorded)


def answered_before(services: Services, asked: Asked) -> Recorded | None:
    """What was recorded for the same request, made before.

    Raises:
        KeyReused: the key came with another one.
        ApprovalNeeded: what was asked for became a proposal.
    """
    if asked.request is None or (found := services.registry.answered(asked.request)) is None:
        return None
    if found.logged is not None and found.logged.entry.kind == Propose.kind:
        waits = services.proposals.as_refusal(proposed(found))
        raise with_record(services, waits, asked.actor)
    return found


async def submitted(services: Services, asked: Asked, reason: str, change: Change) -> Recorded:
    """The change's outcome. A caller who leaves does not take it back.

    Raises:
        ApprovalNeeded: it waits for approval; see `waiting`.
    """

    async def work() -> Recorded:
        outcome = services.registry.submit(change, asked.actor, reason, asked.request)
        return await services.outcomes.of(outcome)

    return await or_proposed(work, services, change, asked.actor, reason, asked.request)


def conditioned(change: C, asked: Asked) -> C:
    """`change`, to be refused unless its record was last touched by the commit that the caller saw.

    And to be done without approval, if they break the glass for it.
    """
    if asked.break_glass:
        change = replace(change, break_glass=True)
    if asked.expected is None:
        return change
    if not hasattr(change, "expected"):
        raise Invalid.one("If-Match", asked.expected, "is not taken here")
    return cast(C, replace(cast(Any, change), expected=asked.expected))


async def foreseen(
    services: Services, asked: Asked, reason: str, environment: str, change: Callable[[], Placing]
) -> Answer[Any]:
    """What a deployment, rollback or undeployment would do now; what it names that is not there, too."""

    def work() -> Preview:
        try:
            wanted = change()
        except MusterError as objection:
            return services.deployer.refused(environment, objection)
        return services.deployer.preview(conditioned(wanted, asked), asked.actor, reason)

    # Not in the pool for reads, which answer soon: all files of a version may be read.
    return Answer(encoded(preview_view(await services.pools.writes.run(work))))


async def previewed(services: Services, actor: Actor, reason: str, change: Change) -> Answer[Any]:
    """What `change` would do now."""
    work = partial(services.registry.preview, change, actor, reason)
    preview = await services.pools.reads.run(work)
    return Answer(encoded(preview_view(preview)))


def preview_view(preview: Preview) -> dict[str, Json]:
    """The answer to a dry run."""
    return {
        "dry_run": True,
        "subject": preview.subject,
        "nothing": preview.nothing,
        "changes": [change.view() for change in field_changes(preview.edits)],
        "effects": list(preview.effects),
        "objections": [{"code": each.code, "message": each.message} for each in preview.objections],
    }


# ------------------------------------------------------------ deployments


async def begun(services: Services, asked: Asked, reason: str, change: Placing) -> Operation:
    """The operation that carries `change` out. Raises UnderWay, NotFound, Conflict, ApprovalNeeded."""
    begin = partial(services.deployer.begin, change, asked.actor, reason, asked.request)
    work = partial(services.pools.writes.run, begin)
    return await or_proposed(work, services, change, asked.actor, reason, asked.request)


async def ended(operation: Operation) -> Recorded:
    """What was recorded, once the operation has ended; or the error raised."""
    with stepping(operation) as step:
        while not operation.ended:
            await step.wait()
            step.clear()
    return operation.result()


@contextmanager
def stepping(operation: Operation) -> Iterator[asyncio.Event]:
    """An event that is set at every step of the operation."""
    loop, step = asyncio.get_running_loop(), asyncio.Event()

    def listen() -> None:
        with suppress(RuntimeError):  # the server has ended, and nobody waits any more
            loop.call_soon_threadsafe(step.set)

    operation.listeners.append(listen)
    try:
        yield step
    finally:
        operation.listeners.remove(listen)


# ------------------------------------------------------------ parsing


def reason_given(reason: str) -> str:
    """The reason of a write that has no body."""
    return parse.reason(reason)
