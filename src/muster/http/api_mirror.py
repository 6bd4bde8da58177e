"""`/api/v1/mirror`: how far the other Git remote is that has the history, too."""

from __future__ import annotations

from typing import Final

from litestar import get
from litestar.handlers import HTTPRouteHandler

from muster.domain.errors import NotFound
from muster.domain.records import Json
from muster.http import schemas_proof
from muster.http.answers import Answer, encoded
from muster.http.api_checkpoints import check_sees_all
from muster.http.parameters import Given

MIRROR: Final = "/api/v1/mirror"


@get(MIRROR, summary="Say how far the mirror is behind")
async def mirror(services: Given) -> Answer[schemas_proof.MirrorRecord]:
    check_sees_all(services, "the mirror holds")

    def work() -> dict[str, Json]:
        state = services.mirrored()
        if state is None:
            raise NotFound("mirror", "none is set (mirror_url)")
        return state.view()

    return Answer(encoded(await services.pools.reads.run(work)))


def routes() -> list[HTTPRouteHandler]:
    """All routes of the mirror."""
    return [mirror]
