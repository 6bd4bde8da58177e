"""`/checkpoints`: what was signed about the history, the key to check it with, and where it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from muster.domain.checkpoints import Checkpoint, Signed
from muster.domain.errors import MusterError
from muster.http.api_checkpoints import check_sees_all
from muster.http.pages.forms import FromForm, or_again, status_of
from muster.http.pages.page import Page, Viewed
from muster.http.pages.times import When
from muster.service.mirroring import MirrorState
from muster.service.notary import Copied

ROWS: Final = 50


@dataclass(frozen=True, slots=True)
class Row:
    """A signed statement; of a checkpoint the address of its commit."""

    signed: Signed
    when: When
    checkpoint: Checkpoint | None
    href: str


@dataclass(frozen=True, slots=True)
class CheckpointsView:
    """Statements, newest first; `due` says that something was recorded since the newest."""

    rows: Sequence[Row]
    count: int
    key: str
    pem: str
    copies: Sequence[Copied]
    mirror: MirrorState | None
    due: bool
    older: str


@get("/checkpoints")
async def checkpoints(page: Viewed) -> Response[bytes]:
    return await _shown(page, None)


@post("/checkpoints", status_code=303)
async def sign(page: Viewed, posted: FromForm) -> Response[bytes]:  # noqa: ARG001  its token is checked
    async def work() -> Response[bytes]:
        check_sees_all(page.services)
        await page.services.pools.writes.run(page.services.notary.checkpoint)
        return page.sent_to("/checkpoints")

    return await or_again(work, lambda refused: _shown(page, refused))


async def _shown(page: Page, refused: MusterError | None) -> Response[bytes]:
    return await page.shown("checkpoints.html", partial(_view, page), status_of(refused), refused=refused)


def _view(page: Page) -> CheckpointsView:
    """As it is now, whatever moment is shown. Raises Denied for who sees a part of the registry only."""
    check_sees_all(page.services)
    notary = page.services.notary
    before = page.query.get("before", "")
    below = int(before) if before.isdecimal() and before.isascii() and 0 < len(before) < 10 else None
    found, count = notary.statements(ROWS + 1, max(1, below) if below is not None else None)
    more = len(found) > ROWS
    return CheckpointsView(
        rows=[_row(page, each) for each in found[:ROWS]],
        count=count,
        key=str(notary.signer.public),
        pem=notary.signer.public.pem,
        copies=notary.copied(),
        mirror=page.services.mirrored(),
        due=notary.foreseen() is not None,
        older=page.here(before=found[ROWS - 1].statement.sequence) if more else "",
    )


def _row(page: Page, signed: Signed) -> Row:
    statement = signed.statement
    checkpoint = statement if isinstance(statement, Checkpoint) else None
    href = page.to("history", checkpoint.commit) if checkpoint else ""
    return Row(signed, page.when(statement.time), checkpoint, href)


def routes() -> list[HTTPRouteHandler]:
    """All routes of this module."""
    return [checkpoints, sign]
