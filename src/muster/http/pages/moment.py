"""`/moment`: choose which moment to show, then any page as it was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from muster.domain.errors import Invalid, MusterError
from muster.http.pages import moments
from muster.http.pages.forms import or_again, problems, status_of
from muster.http.pages.page import Page, Viewed
from muster.http.pages.steps_view import steps, then
from muster.http.pages.strip_view import Strip, strip


@dataclass(frozen=True, slots=True)
class MomentView:
    """The picker: what is typed in it, where it leads, and moments that are one step away."""

    where: str
    picked: str
    commit: str
    steps: list[tuple[str, str]]
    strip: Strip | None


@get("/moment")
async def moment(page: Viewed) -> Response[bytes]:
    where = _where(page.query.get("where", ""))
    time, commit = page.query.get("time", "").strip(), page.query.get("commit", "").strip()

    async def chosen() -> Response[bytes]:
        if not (time or commit):
            return await again(None)
        at = commit or _past(time)
        await page.services.pools.reads.run(partial(page.services.past.at, at))
        return page.sent_to(then(where, at))

    async def again(refused: MusterError | None) -> Response[bytes]:
        view = partial(moment_view, page, where, time, commit)
        problem = problems(refused).get("time")
        return await page.shown("moment.html", view, status_of(refused), refused=refused, problem=problem)

    return await or_again(chosen, again)


def _past(text: str) -> str:
    time = moments.moment(text, "time")
    if time > datetime.now(UTC):
        raise Invalid.one("time", text, "must not be in the future (times are in UTC)")
    return moments.written(time)


def moment_view(page: Page, where: str, time: str, commit: str) -> MomentView:
    """The picker, with what was typed in it."""
    return MomentView(where, time or moments.picked(page.now), commit, steps(page, where), strip(page))


def _where(text: str) -> str:
    """A page of this server: `text` if it is one's address, else the overview."""
    ours = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if ours else "/"


def routes() -> list[HTTPRouteHandler]:
    """All routes of this module."""
    return [moment]
