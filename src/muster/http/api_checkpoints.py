"""`/api/v1/checkpoints`: signed statements about the history, and the key to check them with."""

from __future__ import annotations

from functools import partial
from typing import Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from muster.domain.errors import Denied
from muster.domain.records import Json
from muster.http import schemas_proof
from muster.http.answers import Answer, encoded
from muster.http.paging import cursor, place
from muster.http.parameters import After, Given, Limit
from muster.http.services import Services
from muster.http.writes import Asking, preview_view
from muster.service.registry import Preview

CHECKPOINTS: Final = "/api/v1/checkpoints"
LINES: Final = "application/jsonl"


def check_sees_all(services: Services, what: str = "signed statements are about") -> None:
    """Let pass who may see the whole registry, as `what` says it has to do with it. Raises Denied."""
    if not services.whole:
        raise Denied.one(
            "access",
            f"{what} the whole registry, and you may see a part of it",
            "an administrator can give you the role viewer on the registry",
        )


@get(CHECKPOINTS, summary="List signed statements, newest first")
async def checkpoints(
    services: Given, limit: Limit = 100, after: After = None
) -> Answer[schemas_proof.Checkpoints]:
    check_sees_all(services)
    before = place(after, 0) or None
    return Answer(encoded(await services.pools.reads.run(partial(_page, services, limit, before))))


def _page(services: Services, limit: int, before: int | None) -> dict[str, Json]:
    notary = services.notary
    found, count = notary.statements(limit + 1, before)
    more = cursor(found[limit - 1].statement.sequence) if len(found) > limit else None
    return {
        "items": [each.view() for each in found[:limit]],
        "count": count,
        "next": more,
        "key": str(notary.signer.public),
        "copies": [{"where": each.where, "failed": each.failed} for each in notary.copied()],
    }


@get(f"{CHECKPOINTS}/file", summary="Download all signed statements, a line each", opt={"media": LINES})
async def file(services: Given) -> Response[bytes]:
    check_sees_all(services)
    content = await services.pools.reads.run(services.notary.content)
    return Response(content, media_type=LINES)


@get(f"{CHECKPOINTS}/key", summary="Show the public key of the registry")
async def key(services: Given) -> Answer[schemas_proof.PublicKeyRecord]:
    def work() -> dict[str, Json]:
        public = services.notary.signer.public
        return {"key": str(public), "pem": public.pem}

    return Answer(encoded(await services.pools.reads.run(work)))


@post(CHECKPOINTS, status_code=201, summary="Sign where the history is now", opt={"also": {200: None}})
async def sign(services: Given, asked: Asking) -> Answer[schemas_proof.StatementRecord]:
    """Asked again while nothing was recorded it answers with the same checkpoint and 200."""
    check_sees_all(services)
    asked.form().close()
    if asked.dry_run:
        due = await services.pools.writes.run(services.notary.foreseen)
        subject = "" if due is None else f"Sign commit {due.commit} as checkpoint {due.sequence}"
        return Answer(encoded(preview_view(Preview(subject, nothing=due is None))))
    signed, new = await services.pools.writes.run(services.notary.checkpoint)
    return Answer(encoded(signed.view()), 201 if new else 200)


def routes() -> list[HTTPRouteHandler]:
    """All routes of signed statements."""
    return [checkpoints, file, key, sign]
